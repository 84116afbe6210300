#if defined(__aarch64__)
#include "common/numerics.h"

#define PVIT_TARGET
#define PVIT_INLINE static inline __attribute__((always_inline))
#define PVIT_UNROLL _Pragma("clang loop unroll(full)")
#include "common/lanes.h"

#define PVIT_VARIANT(name) pvit_neon_##name
#define TILE_ROWS 6 // 24 of 32 registers hold sums
#define TILE_GROUPS 1
#include "float/panels.h"
#endif
