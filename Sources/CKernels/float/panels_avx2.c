#if defined(__x86_64__)
#include "common/avx2.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "common/lanes.h"

#define PVIT_VARIANT(name) pvit_avx2_##name
#define TILE_ROWS 6 // 12 of 16 registers hold sums
#define TILE_GROUPS 1
#include "float/panels.h"
#endif
