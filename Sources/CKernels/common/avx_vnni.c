#if defined(__x86_64__)
#include "common/avx_vnni.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "common/avx2_halves.h"
#include "common/variants.h"

// The sums of these fit 16 registers, two for sixteen lanes.
#define PVIT_ATTENTION_QUERIES 2
#define PVIT_ATTENTION_GROUPS 2

#include "float/conversions.h"
#include "float/layers.h"
#include "float/kv_store.h"
#include "quantized/avx_vnni_lanes.h"
#include "quantized/vnni_wide_unit.h"
#include "float/attention.h"
#include "quantized/rows.h"
#include "float/probes.h"

PVIT_TARGET static uint64_t dot_probe(size_t iterations, uint32_t *checksum) {
    row_ints weights = equal_ints(0x03030303), codes = equal_ints((int)*checksum);
    row_ints dots[PROBE_CHAINS];
    PVIT_UNROLL
    for (int i = 0; i < PROBE_CHAINS; i++) dots[i] = equal_ints(i);
    for (size_t iteration = 0; iteration < iterations; iteration++) {
        PVIT_UNROLL
        for (int i = 0; i < PROBE_CHAINS; i++) {
            dots[i] = add_byte_dot(dots[i], weights, codes);
            KEEP_IN_ORDER(dots[i]); // no shortcuts
        }
    }
    PVIT_UNROLL
    for (int i = 1; i < PROBE_CHAINS; i++) dots[0] = add_ints(dots[0], dots[i]);
    uint32_t lanes[ROW_LANES];
    memcpy(lanes, &dots[0], sizeof lanes);
    for (int i = 1; i < ROW_LANES; i++) lanes[0] += lanes[i];
    *checksum = lanes[0];
    return (uint64_t)iterations * PROBE_CHAINS * ROW_LANES * 8;
}

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
