# SPDX-License-Identifier: MIT
# Warnings are errors, in both compilers. Each flag and why it is here.

add_compile_options(
    -Werror                     # a warning that does not stop the build is not read
    -Wall -Wextra               # the compilers' own selection
    -Wswitch-enum               # a new event or state must be met in every switch (no default over enums)
    -Wimplicit-fallthrough      # falling through is said, not forgotten
    -Wshadow                    # an inner `ret` that hides the outer one loses an errno
    -Wstrict-prototypes         # f() takes anything in C11
    -Wmissing-prototypes        # a function is static or declared in a header
    -Wold-style-definition      # K&R definitions are not checked at the call
    -Wvla                       # the size of a stack frame never depends on a client
    -Walloca                    # the same
    -Wpointer-arith             # no arithmetic on void pointers
    -Wwrite-strings             # string literals are const
    -Wundef                     # a misspelt macro in #if is not silently 0
    -Wformat=2                  # format strings are literals and fit their arguments
    -Wcast-align                # shared pages are read through properly aligned types
    -Wredundant-decls           # one declaration, one header
    -Wnested-externs            # no declarations that bypass the header
    -fno-common                 # two tentative definitions are a link error
    -fno-strict-aliasing        # message buffers are looked at as structs; cost not measurable here
)
add_compile_options(
    "$<$<C_COMPILER_ID:GNU>:-Wlogical-op>"          # a && a, x < 0 || x > 0
    "$<$<C_COMPILER_ID:GNU>:-Wduplicated-cond>"     # if (a) else if (a)
    "$<$<C_COMPILER_ID:GNU>:-Wduplicated-branches>" # both arms the same: one is a slip
    "$<$<C_COMPILER_ID:GNU>:-Wjump-misses-init>"    # goto past an initialiser
    # For all gcc knows errno is 0 in `return -errno`, so it fears for every out-parameter that is left
    # untouched on failure, as ours are. clang-tidy and valgrind look after these.
    "$<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>"
    "$<$<C_COMPILER_ID:Clang>:-Wunreachable-code>"  # code after an unconditional return
    "$<$<C_COMPILER_ID:Clang>:-Wthread-safety>"     # only the watchdog shares anything; keep it visible
    "$<$<C_COMPILER_ID:Clang>:-Wno-missing-field-initializers>" # {0} and designated tails are meant
)
