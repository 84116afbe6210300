#include "tables.h"

const pvit_kernels *pvit_kernels_for(pvit_isa isa) { return isa == PVIT_ISA_SCALAR ? &pvit_scalar_kernels : NULL; }

const pvit_kernels *pvit_kernels_best(void) { return &pvit_scalar_kernels; }
