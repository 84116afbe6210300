#if defined(__x86_64__)
#include "common/avx2.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "common/lanes.h"

#define TILE_ROWS 6 // 12 of 16 registers hold sums
#define TILE_GROUPS 1
#include "float/panels.h"

const pvit_float_kernels pvit_avx2_float_kernels = {
    .isa = PVIT_ISA_AVX2,
#include "float/panel_entries.h"
};
#endif
