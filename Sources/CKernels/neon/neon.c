#if defined(__aarch64__)
#define PVIT_NEON_DOT 0
#include "neon/kernels.h"

const pvit_kernels pvit_neon_kernels = {
    .isa = PVIT_ISA_NEON,
    .name = "neon",
#include "neon/table.h"
};
#endif
