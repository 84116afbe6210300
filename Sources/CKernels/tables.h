// The tables of kernels that this processor architecture has.
#pragma once

#include "CKernels.h"

extern const pvit_kernels pvit_scalar_kernels;
