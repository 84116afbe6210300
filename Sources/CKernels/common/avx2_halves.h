// Numbers of 16 bits in 256-bit registers. Included after common/avx2.h or common/avx_vnni.h.
#pragma once

#include "common/lanes.h"

PVIT_INLINE f32x16 from_f16(u16x16 x) {
    __m256 halves[2] = {_mm256_cvtph_ps((__m128i)x.lo), _mm256_cvtph_ps((__m128i)x.hi)};
    f32x16 result;
    memcpy(&result, halves, sizeof result);
    return result;
}
PVIT_INLINE u16x16 to_f16(f32x16 x) {
    __m128i halves[2] = {_mm256_cvtps_ph((__m256)x.lo, _MM_FROUND_TO_NEAREST_INT),
                         _mm256_cvtps_ph((__m256)x.hi, _MM_FROUND_TO_NEAREST_INT)};
    u16x16 result;
    memcpy(&result, halves, sizeof result);
    return result;
}
PVIT_INLINE float f16_number(uint16_t half) { return _cvtsh_ss(half); }
