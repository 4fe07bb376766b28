#!/usr/bin/env bash
# usage: boot.sh ROOT DIR HOSTNAME [SHARE…] (from inside the instance's fresh namespaces; a line on stdin says that it has a network)
# Puts the instance's own root together, leaves the lab's mounts behind and becomes its first process.
set -euo pipefail
root=$1 dir=$2 name=$3
shift 3
read -r _

mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"
cd "$dir/merged"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=0755,nosuid dev dev
mkdir -p dev/pts dev/shm dev/disk/by-id
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm dev/shm
mount -t tmpfs -o mode=0755,nosuid,nodev run run
mknod -m 0666 dev/null c 1 3
mknod -m 0666 dev/zero c 1 5
mknod -m 0666 dev/full c 1 7
mknod -m 0666 dev/random c 1 8
mknod -m 0666 dev/urandom c 1 9
mknod -m 0666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
for path in proc/sys proc/sysrq-trigger; do
    [ -e "$path" ] || continue # depends on how the kernel was built
    mount --bind "$path" "$path"
    mount -o remount,bind,ro "$path"
done
# As a file server's: the machine's own directory, at the same path.
for share; do
    mkdir -p ".$share"
    mount --bind "$share" ".$share"
    mount -o remount,bind,ro,nosuid,nodev ".$share"
done
hostname "$name"
pivot_root . .
umount -l .
# What would reach through the namespaces to the machine below.
exec setpriv --bounding-set=-mknod,-sys_module,-sys_rawio,-sys_time,-sys_boot --inh-caps=-all \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    /usr/bin/tini -- /usr/lib/petal-lab/init </dev/null
