#if defined(__aarch64__)
#define PVIT_NEON_DOT 1
#include "quantized/neon_q4.h"
#endif
