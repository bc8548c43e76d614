#!/bin/bash
# Writes what a Debian archive has of some arm64 packages: lock.sh SUITE [--needs] NAME... > SUITE.lock
#
# SUITE-amd64 stands for packages of workstations. With --needs the libraries that the packages need are written too.
# One line a package: name, version, SHA-256, size in bytes, path in the archive. apt works in a private state and checks
# the archive's signature against Debian's keys; no root needed. Archives: those of this machine's apt, or, on Ubuntu,
# the one that debootstrap uses; EDGEKIT_DEBIAN_ARCHIVE names another.
set -euo pipefail
suite=$1; shift
arch=arm64
case $suite in *-amd64) arch=amd64; suite=${suite%-amd64} ;; esac
needs=''
[ "${1:-}" != --needs ] || { needs=1; shift; }
keys=/usr/share/keyrings/debian-archive-keyring.gpg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
: > "$work/status"

archives() {
  if [ -n "${EDGEKIT_DEBIAN_ARCHIVE:-}" ]; then echo "$EDGEKIT_DEBIAN_ARCHIVE"; return; fi
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | sort -u || true
}
uri=$(archives | head -1)
[ -n "$uri" ] || uri=$(sed -n 's/^DEF_MIRROR="\(.*\)"$/\1/p' /usr/sbin/debootstrap 2> /dev/null | head -1)
[ -n "$uri" ] && [ -r $keys ] || { echo "no Debian archive is known here: install debootstrap and debian-archive-keyring" >&2; exit 3; }
echo "deb [signed-by=$keys] $uri $suite main" > "$work/sources.list"
cat > "$work/apt.conf" <<CONF
APT::Architecture "$arch"; APT::Architectures { "$arch"; }; APT::Sandbox::User "root";
Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::sourceparts "-";
Dir::State "$work"; Dir::State::status "$work/status"; Dir::Cache "$work/cache";
Acquire::Languages "none"; Acquire::Retries "3"; Debug::NoLocking "true";
CONF
export APT_CONFIG=$work/apt.conf
apt-get -qq -o APT::Update::Error-Mode=any update
libraries() {  # all that a package needs in turn and that is a library, but for those that every board has
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" |
    grep -xE 'lib[a-z0-9][a-z0-9.+-]*' | grep -vxE 'libc6|libgcc-s1|libstdc\+\+6|libcrypt1|libc6-dev|libcrypt-dev' || true
}
names=("$@")
if [ -n "$needs" ]; then
  for name in "$@"; do mapfile -t more < <(libraries "$name"); names+=("${more[@]}"); done
fi
for name in $(printf '%s\n' "${names[@]}" | sort -u); do
  apt-cache show --no-all-versions "$name" | awk -v name="$name" '
    /^Version:/ && !v { v = $2 } /^SHA256:/ && !h { h = $2 } /^Size:/ && !s { s = $2 } /^Filename:/ && !f { f = $2 }
    END { if (!f) { print "no package " name > "/dev/stderr"; exit 1 } print name, v, h, s, f }'
done
