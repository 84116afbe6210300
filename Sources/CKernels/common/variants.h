// The tables of kernels that this processor architecture has, one for each instruction set.
#pragma once

#include "CKernels.h"

extern const pvit_kernels pvit_scalar_kernels;
extern const pvit_encoders pvit_scalar_encoders;
extern const pvit_float_kernels pvit_scalar_float_kernels;
#if defined(__x86_64__)
extern const pvit_kernels pvit_avx2_kernels;
extern const pvit_encoders pvit_avx2_encoders;
extern const pvit_float_kernels pvit_avx2_float_kernels;
extern const pvit_kernels pvit_avx512_kernels;
extern const pvit_encoders pvit_avx512_encoders;
extern const pvit_float_kernels pvit_avx512_float_kernels;
#elif defined(__aarch64__)
extern const pvit_kernels pvit_neon_kernels;
extern const pvit_kernels pvit_neon_dot_kernels;
extern const pvit_float_kernels pvit_neon_float_kernels;
#endif
