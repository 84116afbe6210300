#if defined(__x86_64__)
#include "common/avx512.h"

#include "common/lanes.h"
#include "common/variants.h"

PVIT_INLINE f32x16 from_f16(u16x16 x) { return (f32x16)_mm512_cvtph_ps((__m256i)x); }
PVIT_INLINE u16x16 to_f16(f32x16 x) { return (u16x16)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT); }
PVIT_INLINE float f16_number(uint16_t half) { return _cvtsh_ss(half); }

// The sums of these fit 32 registers.
#define PVIT_ATTENTION_QUERIES 6
#define PVIT_ATTENTION_GROUPS 4
#define PVIT_PRODUCT_ROWS 4
#define PVIT_PRODUCT_TOKENS 6

#include "quantized/avx512_lanes.h"
#include "quantized/vnni_wide_unit.h"
#include "common/body.h"
#include "quantized/vnni_probe.h"

// clang-format off
const pvit_kernels pvit_avx512_kernels = {
    .isa = PVIT_ISA_AVX512_VNNI,
    .name = "avx512-vnni",
    PVIT_BODY_KERNELS(PVIT_OWN)
    PVIT_QUANTIZED_PRODUCTS(PVIT_FROM_AVX512)
    PVIT_PANEL_KERNELS(PVIT_FROM_AVX512)
    PVIT_ENCODERS(PVIT_FROM_AVX512)
};
// clang-format on
#endif
