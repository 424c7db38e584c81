# SPDX-License-Identifier: MIT
# Release builds only: sanitizers replace most of these, and -D_FORTIFY_SOURCE needs optimisation.

if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
endif()

add_compile_options(
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3   # bounds-checked libc calls, dynamic object sizes included
    -fstack-protector-strong                # a smashed frame ends the process before it returns
    -fstack-clash-protection                # a large frame cannot jump over the guard page
    -fcf-protection                         # indirect branches and returns are checked where the CPU can
    -fno-delete-null-pointer-checks         # a check after a dereference is still a check
)
add_link_options(
    -Wl,-z,relro -Wl,-z,now     # the relocation table is read-only before main
    -Wl,-z,noexecstack          # no executable stack, whatever an object file asks for
    -Wl,-z,separate-code        # data is never mapped executable with the code
    -Wl,--as-needed             # the loop process links nothing that it does not call
)
include(CheckPIESupported)
check_pie_supported()           # executables get -pie: addresses differ in each run

# The floors are static libraries, and the hot path goes through four of them.
include(CheckIPOSupported)
check_ipo_supported(RESULT PTIRQ_IPO OUTPUT PTIRQ_IPO_WHY LANGUAGES C)
if(PTIRQ_IPO)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
else()
    message(STATUS "no link-time optimisation: ${PTIRQ_IPO_WHY}")
endif()
