// Codes and scales of q4 and q8 in 512-bit registers: one lane a row, four columns a lane.
#pragma once

#include "block_layout.h"
#include "common/avx512.h"

// The q4 codebook in excess 128, once in every 16 bytes.
PVIT_INLINE __m512i pvit_codebook_excess128(void) {
    __m128i codebook = _mm_loadu_si128((const __m128i *)pvit_q4_codebook);
    return _mm512_broadcast_i32x4(_mm_xor_si128(codebook, _mm_set1_epi8(-128)));
}

// The values of the low and of the high nibbles.
PVIT_INLINE __m512i pvit_q4_low(__m512i codes, __m512i codebook) {
    return _mm512_shuffle_epi8(codebook, _mm512_and_si512(codes, _mm512_set1_epi8(15)));
}
PVIT_INLINE __m512i pvit_q4_high(__m512i codes, __m512i codebook) {
    return pvit_q4_low(_mm512_srli_epi16(codes, 4), codebook);
}

// Scale fields of one block of 16 rows.
PVIT_INLINE __m512 pvit_q4_scales(const uint8_t *fields) {
    __m128i magnitudes = _mm_and_si128(_mm_loadu_si128((const __m128i *)fields), _mm_set1_epi8(127));
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(magnitudes), PVIT_Q4_SCALE_SHIFT));
}
PVIT_INLINE __mmask16 pvit_q4_shifted(const uint8_t *fields) {
    return _mm_movepi8_mask(_mm_loadu_si128((const __m128i *)fields));
}

PVIT_INLINE __m512 pvit_q8_scales(const uint8_t *scales) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scales));
}

// The first two and the last two of the four codes of each row, in 16 bits.
#define PAIR(byte) (int)(0x80008000u | ((byte) + 1) << 16 | (byte)) // of a shuffle: byte, 0, next byte, 0
PVIT_INLINE __m512i pvit_q8_first(__m512i codes) {
    return _mm512_shuffle_epi8(codes, _mm512_set4_epi32(PAIR(12), PAIR(8), PAIR(4), PAIR(0)));
}
PVIT_INLINE __m512i pvit_q8_second(__m512i codes) {
    return _mm512_shuffle_epi8(codes, _mm512_set4_epi32(PAIR(14), PAIR(10), PAIR(6), PAIR(2)));
}
#undef PAIR

// Two consecutive 16-bit activations in every lane.
PVIT_INLINE __m512i pvit_two_codes(const int16_t *codes) {
    int32_t two;
    memcpy(&two, codes, sizeof two);
    return _mm512_set1_epi32(two);
}

// Four consecutive activations in every lane.
PVIT_INLINE __m512i pvit_four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, sizeof four);
    return _mm512_set1_epi32(four);
}

// 32 activations of 16 bits as 256 times a signed byte and a signed byte: four of the high bytes, four of the low ones,
// and so on.
PVIT_INLINE void pvit_split_codes(__m512i codes, int8_t bytes[8][2][4]) {
    __m256i low = _mm512_cvtepi16_epi8(codes);
    __m512i rest = _mm512_sub_epi16(codes, _mm512_cvtepi8_epi16(low));
    __m256i high = _mm512_cvtepi16_epi8(_mm512_srai_epi16(rest, 8));
    __m256i first = _mm256_unpacklo_epi32(high, low), second = _mm256_unpackhi_epi32(high, low);
    _mm256_storeu_si256((__m256i *)bytes, _mm256_permute2x128_si256(first, second, 0x20));
    _mm256_storeu_si256((__m256i *)bytes[4], _mm256_permute2x128_si256(first, second, 0x31));
}

// The start of a dot product with weights in excess 128: minus 128 times the sum of the activations, plus the bias that
// makes the integer a float.
PVIT_INLINE __m512i pvit_dot_start(int32_t sum) {
    return _mm512_sub_epi32(_mm512_set1_epi32(PVIT_INTEGER_BIAS_BITS), _mm512_slli_epi32(_mm512_set1_epi32(sum), 7));
}
