#!/bin/sh
# Makes sure that Debian packages are there: install-packages.sh PACKAGE...
# Asks for sudo when not root; where there is no apt it prints the exact list and fails.
set -eu
missing=
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get > /dev/null; then
  echo "error: this system has no apt; edgekit needs what Debian calls:$missing" >&2
  echo "hint: install these with your system's package manager" >&2
  exit 2
fi
root=
if [ "$(id -u)" -ne 0 ]; then
  root=sudo
  command -v sudo > /dev/null || { echo "error: not root, and no sudo; as root: apt-get install$missing" >&2; exit 2; }
fi
echo "installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$root apt-get -qq -o Acquire::Retries=3 update
# shellcheck disable=SC2086  # a list of words
$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 install --no-install-recommends $missing > /dev/null
