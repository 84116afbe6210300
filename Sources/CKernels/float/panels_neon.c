#if defined(__aarch64__)
#include "common/numerics.h"

#define PVIT_TARGET
#define PVIT_INLINE static inline __attribute__((always_inline))
#define PVIT_UNROLL _Pragma("clang loop unroll(full)")
#include "common/lanes.h"

#define TILE_ROWS 6 // 24 of 32 registers hold sums
#define TILE_GROUPS 1
#include "float/panels.h"

const pvit_float_kernels pvit_neon_float_kernels = {
    .isa = PVIT_ISA_NEON,
#include "float/panel_entries.h"
};
#endif
