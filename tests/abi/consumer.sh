#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs into a directory of its own and builds consumer/ against it, both ways that README.md
# names. Each program runs far enough to show that it found the library.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here=$(dirname "$(readlink -f "$0")")
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$PTIRQ_BUILD/CMakeCache.txt")

cmake --install "$PTIRQ_BUILD" --prefix "$work/usr" >/dev/null
libdir=$(dirname "$(find "$work/usr" -name libptirq.so)")

runs() {
    # No broker listens there: the library must say so, which only the linked library can.
    LD_LIBRARY_PATH=$libdir PTIRQ_SOCKET=$work/none "$1"
}

export PKG_CONFIG_PATH=$libdir/pkgconfig
# shellcheck disable=SC2046 # flags are words
"$cc" -Wall -Wextra -Werror "$here/consumer/consumer.c" -o "$work/by-pkg-config" \
    $(pkg-config --cflags --libs ptirq)
runs "$work/by-pkg-config"

CC=$cc cmake -S "$here/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null
cmake --build "$work/build" >/dev/null
runs "$work/build/consumer"

pkg-config --modversion ptirq
find "$work/usr" -type f -printf '%P\n' | sort
