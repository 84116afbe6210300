#if defined(__x86_64__)
#include "common/avx2.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "common/avx2_halves.h"
#include "common/variants.h"

// The sums of these fit 16 registers, two for sixteen lanes.
#define PVIT_ATTENTION_QUERIES 2
#define PVIT_ATTENTION_GROUPS 2

#include "quantized/avx2_wide_unit.h"
#include "common/body.h"

PVIT_TARGET static uint64_t dot_probe(size_t iterations, uint32_t *checksum) {
    __m256i weights = _mm256_set1_epi8(3), codes = _mm256_set1_epi32((int)*checksum), ones = _mm256_set1_epi16(1);
    __m256i dots[PROBE_CHAINS];
    PVIT_UNROLL
    for (int i = 0; i < PROBE_CHAINS; i++) dots[i] = _mm256_set1_epi32(i);
    for (size_t iteration = 0; iteration < iterations; iteration++) {
        PVIT_UNROLL
        for (int i = 0; i < PROBE_CHAINS; i++) {
            __asm__ volatile("" : "+x"(codes)); // no shortcuts
            __m256i pairs = _mm256_maddubs_epi16(weights, _mm256_sign_epi8(codes, weights));
            dots[i] = _mm256_add_epi32(dots[i], _mm256_madd_epi16(pairs, ones));
        }
    }
    PVIT_UNROLL
    for (int i = 1; i < PROBE_CHAINS; i++) dots[0] = _mm256_add_epi32(dots[0], dots[i]);
    uint32_t lanes[8];
    memcpy(lanes, &dots[0], sizeof lanes);
    for (int i = 1; i < 8; i++) lanes[0] += lanes[i];
    *checksum = lanes[0];
    return (uint64_t)iterations * PROBE_CHAINS * 64;
}

// clang-format off
const pvit_kernels pvit_avx2_kernels = {
    .isa = PVIT_ISA_AVX2,
    .name = "avx2",
    PVIT_BODY_KERNELS(PVIT_OWN)
    PVIT_QUANTIZED_PRODUCTS(PVIT_FROM_AVX2)
    PVIT_PANEL_KERNELS(PVIT_FROM_AVX2)
    PVIT_ENCODERS(PVIT_FROM_AVX2)
};
// clang-format on
#endif
