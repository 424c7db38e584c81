#!/bin/bash
# SPDX-License-Identifier: MIT
# tidy.sh BUILD: clang-tidy over the sources that are installed. A file that passed is not looked
# at again until it, a header, its command line or the configuration changes.
set -euo pipefail

build=$1
cache=build/tidy
mkdir -p "$cache"
common=$({ cat .clang-tidy; find . -path ./build -prune -o -name "*.h" -print0 |
    sort -z | xargs -0r cat; } | sha256sum)

tidy_one() {
    local stamp
    stamp=$cache/$({ echo "$common"; cat "$1"; } | sha256sum | cut -c1-32)
    [[ -e $stamp ]] && return 0
    # The command line may be gcc's, with warnings that clang does not know.
    clang-tidy --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option \
        --extra-arg=-include --extra-arg=$PWD/tests/lint/errno.h "$1" 2>/dev/null && touch "$stamp"
}
export -f tidy_one
export build cache common

/usr/bin/python3 - "$build" <<'EOF' | xargs -P "$(nproc)" -I{} bash -c 'tidy_one {}'
import json, os, sys
for entry in json.load(open(sys.argv[1] + "/compile_commands.json")):
    path = os.path.relpath(entry["file"])
    if path.startswith(("proto/", "broker/", "client-lib/", "ctl/")):
        print(path)
EOF
