// What AVX2's products of quantized weights are compiled for and named.
#pragma once

#include "common/avx2.h"
#include "common/variants.h"

#define KERNEL(member) pvit_avx2_##member
