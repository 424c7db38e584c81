#!/bin/sh
# SPDX-License-Identifier: MIT
# arb_calls.sh BUILD: the arbitration core calls nothing but mem* and assert (and itself).

archive=$1/broker/arb/libptirq_arb.a
defined=$(mktemp)
trap 'rm -f "$defined"' EXIT
nm --defined-only --format=posix "$archive" | cut -d' ' -f1 | sort -u >"$defined"
[ -s "$defined" ] || { echo "no $archive"; exit 1; }
bad=$(nm --undefined-only --format=posix "$archive" | awk 'NF > 1 { print $1 }' | sort -u |
    comm -23 - "$defined" |
    grep -vE '^(mem[a-z]+|__mem[a-z]+_chk|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$')
[ -z "$bad" ] || { echo "broker/arb calls:" "$bad"; exit 1; }
echo "only mem* and assert"
