# SPDX-License-Identifier: MIT
#
# ptirqctl's verbs that look at the machine, on real devices: scan, bind and unbind, and each sentence
# of doctor on a real cause.

. /vmtest/broker.sh

# says NAME TEXT COMMAND...: the command's output has TEXT; the detail is the line that has it.
says() {
    says_name=$1 says_text=$2
    shift 2
    says_out=$("$@" 2>&1) || true
    says_line=$(echo "$says_out" | grep -F -- "$says_text" | head -n 1)
    [ "$says_line" ] || echo "$says_out"
    check "$says_name" "$says_line" [ "$says_line" ]
}
# finds CODE ADDRESS: doctor has a problem or a note of that code.
finds() {
    finds_text=$(ptirqctl doctor "$2") || true
    finds_json=$(ptirqctl --json doctor "$2") || true
    echo "$finds_text"
    case $finds_json in
    *"\"code\": \"$1\""*) pass "ctl.doctor-$1" "$(echo "$finds_text" | head -n 1)" ;;
    *) fail "ctl.doctor-$1" "$finds_json" ;;
    esac
}
status() {
    "$@" >/tmp/out 2>&1 && status_is=0 || status_is=$?
    cat /tmp/out
}

ptirqctl scan
says ctl.scan-free "device = $EDU0" ptirqctl scan
finds no-driver "$EDU0"
finds not-there 0000:1f:1f.7

# Not loaded: what is to be changed is said, and modprobe has no module here.
rmmod ptirq_uio 2>/dev/null || true
status ptirqctl bind "$EDU0"
check ctl.bind-no-module "$(tail -n 1 /tmp/out)" [ $status_is -eq 1 ]
echo ptirq_uio >"$pci/$EDU0/driver_override"
finds not-loaded "$EDU0"
echo >"$pci/$EDU0/driver_override"

load ptirq_uio
for address in $EDU0 $EDU1 $EDU2; do
    status ptirqctl bind "$address"
    check "ctl.bind" "$(tail -n 1 /tmp/out)" \
        [ "$status_is" -eq 0 -a "$(driver_of "$address")" = ptirq_uio ]
done
ptirqctl scan
says ctl.scan-line "device = $EDU2" ptirqctl scan
finds unheld "$EDU0"
edu "$pci/$EDU0/resource0" raise 0
finds unserved "$EDU0"
edu "$pci/$EDU0/resource0" ack 1

for address in $EDU0 $EDU1 $EDU2; do
    status ptirqctl unbind "$address"
    check "ctl.unbind" "$(tail -n 1 /tmp/out)" \
        [ "$status_is" -eq 0 -a -z "$(driver_of "$address")" ]
done
