# SPDX-License-Identifier: MIT
#
# From the raise to the driver: plain uio_pci_generic, and the kernel helper's direct and notify paths,
# on an exclusive and on a shared line, masked at the line and at the device; the same and the brokered
# path with the broker and libptirq. Rounds of all of them, in turn; what is compared is the median of
# the rounds' ratios. Takes a minute or two.
#
# by name only

. /vmtest/broker.sh

broker_source=helper
load ptirq_uio
# To the processor that all is on, also when the interrupt comes up anew.
echo 1 >/proc/irq/default_smp_affinity
rounds=$((VMTEST_COUNT / 500))
[ $rounds -ge 3 ] || rounds=3

# only DRIVER ADDRESS...: bound to it, and the others to nothing.
only() {
    only_driver=$1
    shift
    for address in $EDU0 $EDU1 $EDU2; do
        unbind "$address"
        echo >"$pci/$address/driver_override"
    done
    for address; do bind "$address" "$only_driver"; done
}

# nodes ADDRESS...: what helper_latency takes: each address with its node before it.
nodes() {
    for address; do
        case $(driver_of "$address"),$run_name in
        ptirq_uio,brokered*) sed -n "s/^device = $address name=//p" /tmp/ptirq.conf ;;
        ptirq_uio,*) line_of "$address" ;;
        *) uio "$address" ;;
        esac
        echo "$address"
    done
}

# run NAME MODE OPTION... -- ADDRESS...: one round's line, with its name.
run() {
    run_name=$1
    shift
    run_options=
    while [ "$1" != -- ]; do run_options="$run_options $1"; shift; done
    shift
    # shellcheck disable=SC2046,SC2086 # words
    echo "$run_name $(helper_latency $run_options $(nodes "$@"))" >>/tmp/rounds
}

# broker NAME...: these devices on its line, and it on the processor that all is on.
broker() {
    broker_config "direct = yes" "$@"
    sed -i '1i [broker]\nfifo-priority = 10\n' /tmp/ptirq.conf
    broker_start
    taskset -p 1 $broker >/dev/null
}

: >/tmp/rounds
round=0
while [ $round -lt $rounds ]; do
    only uio_pci_generic "$EDU0"
    run uio uio -- "$EDU0"
    only ptirq_uio "$EDU0"
    run direct direct -- "$EDU0"
    run direct-device direct --device-mask -- "$EDU0"
    run notify notify -- "$EDU0"
    run notify-untold notify --no-trigger -- "$EDU0"
    run notify-device notify --device-mask -- "$EDU0"
    only uio_pci_generic "$EDU0" "$EDU1" "$EDU2"
    run uio-shared uio -- "$EDU0" "$EDU1" "$EDU2"
    only ptirq_uio "$EDU0" "$EDU1" "$EDU2"
    run direct-shared direct -- "$EDU0" "$EDU1" "$EDU2"
    run notify-shared notify -- "$EDU0" "$EDU1" "$EDU2"
    run notify-shared-list notify --list -- "$EDU0" "$EDU1" "$EDU2"
    broker "$EDU0 name=dev0" "$EDU1 name=dev1" "$EDU2 name=dev2"
    for path in brokered brokered-notify brokered-direct; do run $path-shared $path -- "$EDU0" "$EDU1" "$EDU2"; done
    broker_stop
    only ptirq_uio "$EDU0"
    broker "$EDU0 name=dev0"
    for path in brokered brokered-notify brokered-direct; do run $path $path -- "$EDU0"; done
    broker_stop
    round=$((round + 1))
done

# median NAME COLUMN [OTHER]: over the rounds, of the column, or of its ratio to OTHER's.
median() {
    awk -v name="$1" -v column="$2" -v other="${3-}" '
        $1 == name { own[++n] = $column }
        $1 == other { base[++m] = $column }
        END { for (i = 1; i <= n; i++) printf "%.3f\n", other == "" ? own[i] : own[i] / base[i] }' \
        /tmp/rounds | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# A round's line: name, mode, "oneway", p10, p50, p90, "loop", p10, p50, p90.
told=5 armed=9

# target NAME OTHER LIMIT WHAT: of the time until the driver is told.
target() {
    ratio=$(median "$1" $told "$2")
    check "latency.$1/$2" "$4: $ratio (at most $3; of p10 $(median "$1" 4 "$2"))" \
        awk -v a="$ratio" -v b="$3" 'BEGIN { exit !(a <= b) }'
}

echo "medians of $rounds rounds, ns: raise to read p10, p50, p90; raise to armed again p10, p50, p90"
for name in uio direct direct-device notify notify-untold notify-device uio-shared direct-shared \
    notify-shared notify-shared-list brokered brokered-notify brokered-direct brokered-shared \
    brokered-notify-shared brokered-direct-shared; do
    columns="4 5 6 8 9 10"
    case $name in brokered*) columns="4 5 6" ;; esac
    printf '%-24s' $name
    for column in $columns; do printf ' %7.0f' "$(median $name $column)"; done
    echo
done | tee /tmp/medians
for name in uio direct notify; do
    pass latency.$name "$(grep "^$name " /tmp/medians | tr -s ' ')"
done
target direct uio 1.05 "direct against plain UIO"
target notify uio 1.10 "notify against plain UIO"
target notify-shared uio-shared 1.10 "notify against plain UIO, on a line of three, each with a driver"
target notify-shared notify 1.15 "notify, on a line of three against an exclusive one"
pass latency.untold "notify, where only the driver tells the holder: $(median notify-untold $told uio) of uio"
pass latency.list "notify, three drivers in one list, each told of all: $(median notify-shared-list $told notify) of one"
for path in brokered brokered-notify brokered-direct; do
    pass latency.$path "with the broker and libptirq: $(median $path $told uio) of uio; on a line of three $(median $path-shared $told uio-shared)"
done
pass latency.level "device mask against line mask, direct: told $(median direct-device $told direct), armed again $(median direct-device $armed direct)"
