#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The installed broker under a real systemd: activated by its socket, ready, reloaded, killed, stopped,
# with everything on that the unit forbids. A systemd of our own, in namespaces of its own, on a
# copy-on-write view of this machine's files: nothing of the machine is touched.
set -eu

if [ "${1-}" != inside ]; then
    [ "$(id -u)" = 0 ] || { echo "skip: needs root, for namespaces and an overlay of /"; exit 77; }
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    unshare --mount mount -t tmpfs none "$dir" ||
        { echo "skip: mount namespaces are not allowed here"; exit 77; }
    timeout -s KILL 50 unshare --mount --uts --ipc --net --cgroup --pid --fork --kill-child \
        "$0" inside "$dir" >"$dir/log" 2>&1 || true
    cat "$dir/log"
    [ -e "$dir/said" ] || { echo "systemd did not come up"; exit 1; }
    cat "$dir/said"
    grep -qx "all is well" "$dir/said"
    exit
fi

dir=$2
mkdir "$dir/cow"
mount -t tmpfs none "$dir/cow"
mkdir "$dir/cow/upper" "$dir/cow/work" "$dir/cow/root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/cow/upper,workdir=$dir/cow/work" none "$dir/cow/root"
DESTDIR=$dir/cow/root cmake --install "$PTIRQ_BUILD" >/dev/null
cd "$dir/cow/root"
mkdir -p out old etc/ptirq
mount --bind "$dir" out

cat >etc/ptirq/ptirq.conf <<END
[line soft]
source = sim
device = dev0 grant
allow-user = *
END

cat >etc/systemd/system/test.target <<END
[Unit]
DefaultDependencies=no
Wants=ptirq-broker.socket test.service
END
cat >etc/systemd/system/test.service <<END
[Unit]
DefaultDependencies=no
After=ptirq-broker.socket
[Service]
Type=oneshot
ExecStart=/bin/sh -eu /checks
StandardOutput=file:/out/said
StandardError=inherit
ExecStopPost=/bin/systemctl exit --force
END
cat >checks <<'END'
property() { systemctl show --value -p "$1" ptirq-broker.service; }
mention() { systemctl status --no-pager ptirq-broker.service || true; }
trap mention EXIT

echo "== activated by the first client"
[ "$(property ActiveState)" = inactive ]
ptirqctl lines
[ "$(property ActiveState)" = active ]

echo "== a user without privileges"
status=/proc/$(property MainPID)/status
grep Uid "$status" | grep -w "$(id -u ptirq)"
[ "$(grep -c '^Cap...:.0*$' "$status")" = 5 ]
grep -E '^Seccomp:.2' "$status"
grep -E '^NoNewPrivs:.1' "$status"

echo "== reloaded"
sed -i 's/soft/softer/' /etc/ptirq/ptirq.conf
systemctl reload ptirq-broker
until ptirqctl lines | grep softer; do :; done

echo "== killed, and back by itself"
before=$(property MainPID)
systemctl kill -s KILL --kill-who=main ptirq-broker
until after=$(property MainPID); [ "$after" != 0 ] && [ "$after" != "$before" ]; do :; done
ptirqctl lines | grep softer
[ "$(property NRestarts)" = 1 ]

echo "== stopped, by its own doing"
systemctl stop ptirq-broker.socket ptirq-broker.service
[ "$(property Result) $(property ExecMainStatus)" = "success 0" ]
[ -z "$(grep -lx 'ptirq-.*' /proc/[0-9]*/comm || true)" ]
trap - EXIT
echo "all is well"
END

pivot_root . old
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none /run
mount -t tmpfs none /tmp
mount -t tmpfs none /dev
for node in null zero full random urandom; do
    : >/dev/$node
    mount --bind /old/dev/$node /dev/$node
done
umount -l /old
ldconfig
systemd-sysusers ptirq.conf
export container=other
exec /lib/systemd/systemd --system --unit=test.target --log-target=console
