// 8-bit codes of eight rows, widened to 16 bits, two columns to a lane. Included after common/avx2.h or
// common/avx_vnni.h.
#pragma once

#include "block_layout.h"

// The first two and the last two of the four codes of each row, in 16 bits.
#define PAIR(byte) (int)(0x80008000u | ((byte) + 1) << 16 | (byte)) // of a shuffle: byte, 0, next byte, 0
PVIT_INLINE __m256i first_codes(__m256i codes) {
    return _mm256_shuffle_epi8(codes, _mm256_broadcastsi128_si256(_mm_setr_epi32(PAIR(0), PAIR(4), PAIR(8), PAIR(12))));
}
PVIT_INLINE __m256i second_codes(__m256i codes) {
    return _mm256_shuffle_epi8(codes,
                               _mm256_broadcastsi128_si256(_mm_setr_epi32(PAIR(2), PAIR(6), PAIR(10), PAIR(14))));
}
#undef PAIR

PVIT_INLINE __m256i two_codes(const int16_t *codes) {
    int32_t two;
    memcpy(&two, codes, sizeof two);
    return _mm256_set1_epi32(two);
}
