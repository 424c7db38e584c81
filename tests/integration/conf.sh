#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What conf/ and the manual promise to somebody who installs it: the samples are configurations, the
# units are units, the service is as closed as it can be, the user and the directories are made.
set -eu
broker=$PTIRQ_BUILD/broker/ptirq-broker
conf=$PTIRQ_SOURCE/conf
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
umask 022

echo "== the sample, as it is and with its lines taken in"
"$broker" --check-config "$conf/ptirq.conf"
sed -E 's/^# (\[line|[a-z-]+ = )/\1/; s/= (daq|dialout)$/= root/' "$conf/ptirq.conf" >"$dir/sample.conf"
"$broker" --check-config "$dir/sample.conf" | grep -x "3 lines, nothing wrong"

echo "== the manual's examples"
awk -v dir="$dir" '/^\.EE/ { on = 0 } on { print >(dir "/man" n ".conf") } /^\.EX/ { on = 1; n++ }' \
    "$PTIRQ_SOURCE/docs/man/ptirq.conf.5"
sed -i 's/= daq$/= root/' "$dir/man1.conf" "$dir/man2.conf"
"$broker" --check-config "$dir/man2.conf" | grep -xE "1 lines?, nothing wrong"
mkdir "$dir/man1.conf.d"
mv "$dir/man3.conf" "$dir/man1.conf.d/"
"$broker" --check-config "$dir/man1.conf" | grep -x "2 lines, nothing wrong"

echo "== the broker and its manual look for the sample where it is installed"
DESTDIR=$dir/installed cmake --install "$PTIRQ_BUILD" >"$dir/install.log"
place=$("$broker" --help | sed -n 's/.*else the same of //p')
cmp "$dir/installed$place" "$conf/ptirq.conf"
grep -qxF ".I $place" "$(find "$dir/installed" -name ptirq.conf.5)"

echo "== udev is told where the program of its rule is"
names=$(sed -n 's/^PROGRAM="\([^ ]*\) .*/\1/p' "$(find "$dir/installed" -name 60-ptirq.rules)")
[ -x "$dir/installed$names" ] && [ "${names#/}" != "$names" ] || { echo "not at '$names'"; exit 1; }

echo "== every key is in the manual"
sed -n '/^static const struct key/,/^};/s/^\t{"\([a-z-]*\)",.*/\1/p' \
    "$PTIRQ_SOURCE/broker/config_keys.c" >"$dir/keys"
[ "$(wc -l <"$dir/keys")" -gt 20 ]
while read -r key; do
    sed 's/\\-/-/g' "$PTIRQ_SOURCE/docs/man/ptirq.conf.5" | grep -qE "^\.B[IR]? .*\b$key=" ||
        { echo "ptirq.conf(5) has no $key="; exit 1; }
done <"$dir/keys"

echo "== the units"
# Where they would be, but with the program from the build.
sed "s|^ExecStart=.*|ExecStart=$broker|" "$PTIRQ_BUILD/conf/ptirq-broker.service" \
    >"$dir/ptirq-broker.service"
cp "$conf/ptirq-broker.socket" "$dir/"
# Its user is on no machine that has not installed it: that is no fault of the unit.
said=$(systemd-analyze verify --man=no "$dir/ptirq-broker.service" "$dir/ptirq-broker.socket" 2>&1) ||
    { echo "$said"; exit 1; }
[ -z "$said" ] || { echo "$said"; exit 1; }
# An exposure of at most 1.0 (the scale is 10, the option's unit a tenth).
systemd-analyze security --no-pager --offline=true --threshold=10 "$dir/ptirq-broker.service" \
    >"$dir/exposure" || { cat "$dir/exposure"; exit 1; }
tail -n 1 "$dir/exposure"

echo "== what the udev rule runs, in a tree of its own"
run=$(sed -n "/resource/s|.*RUN+=\"/bin/sh -c '\(.*\)'\"$|\1|p" "$conf/60-ptirq.rules" | sed "s|/sys%p|$dir/sys|; s/\\$\\$/$/g")
[ -n "$run" ]
mkdir -p "$dir/bin" "$dir/sys/device"
printf '#!/bin/sh\n[ "$1" = ptirq ] && [ -e "$2" ]\n' >"$dir/bin/chgrp" # that group need not be here
chmod +x "$dir/bin/chgrp"
# given FILE...: who runs it finds these; all of them and no others become the group's.
given() {
    rm -f "$dir/sys/device/"*
    for f; do (umask 077; : >"$dir/sys/device/$f"); done
    PATH=$dir/bin:$PATH /bin/sh -c "$run"
    for f; do [ "$(stat -c %a "$dir/sys/device/$f")" = 660 ] || { echo "$f is not given"; exit 1; }; done
}
given config resource0 resource5
given config # without memory
given        # no PCI function, but behind one

echo "== the user and the directories"
mkdir -p "$dir/root/etc" "$dir/root/run"
systemd-sysusers --root="$dir/root" "$conf/ptirq.sysusers"
grep '^ptirq:' "$dir/root/etc/passwd"
if [ "$(id -u)" = 0 ]; then
    systemd-tmpfiles --root="$dir/root" --create "$conf/ptirq.tmpfiles"
    [ "$(stat -c %a "$dir/root/run/ptirq/lock")" = 755 ]
fi
