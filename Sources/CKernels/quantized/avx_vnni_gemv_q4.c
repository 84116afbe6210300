#if defined(__x86_64__)
#include "quantized/avx_vnni_lanes.h"
#include "quantized/vnni_gemv_q4.h"
#endif
