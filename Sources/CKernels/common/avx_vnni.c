#if defined(__x86_64__)
#include "common/avx_vnni.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "common/avx2_halves.h"
#include "common/variants.h"

// The sums of these fit 16 registers, two for sixteen lanes.
#define PVIT_ATTENTION_QUERIES 2
#define PVIT_ATTENTION_GROUPS 2

#include "quantized/avx_vnni_lanes.h"
#include "quantized/vnni_wide_unit.h"
#include "common/body.h"
#include "quantized/vnni_probe.h"

// clang-format off
const pvit_kernels pvit_avx_vnni_kernels = {
    .isa = PVIT_ISA_AVX_VNNI,
    .name = "avx-vnni",
    PVIT_BODY_KERNELS(PVIT_OWN)
    PVIT_QUANTIZED_PRODUCTS(PVIT_FROM_AVX_VNNI)
    PVIT_PANEL_KERNELS(PVIT_FROM_AVX2)
    PVIT_ENCODERS(PVIT_FROM_AVX2)
};
// clang-format on
#endif
