#if defined(__x86_64__)
#include "common/avx512.h"

#include "common/lanes.h"

#define TILE_ROWS 12 // 24 of 32 registers hold sums
#define TILE_GROUPS 2
#include "float/panels.h"

const pvit_float_kernels pvit_avx512_float_kernels = {
    .isa = PVIT_ISA_AVX512_VNNI,
#include "float/panel_entries.h"
};
#endif
