#if defined(__aarch64__)
#define PVIT_NEON_DOT 0
#include "quantized/neon_q4.h"
#endif
