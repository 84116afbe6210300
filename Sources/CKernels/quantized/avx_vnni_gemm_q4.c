#if defined(__x86_64__)
#include "quantized/avx_vnni_lanes.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "quantized/vnni_gemm_q4.h"
#endif
