// The tables of kernels that this processor architecture has.
#pragma once

#include "CKernels.h"

extern const pvit_kernels pvit_scalar_kernels;
#if defined(__x86_64__)
extern const pvit_kernels pvit_avx2_kernels;
extern const pvit_kernels pvit_avx512_kernels;
#endif
