#include "encoding/tables.h"

const pvit_encoders *pvit_encoders_for(pvit_isa isa) {
    if (!pvit_kernels_for(isa)) return NULL;
    switch (isa) {
#if defined(__x86_64__)
    case PVIT_ISA_AVX2: return &pvit_avx2_encoders;
    case PVIT_ISA_AVX512_VNNI: return &pvit_avx512_encoders;
#endif
    // The body is written in vector types, which the compiler maps to NEON by itself.
    default: return &pvit_scalar_encoders;
    }
}

const pvit_encoders *pvit_encoders_best(void) { return pvit_encoders_for(pvit_kernels_best()->isa); }

float pvit_q4_tile_scale(float maximum) {
    const float largest_scale = pvit_q4_scale(127);
    if (!(maximum >= PVIT_SMALLEST_TILE_MAXIMUM)) return 0;
    float scale = maximum * (PVIT_Q4_HEADROOM / 127 / largest_scale);
    return scale > FLT_MAX ? FLT_MAX : scale;
}

float pvit_q8_tile_scale(float maximum) {
    if (!(maximum >= PVIT_SMALLEST_TILE_MAXIMUM)) return 0;
    return maximum * (1.0f / 127 / PVIT_Q8_LARGEST_SCALE);
}
