# SPDX-License-Identifier: MIT
# One sanitizer set a build; they exclude each other. Reports go to files (./dev sets log_path),
# because Criterion's children swallow them (docs/testing.md).

set(PTIRQ_SANITIZE "" CACHE STRING "empty, address (ASan+UBSan+LSan), thread, or fuzz (clang)")
set_property(CACHE PTIRQ_SANITIZE PROPERTY STRINGS "" address thread fuzz)

set(common -fno-omit-frame-pointer)             # whole stacks in reports
if(PTIRQ_SANITIZE STREQUAL "")
    return()
elseif(PTIRQ_SANITIZE STREQUAL "address")
    set(san -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(PTIRQ_SANITIZE STREQUAL "thread")
    set(san -fsanitize=thread)
elseif(PTIRQ_SANITIZE STREQUAL "fuzz")
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "PTIRQ_SANITIZE=fuzz needs clang (libFuzzer)")
    endif()
    # Coverage instrumentation everywhere; only a fuzz target links libFuzzer's main.
    set(san -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
else()
    message(FATAL_ERROR "PTIRQ_SANITIZE=${PTIRQ_SANITIZE}: not one of address, thread, fuzz")
endif()
add_compile_options(${common} ${san})
add_link_options(${san})
