// The scales of tiles. They map a tile's largest magnitude to nearly the largest scale of a block.
#include <float.h>

#include "block_layout.h"

// Tiles whose magnitudes are all below this are stored as zeros, because 1 / tile_scale would overflow.
#define SMALLEST_TILE_MAXIMUM 0x1p-100f
// The block of a tile's largest magnitude may choose a scale up to this times (magnitude / 127).
#define Q4_HEADROOM 1.125f
// The approximate largest q8 block scale of a tile. binary16 numbers keep their precision down to 2^-14.
#define Q8_LARGEST_SCALE 16384.0f

float pvit_q4_tile_scale(float maximum) {
    const float largest_scale = pvit_q4_scale(127);
    if (!(maximum >= SMALLEST_TILE_MAXIMUM)) return 0;
    float scale = maximum * (Q4_HEADROOM / 127 / largest_scale);
    return scale > FLT_MAX ? FLT_MAX : scale;
}

float pvit_q8_tile_scale(float maximum) {
    if (!(maximum >= SMALLEST_TILE_MAXIMUM)) return 0;
    return maximum * (1.0f / 127 / Q8_LARGEST_SCALE);
}
