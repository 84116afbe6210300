// Codes and scale fields of q4 of eight rows. Included after common/avx2.h or common/avx_vnni.h.
#pragma once

#include "block_layout.h"

// The codebook, once in every 16 bytes.
PVIT_INLINE __m256i codebook_lanes(void) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)pvit_q4_codebook));
}
// The values of the low and of the high nibbles.
PVIT_INLINE __m256i low_values(__m256i codes, __m256i codebook) {
    return _mm256_shuffle_epi8(codebook, _mm256_and_si256(codes, _mm256_set1_epi8(15)));
}
PVIT_INLINE __m256i high_values(__m256i codes, __m256i codebook) {
    return low_values(_mm256_srli_epi16(codes, 4), codebook);
}

// The scales that fields stand for.
PVIT_INLINE __m256 q4_scales(const uint8_t *fields) {
    __m128i magnitudes = _mm_and_si128(_mm_loadl_epi64((const __m128i *)fields), _mm_set1_epi8(127));
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(magnitudes), PVIT_Q4_SCALE_SHIFT));
}
// All ones in the lanes of rows whose block is shifted.
PVIT_INLINE __m256i q4_shifted(const uint8_t *fields) {
    return _mm256_srai_epi32(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)fields)), 31);
}
