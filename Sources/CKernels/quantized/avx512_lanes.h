// One row of a group to a lane of a 512-bit register, four columns to a lane: what the products of VNNI are made of.
#pragma once

#include "block_layout.h"
#include "common/avx512.h"

typedef __m512i row_ints;
typedef __m512 row_floats;
#define KERNEL(member) pvit_avx512_##member
#define REGISTERS 32
#define ROW_LANES 16
#define TILE_GROUPS 2 // of a product with many tokens

// Without this, the compiler loads activations too early and runs out of registers.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+v"(value)::"memory")

#define INTRINSIC(name) _mm512_##name
#include "quantized/vnni_lanes.h"

PVIT_INLINE row_ints load_ints(const void *from) { return _mm512_loadu_si512(from); }
PVIT_INLINE void store_ints(row_ints x, void *to) { _mm512_storeu_si512(to, x); }
PVIT_INLINE row_floats as_floats(row_ints x) { return _mm512_castsi512_ps(x); }

// sums + the dot product of four unsigned and four signed bytes in each lane.
PVIT_INLINE row_ints add_byte_dot(row_ints sums, row_ints bytes, row_ints signed_bytes) {
    return _mm512_dpbusd_epi32(sums, bytes, signed_bytes);
}
// sums + the dot product of two numbers of 16 bits in each lane.
PVIT_INLINE row_ints add_word_dot(row_ints sums, row_ints x, row_ints y) { return _mm512_dpwssd_epi32(sums, x, y); }

// The q4 codebook in excess 128, once in every 16 bytes.
PVIT_INLINE row_ints codebook_excess128(void) {
    __m128i codebook = _mm_loadu_si128((const __m128i *)pvit_q4_codebook);
    return _mm512_broadcast_i32x4(_mm_xor_si128(codebook, _mm_set1_epi8(-128)));
}
// The values of the low and of the high nibbles.
PVIT_INLINE row_ints low_values(row_ints codes, row_ints codebook) {
    return _mm512_shuffle_epi8(codebook, _mm512_and_si512(codes, _mm512_set1_epi8(15)));
}
PVIT_INLINE row_ints high_values(row_ints codes, row_ints codebook) {
    return low_values(_mm512_srli_epi16(codes, 4), codebook);
}

// The scales that the fields of q4 stand for.
PVIT_INLINE row_floats q4_scales(const uint8_t *fields) {
    __m128i magnitudes = _mm_and_si128(_mm_loadu_si128((const __m128i *)fields), _mm_set1_epi8(127));
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(magnitudes), PVIT_Q4_SCALE_SHIFT));
}
// `x` in the lanes of rows whose block is shifted, zero in the others.
PVIT_INLINE row_ints where_shifted(const uint8_t *fields, int32_t x) {
    return _mm512_maskz_set1_epi32(_mm_movepi8_mask(_mm_loadu_si128((const __m128i *)fields)), x);
}
PVIT_INLINE row_floats q8_scales(const uint8_t *scales) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scales));
}

// The first two and the last two of the four codes of each row, in 16 bits.
#define PAIR(byte) (int)(0x80008000u | ((byte) + 1) << 16 | (byte)) // of a shuffle: byte, 0, next byte, 0
PVIT_INLINE row_ints first_codes(row_ints codes) {
    return _mm512_shuffle_epi8(codes, _mm512_set4_epi32(PAIR(12), PAIR(8), PAIR(4), PAIR(0)));
}
PVIT_INLINE row_ints second_codes(row_ints codes) {
    return _mm512_shuffle_epi8(codes, _mm512_set4_epi32(PAIR(14), PAIR(10), PAIR(6), PAIR(2)));
}
#undef PAIR

// Two consecutive 16-bit activations in every lane.
PVIT_INLINE row_ints two_codes(const int16_t *codes) {
    int32_t two;
    memcpy(&two, codes, sizeof two);
    return equal_ints(two);
}

// 32 activations of 16 bits as 256 times a signed byte and a signed byte: the high bytes, then the low ones.
PVIT_INLINE void split_codes(const int16_t codes[32], int8_t bytes[2][8][4]) {
    __m512i words = _mm512_loadu_si512(codes);
    __m256i low = _mm512_cvtepi16_epi8(words);
    __m512i rest = _mm512_sub_epi16(words, _mm512_cvtepi8_epi16(low));
    __m256i high = _mm512_cvtepi16_epi8(_mm512_srai_epi16(rest, 8));
    _mm256_storeu_si256((__m256i *)bytes[0], high);
    _mm256_storeu_si256((__m256i *)bytes[1], low);
}
