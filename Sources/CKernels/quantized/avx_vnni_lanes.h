// One row of a group to a lane of a 256-bit register, four columns to a lane: what the products of VNNI are made of.
#pragma once

#include "block_layout.h"
#include "common/avx_vnni.h"
#include "quantized/avx2_q4_codes.h"
#include "quantized/avx2_wide_codes.h"

typedef __m256i row_ints;
typedef __m256 row_floats;
#define KERNEL(member) pvit_avx_vnni_##member
#define REGISTERS 16
#define ROW_LANES 8
#define TILE_GROUPS 1 // of a product with many tokens

// Without this, the compiler loads activations too early and runs out of registers.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+x"(value)::"memory")

#define INTRINSIC(name) _mm256_##name
#include "quantized/vnni_lanes.h"

PVIT_INLINE row_ints load_ints(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }
PVIT_INLINE void store_ints(row_ints x, void *to) { _mm256_storeu_si256((__m256i *)to, x); }
PVIT_INLINE row_floats as_floats(row_ints x) { return _mm256_castsi256_ps(x); }

// sums + the dot product of four unsigned and four signed bytes in each lane.
PVIT_INLINE row_ints add_byte_dot(row_ints sums, row_ints bytes, row_ints signed_bytes) {
    return PVIT_DPBUSD(sums, bytes, signed_bytes);
}
// sums + the dot product of two numbers of 16 bits in each lane.
PVIT_INLINE row_ints add_word_dot(row_ints sums, row_ints x, row_ints y) { return PVIT_DPWSSD(sums, x, y); }

// The q4 codebook in excess 128, once in every 16 bytes.
PVIT_INLINE row_ints codebook_excess128(void) {
    __m128i codebook = _mm_loadu_si128((const __m128i *)pvit_q4_codebook);
    return _mm256_broadcastsi128_si256(_mm_xor_si128(codebook, _mm_set1_epi8(-128)));
}
// `x` in the lanes of rows whose block is shifted, zero in the others.
PVIT_INLINE row_ints where_shifted(const uint8_t *fields, int32_t x) {
    return _mm256_and_si256(q4_shifted(fields), _mm256_set1_epi32(x));
}
PVIT_INLINE row_floats q8_scales(const uint8_t *scales) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)scales));
}

// The numbers of two registers, which fit in bytes, in order.
PVIT_INLINE __m256i packed_bytes(__m256i first, __m256i second) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi16(first, second), _MM_SHUFFLE(3, 1, 2, 0));
}

// 32 activations of 16 bits as 256 times a signed byte and a signed byte: the high bytes, then the low ones.
PVIT_INLINE void split_codes(const int16_t codes[32], int8_t bytes[2][8][4]) {
    __m256i low[2], high[2];
    PVIT_UNROLL
    for (int half = 0; half < 2; half++) {
        __m256i words = _mm256_loadu_si256((const __m256i *)(codes + 16 * half));
        low[half] = _mm256_srai_epi16(_mm256_slli_epi16(words, 8), 8);
        high[half] = _mm256_srai_epi16(_mm256_sub_epi16(words, low[half]), 8);
    }
    _mm256_storeu_si256((__m256i *)bytes[0], packed_bytes(high[0], high[1]));
    _mm256_storeu_si256((__m256i *)bytes[1], packed_bytes(low[0], low[1]));
}
