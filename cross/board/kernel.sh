#!/bin/bash
# Unpacks the kernel and makes the initrd: kernel.sh WORK   (after fetch.sh; no root needed)
#
# WORK/kernel becomes the unpacked package, WORK/Image its raw kernel, WORK/initrd.cpio busybox with the drivers that
# reach the root file system (virtio is modular in Debian's kernels).
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
work=$1
. "$here/image.conf"
cd "$work"

rm -rf kernel busybox initrd
dpkg-deb -x kernel-debs/linux-image-*.deb kernel
dpkg-deb -x kernel-debs/busybox-static_*.deb busybox
cp kernel/boot/vmlinuz-* Image
version=$(ls kernel/lib/modules)
depmod -b kernel "$version"

mkdir -p initrd/{bin,dev,proc,sys,new,m}
cp busybox/bin/busybox initrd/bin/
ln -s busybox initrd/bin/sh
install -m 755 "$here/init" initrd/init
for name in $INITRD_MODULES; do
  modprobe -C /dev/null -d "$work/kernel" -S "$version" --show-depends "$name" 2> /dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > modules
xargs -a modules cp -t initrd/m
sed 's|.*/||' modules > initrd/modules
(cd initrd && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible -R 0:0) > initrd.cpio
