#include "common/variants.h"

// The scalar twins define the result of every kernel.
// clang-format off
const pvit_kernels pvit_scalar_kernels = {
    .isa = PVIT_ISA_SCALAR,
    .name = "scalar",
    PVIT_BODY_KERNELS(PVIT_FROM_SCALAR)
    PVIT_QUANTIZED_PRODUCTS(PVIT_FROM_SCALAR)
    PVIT_PANEL_KERNELS(PVIT_FROM_SCALAR)
    PVIT_ENCODERS(PVIT_FROM_SCALAR)
};
// clang-format on
