#!/usr/bin/env bash
# usage: boot.sh ROOT DIR HOSTNAME [SHARED…] (from inside the host's fresh namespaces; a line on stdin says that it has a network)
# Puts the host's own root together, leaves the machine's mounts behind and becomes its first process.
set -euo pipefail
root=$1 dir=$2 name=$3
shift 3
read -r _

mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"
cd "$dir/merged"
mount -t proc proc proc
mount -t sysfs sysfs sys
# The machine's devices: the head attaches loop devices, and the kernel has one set of them.
mount --rbind /dev dev
mount -t tmpfs -o mode=1777,nosuid,nodev shm dev/shm
# As udev gives it to everybody on a node.
if [ -c dev/fuse ]; then
    mknod -m 0666 .fuse c 10 229
    chmod 0666 .fuse
    mount --bind .fuse dev/fuse
fi
mount -t tmpfs -o mode=0755,nosuid,nodev run run
mkdir run/lab
mount --bind "$dir/lab" run/lab
for place in "$@"; do
    mkdir -p ".$place"
    mount --bind "$place" ".$place"
done
hostname "$name"
mkdir -p .outside
pivot_root . .outside
cd /
umount --lazy /.outside
rmdir /.outside
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    /usr/bin/tini -- /usr/lib/petal-lab/init </dev/null
