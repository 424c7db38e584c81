#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh BUILD: libptirq exports ptirq_* in a version node, and nothing else; and it makes no thread,
# handles no signal, prints nothing and ends nothing (but by assert), as ptirq.h promises.

library=$1/client-lib/libptirq.so
bad=$(nm --dynamic --defined-only --format=posix "$library" |
    awk '$2 != "A" { print $1 }' | grep -vE '^ptirq_[a-z0-9_]+@@PTIRQ_')
[ -z "$bad" ] || { echo "exported:" "$bad"; exit 1; }
bad=$(nm --dynamic --undefined-only --format=posix "$library" | sed 's/[ @].*//; s/^__\(.*\)_chk$/\1/' |
    grep -xE '(pthread|thrd)_create|fork|clone3?|sig(nal|action|procmask)|pthread_sigmask|(vf|f|vd|d|v)?printf|f?put[sc]|fwrite|putchar|perror|v?(warn|err)x?|v?syslog|_?exit|abort')
[ -z "$bad" ] || { echo "called:" "$bad"; exit 1; }
nm --dynamic --defined-only "$library"
