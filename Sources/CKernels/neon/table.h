// The entries of both tables. Included inside their initializers.
.gemv_q8 = gemv_q8,
.gemv_q4 = gemv_q4,
.gemm_q8 = gemm_q8,
.gemm_q4 = gemm_q4,
#include "body/table.h"
