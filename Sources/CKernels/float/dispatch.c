#include "float/tables.h"

const pvit_float_kernels *pvit_float_kernels_for(pvit_isa isa) {
    switch (isa) {
    case PVIT_ISA_SCALAR: return &pvit_scalar_float_kernels;
#if defined(__x86_64__)
    case PVIT_ISA_AVX2: return pvit_kernels_for(isa) ? &pvit_avx2_float_kernels : NULL;
    case PVIT_ISA_AVX512_VNNI: return pvit_kernels_for(isa) ? &pvit_avx512_float_kernels : NULL;
#elif defined(__aarch64__)
    case PVIT_ISA_NEON:
    case PVIT_ISA_NEON_DOT: return &pvit_neon_float_kernels;
#endif
    default: return NULL;
    }
}

const pvit_float_kernels *pvit_float_kernels_best(void) {
    const pvit_isa by_preference[] = {PVIT_ISA_AVX512_VNNI, PVIT_ISA_AVX2, PVIT_ISA_NEON};
    for (size_t i = 0; i < sizeof by_preference / sizeof *by_preference; i++) {
        const pvit_float_kernels *kernels = pvit_float_kernels_for(by_preference[i]);
        if (kernels) return kernels;
    }
    return &pvit_scalar_float_kernels;
}
