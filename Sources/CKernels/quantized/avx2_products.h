// Products of quantized weights with a few tokens.
#pragma once

#include "common/variants.h"

// Without this, the compiler adds in another order, which needs more registers than there are.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+x"(value)::"memory")
