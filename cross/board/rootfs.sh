#!/bin/bash
# The part of the image that needs root (chroot, mknod, file owners): rootfs.sh STAGE WORK   (after fetch.sh, kernel.sh)
#
#   unpack     WORK/tree: this machine's own dpkg unpacks at native speed (mmdebstrap runs dpkg under emulation: twice the time)
#   configure  maintainer scripts, in a chroot under qemu-user
#   settle     what makes it this board: files of root/, keys, services, kernel modules
#   pack       WORK/board.ext4, without a loop mount; gives the files to the owner of WORK
#   clean      remove WORK/tree
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
here=$(cd "$(dirname "$0")" && pwd)
stage=$1 work=$2
. "$here/image.conf"
tree=$work/tree debs=$work/debs

# --force-architecture and --force-depends: everything comes at once, in no order, for another architecture
dpkg_tree() { dpkg "--root=$tree" --force-depends --force-architecture --force-unsafe-io "$@"; }
dpkg_trimmed() {
  dpkg_tree --no-triggers '--path-exclude=/usr/share/man/*' '--path-exclude=/usr/share/locale/*' \
    '--path-exclude=/usr/share/doc/*' '--path-include=/usr/share/doc/*/copyright' "$@"
}

emulate() { # let the kernel start arm64 programs; kept until the next boot, as systemd-binfmt would do it
  [ "$(uname -m)" != aarch64 ] || return 0
  local binfmt=/proc/sys/fs/binfmt_misc
  [ -e $binfmt/register ] || mount -t binfmt_misc none $binfmt
  [ -e $binfmt/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf > $binfmt/register
}

empty_tree() { # what dpkg accepts as a root
  rm -rf --one-file-system "$tree"
  mkdir -p "$tree"/usr/{bin,sbin,lib} "$tree"/var/lib/dpkg/{info,updates,triggers} "$tree"/{proc,sys,dev,run,tmp,etc}
  chmod 755 "$tree"
  for folder in bin sbin lib; do ln -s usr/$folder "$tree/$folder"; done
  : > "$tree/var/lib/dpkg/status"
  : > "$tree/var/lib/dpkg/available"
  printf '%s\narm64\n' "$(dpkg --print-architecture)" > "$tree/var/lib/dpkg/arch"
  chmod 1777 "$tree/tmp"
  mknod -m 666 "$tree/dev/null" c 1 3
  mknod -m 666 "$tree/dev/zero" c 1 5
  mknod -m 444 "$tree/dev/urandom" c 1 9
}

userland() { # enough for the first maintainer scripts
  local package
  while read -r package; do
    for deb in "$debs/${package}"_*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$tree"; done
  done < "$work/required"
  for deb in "$debs"/lib*.deb "$debs"/zlib1g_*.deb "$debs"/debconf_*.deb; do dpkg-deb -x "$deb" "$tree"; done
  ln -sf mawk "$tree/usr/bin/awk"
  cp "$tree/usr/share/base-passwd/passwd.master" "$tree/etc/passwd"
  cp "$tree/usr/share/base-passwd/group.master" "$tree/etc/group"
  printf '#!/bin/sh\nexit 101\n' > "$tree/usr/sbin/policy-rc.d"
  chmod 755 "$tree/usr/sbin/policy-rc.d"
}

unpack() {
  emulate
  empty_tree
  userland
  for package in base-passwd base-files dpkg libc6 perl-base mawk debconf; do
    dpkg_trimmed --install "$debs/${package}"_*.deb
  done
  dpkg_trimmed --unpack "$debs"/*.deb
}

configure() {
  emulate
  dpkg_tree --configure -a || dpkg_tree --configure -a
  rm -f "$tree/usr/sbin/policy-rc.d" "$tree/var/lib/dpkg/arch"
  local audit
  audit=$(chroot "$tree" dpkg --audit)
  [ -z "$audit" ] || { echo "$audit" >&2; exit 1; }
}

settle() {
  local unit
  rm -f "$tree"/etc/resolv.conf "$tree"/etc/ssh/ssh_host_* "$tree"/var/cache/debconf/*-old "$tree"/var/lib/dpkg/*-old
  cp -r --no-preserve=mode,ownership "$here/root/." "$tree/"
  install -m 600 -o 0 -g 0 "$work/host_key" "$tree/etc/ssh/ssh_host_ed25519_key"
  install -m 644 -o 0 -g 0 "$work/host_key.pub" "$tree/etc/ssh/ssh_host_ed25519_key.pub"
  install -d -m 700 -o 0 -g 0 "$tree/root/.ssh"
  install -m 600 -o 0 -g 0 "$work/id_board.pub" "$tree/root/.ssh/authorized_keys"
  ln -sf /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
  ln -sf /lib/systemd/system/ssh.service "$tree/etc/systemd/system/multi-user.target.wants/ssh.service"
  grep -v '^#' "$here/masked-units.txt" | while read -r unit; do ln -sf /dev/null "$tree/etc/systemd/system/$unit"; done
  cp -r --no-preserve=ownership "$work/kernel/lib/modules" "$tree/usr/lib/"
}

pack() {
  rm -f "$work/board.ext4"
  truncate -s "$SIZE" "$work/board.ext4"
  mke2fs -q -t ext4 -O has_journal,^metadata_csum,^64bit -J size=16 -E lazy_itable_init=1,root_owner=0:0 -m 0 -L board \
    -d "$tree" "$work/board.ext4"
  chown --reference="$work" "$work/board.ext4"
}

clean() { rm -rf --one-file-system "$tree"; }

case $stage in
  unpack | configure | settle | pack | clean) "$stage" ;;
  *) echo "no such stage: $stage" >&2; exit 2 ;;
esac
