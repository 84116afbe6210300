#if defined(__aarch64__)
#define PVIT_NEON_DOT 1
#include "neon/kernels.h"

const pvit_kernels pvit_neon_dot_kernels = {
    .isa = PVIT_ISA_NEON_DOT,
    .name = "neon-dot",
#include "neon/table.h"
};
#endif
