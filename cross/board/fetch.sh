#!/bin/bash
# Downloads the board's Debian packages: fetch.sh WORK [SOURCES]
#
# WORK/debs gets the .deb files, WORK/packages.sha256 what was resolved. apt works in a private state below WORK with
# architecture arm64, so this machine's own apt stays as it is; no root needed. Where packages come from:
#   1. SOURCES, a .list or .sources file, if given;
#   2. the Debian archives that this machine's apt is configured with, whatever their suite;
#   3. elsewhere (Ubuntu) the archive that debootstrap would use.
# apt checks every package against Debian's archive keys.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1 sources=${2:-}
. "$here/image.conf"
keys=/usr/share/keyrings/debian-archive-keyring.gpg

debian_archives() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian(-security)?/' | sort -u || true
}

debootstrap_archive() {
  sed -n 's/^DEF_MIRROR="\(.*\)"$/\1/p' /usr/sbin/debootstrap 2> /dev/null | sed 's|/*$||; p; s|$|-security|'
}

write_sources() { # lines of archive addresses on stdin
  while read -r uri; do
    case $uri in
      *debian-security*) echo "deb [signed-by=$keys] $uri $SUITE-security main" ;;
      *) echo "deb [signed-by=$keys] $uri $SUITE main"; echo "deb [signed-by=$keys] $uri $SUITE-updates main" ;;
    esac
  done
}

mkdir -p "$work"/apt/lists/partial "$work"/apt/cache/archives/partial
: > "$work/apt/status"
if [ -z "$sources" ]; then
  sources=$work/apt/debian.list
  debian_archives | write_sources > "$sources"
  [ -s "$sources" ] || debootstrap_archive | write_sources > "$sources"
  if [ ! -s "$sources" ] || [ ! -r $keys ]; then
    echo "no Debian archive is known to this machine: install debootstrap and debian-archive-keyring" >&2
    exit 3
  fi
fi
cat > "$work/apt/apt.conf" <<CONF
APT::Architecture "arm64"; APT::Architectures { "arm64"; };
APT::Install-Recommends "false"; APT::Sandbox::User "root";
Dir::Etc::sourcelist "$sources"; Dir::Etc::sourceparts "-";
Dir::State "$work/apt"; Dir::State::status "$work/apt/status"; Dir::Cache "$work/apt/cache";
Acquire::Languages "none"; Acquire::Retries "3"; Debug::NoLocking "true";
APT::Keep-Downloaded-Packages "true";
CONF
export APT_CONFIG=$work/apt/apt.conf
apt-get -qq -o APT::Update::Error-Mode=any update

names=$(grep -v '^#' "$here/packages.txt")
apt-cache dumpavail | awk '/^Package:/ { name = $2 } /^Priority: required/ { print name }' | sort -u > "$work/required"
kernel=$(apt-cache depends "$KERNEL" | awk '/Depends:/ { print $2; exit }')
# shellcheck disable=SC2046,SC2086  # lists of words
apt-get -qq -y --download-only install $(cat "$work/required") $names > /dev/null
rm -rf "$work/debs" "$work/kernel-debs"
mv "$work/apt/cache/archives" "$work/debs"
mkdir "$work/kernel-debs"
cd "$work/kernel-debs"
apt-get -qq download "$kernel" busybox-static
cd "$work"
rm -rf debs/partial debs/lock
sha256sum debs/*.deb kernel-debs/*.deb | sed 's|  .*/|  |' | sort -k 2 > packages.sha256
