#if defined(__x86_64__)
#include "avx512/target.h"

#include "body/vector.h"

#define TILE_ROWS 12 // 24 of 32 registers hold sums
#define TILE_GROUPS 2
#include "float/body.h"

const pvit_float_kernels pvit_avx512_float_kernels = {
    .isa = PVIT_ISA_AVX512_VNNI,
#include "float/table.h"
};
#endif
