// The body that is compiled once for each instruction set: PVIT_BODY_KERNELS except dot_probe. Included after
// common/lanes.h; from_f16, to_f16 and f16_number; the limits of registers (PVIT_ATTENTION_QUERIES and
// PVIT_ATTENTION_GROUPS; PVIT_PRODUCT_ROWS and PVIT_PRODUCT_TOKENS if there are many); and the instruction set's
// wide_unit.
#pragma once

#include "float/conversions.h"
#include "float/layers.h"
#include "float/kv_store.h"
#include "float/attention.h"
#include "quantized/rows.h"
#include "float/probes.h"
