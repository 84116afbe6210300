#if defined(__x86_64__)
#include "common/avx512.h"

#include "common/lanes.h"

#define PVIT_VARIANT(name) pvit_avx512_##name
#define TILE_ROWS 12 // 24 of 32 registers hold sums
#define TILE_GROUPS 2
#include "float/panels.h"
#endif
