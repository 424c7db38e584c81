# SPDX-License-Identifier: MIT
# What every translation unit is compiled as.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)                      # gnu11: typeof and __attribute__, as the kernel's headers need
set(CMAKE_C_VISIBILITY_PRESET hidden)           # a symbol is exported because it is marked, never by accident
set(CMAKE_POSITION_INDEPENDENT_CODE ON)         # the static floors are linked into libptirq.so as well
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)           # clang-tidy reads it

# Linux only: accept4, memfd_create, pidfds. Empty, so that a file may repeat the #define.
add_compile_definitions(_GNU_SOURCE=)

# Headers are named by their path from the root, #include "proto/limits.h": the floor is visible, and
# the directory of our limits.h is never searched (gcc's <limits.h> would find it there, even with
# -iquote). Who may see what is held by tests/lint/house.py.
add_compile_options("SHELL:-iquote ${PROJECT_SOURCE_DIR}")

# assert() stays in release builds: a broker that has lost track of a line must end and start
# again with everything assumed masked; going on is what would hurt its clients.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
# -Og keeps the debugger useful and still computes the data flow that warnings need.
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")
# valgrind 3.19 gives up on clang's DWARF 5.
add_compile_options("$<$<C_COMPILER_ID:Clang>:-gdwarf-4>")
