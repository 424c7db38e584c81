#!/bin/sh
# SPDX-License-Identifier: MIT
# reports.sh DIRECTORY: sanitizers and valgrind write a file for each process that has something
# to say (valgrind an empty one for the others). Prints them; fails if there is any.

found=0
for report in "$1"/*; do
    [ -s "$report" ] || continue
    found=1
    echo "== $report"
    cat "$report"
done
exit $found
