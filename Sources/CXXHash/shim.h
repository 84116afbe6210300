#pragma once
#include <xxhash.h>

// The library's functions are compiled for the oldest processors. On x86-64 it may have others beside them that choose
// the instruction set at run time, several times faster; builds without those lack the symbol, which is why it is weak.
#if defined(__x86_64__) && defined(__ELF__)
__attribute__((weak)) XXH64_hash_t XXH3_64bits_dispatch(const void *input, size_t length);
#endif

// XXH3 with 64 bits and seed 0, by the fastest code that the library has.
static inline XXH64_hash_t pvit_xxh3_64bits(const void *input, size_t length) {
#if defined(__x86_64__) && defined(__ELF__)
    if (XXH3_64bits_dispatch) return XXH3_64bits_dispatch(input, length);
#endif
    return XXH3_64bits(input, length);
}
