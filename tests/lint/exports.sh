#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh BUILD: libptirq exports ptirq_* in a version node, and nothing else.

bad=$(nm --dynamic --defined-only --format=posix "$1/client-lib/libptirq.so" |
    awk '$2 != "A" { print $1 }' | grep -vE '^ptirq_[a-z0-9_]+@@PTIRQ_')
[ -z "$bad" ] || { echo "exported:" "$bad"; exit 1; }
nm --dynamic --defined-only "$1/client-lib/libptirq.so"
