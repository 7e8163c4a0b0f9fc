#!/bin/sh
# First process of a test host: undo what a container is denied and a machine has, then become systemd.
# Runs at every boot. NAMESERVER is the address of the stand-in for the internet's DNS.
set -e
mount -o remount,rw /sys
for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
    mountpoint -q "$folder" || continue
    # One hierarchy of cgroup v1 may refuse to be remounted as a whole; its bind mount does not.
    mount -o remount,rw "$folder" 2>/dev/null || mount -o remount,bind,rw "$folder" 2>/dev/null || true
done
# Docker inside makes mounts that its own containers must see.
mount --make-rshared /
[ -e /dev/kmsg ] || ln -s console /dev/kmsg
# The container's own file points at 127.0.0.11, which nothing inside Docker inside could reach.
echo "nameserver $NAMESERVER" >/etc/resolv.conf
exec /sbin/init
