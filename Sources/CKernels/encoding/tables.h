// The encoders that this processor architecture has, and limits of scales.
#pragma once

#include <float.h>

#include "numerics.h"

extern const pvit_encoders pvit_scalar_encoders;
#if defined(__x86_64__)
extern const pvit_encoders pvit_avx2_encoders;
extern const pvit_encoders pvit_avx512_encoders;
#endif

// Tiles without a magnitude of at least this are stored as zeros, lest 1 / tile_scale overflow.
#define PVIT_SMALLEST_TILE_MAXIMUM 0x1p-100f
// The block of a tile's largest magnitude may choose a scale up to this times (magnitude / 127).
#define PVIT_Q4_HEADROOM 1.125f
// What a tile's largest q8 block scale is about: binary16 numbers keep their precision down to 2^-14.
#define PVIT_Q8_LARGEST_SCALE 16384.0f
