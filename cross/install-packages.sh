#!/bin/sh
# Installs Debian packages: install-packages.sh PACKAGE...   What is missing, and who may, edgekit/host/preflight.py has found out.
set -eu
root=
[ "$(id -u)" -eq 0 ] || root=sudo
echo "installing Debian packages: $*" >&2
$root apt-get -qq -o Acquire::Retries=3 update
$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 install --no-install-recommends "$@" > /dev/null
