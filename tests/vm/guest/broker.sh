# SPDX-License-Identifier: MIT
#
# The broker and its drivers, for the scenarios that have one; sourced by them after lib.sh.

broker_log=/tmp/broker.log

# broker_config OPTIONS DEVICE...: a line "intx" of DEVICEs ("$EDU0 name=dev0"), of $broker_source (uio),
# with further keys of the line in OPTIONS, one a line.
broker_config() {
    {
        printf '[line intx]\nsource = %s\ngrant = yes\nunsafe-dma = yes\n%s\n' \
            "${broker_source:-uio}" "$1"
        shift
        for line_device; do echo "device = $line_device"; done
    } >/tmp/ptirq.conf
}

# broker_start: with /tmp/ptirq.conf; sets $broker.
broker_start() {
    : >$broker_log
    ptirq-broker --config /tmp/ptirq.conf >>$broker_log 2>&1 &
    broker=$!
    await 10 grep -q "listening on" $broker_log || { cat $broker_log; return 1; }
}

# broker_stop: as an administrator does; its status is the function's.
broker_stop() {
    kill $broker
    wait $broker || { status=$?; cat $broker_log; return $status; }
}

# driver NAME DEVICE OPTIONS...: a vm_driver of the line, once it is ready. It logs to /tmp/NAME, its
# words are in /tmp/NAME.out; sets $driver_NAME to its pid.
driver() {
    driver_name=$1 driver_device=$2
    shift 2
    : >"/tmp/$driver_name.out"
    vm_driver --line intx --device "$driver_device" --id "${driver_device#dev}" \
        --log "/tmp/$driver_name" "$@" >"/tmp/$driver_name.out" 2>&1 &
    eval "driver_$driver_name=$!"
    await 10 grep -q ready "/tmp/$driver_name.out" || { cat "/tmp/$driver_name.out" $broker_log; return 1; }
}

# driver_stop NAME...: their counts are then in /tmp/NAME.out.
driver_stop() {
    for driver_name; do
        eval "driver_pid=\$driver_$driver_name"
        kill $driver_pid
        wait $driver_pid || { status=$?; cat "/tmp/$driver_name.out"; return $status; }
    done
}

# counted WORD NAME...: the sum of "WORD=N" in what these drivers said.
counted() {
    counted_word=$1
    shift
    for driver_name; do
        sed -n "s/.*\b$counted_word=\([0-9]*\).*/\1/p" "/tmp/$driver_name.out"
    done | awk '{ sum += $1 } END { print sum + 0 }'
}
