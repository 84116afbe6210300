#if defined(__aarch64__)
#define PVIT_NEON_DOT 1
#include "common/neon_kernels.h"
#endif
