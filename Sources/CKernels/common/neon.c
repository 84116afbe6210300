#if defined(__aarch64__)
#define PVIT_NEON_DOT 0
#include "common/neon_kernels.h"
#endif
