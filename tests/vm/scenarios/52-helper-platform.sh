# SPDX-License-Identifier: MIT
#
# The broker on platform devices, through the kernel helper: two on one wire of the test chip, which are
# one unit; then the same in mode cpa, where the kernel tells the end of each interrupt as well.

. /vmtest/broker.sh
. /vmtest/platform.sh

broker_source=helper
says() { grep -q "$1" $broker_log; }
status() { cat "$chip/device$1/raise"; }
served() { [ $(($(status "$1"))) -eq 0 ]; }

# serve NAME KEYS: 40 interrupts of each device, some of both at once.
serve() {
    broker_config "$2" "ptirq-test.0 name=dev0" "ptirq-test.1 name=dev1"
    broker_start
    driver "a_$1" dev0 --wire $chip/device0
    driver "b_$1" dev1 --wire $chip/device1
    before=$(cat $chip/wire0/calls)
    for n in $(seq 40); do
        echo 1 >$chip/device0/raise
        [ $((n % 3)) -ne 0 ] || await 5 served 0
        echo 2 >$chip/device1/raise
        await 5 served 0 && await 5 served 1 || break
    done
    calls=$(($(cat $chip/wire0/calls) - before))
    driver_stop "a_$1" "b_$1"
    check "helper-platform.$1" "$(counted served "a_$1" "b_$1") served of 80, by $calls interrupts" \
        [ "$(counted served "a_$1")" -eq 40 -a "$(counted served "b_$1")" -eq 40 ]
    broker_stop
    check "helper-platform.$1-masked" "masked at the interrupt controller: $(cat $chip/wire0/masked)" \
        [ "$(cat $chip/wire0/masked)" = Y ]
}

broker_config "" "ptirq-test.0 name=dev0" "ptirq-test.1 name=dev1"
broker_start
await 5 says "ptirq-test.0 has no driver: .ptirqctl bind ptirq-test.0" || true
check helper-platform.unbound "$(grep "line intx" $broker_log | tail -n 1)" \
    says "ptirq-test.0 has no driver: .ptirqctl bind ptirq-test.0"
take 0 1 4
broker_stop
serve adaptive ""
serve cpa "mode = cpa"

# A controller that has one polarity.
broker_config "mode = cpa" "ptirq-test.4 name=dev0"
broker_start
driver plain dev0 --wire $chip/device4
check helper-platform.no-cpa "$(grep "mode=" $broker_log)" says "its interrupt controller cannot invert the level"
for n in 1 2 3; do
    echo 1 >$chip/device4/raise
    await 5 served 4
done
driver_stop plain
check helper-platform.without "$(counted served plain) served" [ "$(counted served plain)" -eq 3 ]
broker_stop
drop 0 1 4
rmmod ptirq_test_chip
