# SPDX-License-Identifier: MIT
# gcov instrumentation, for `./dev coverage` (broker/arb is held at 100 % of its branches).

option(PTIRQ_COVERAGE "Instrument for gcov" OFF)
if(PTIRQ_COVERAGE)
    # -O0: an optimiser merges and splits branches, and the count is of the source's branches.
    # profile-update: the tests fork, and the counters of all processes are summed.
    add_compile_options(--coverage -O0 -fprofile-update=atomic)
    add_link_options(--coverage)
endif()
