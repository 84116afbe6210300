#include "CKernels.h"

// The non-linear 4-bit codebook. formats/blocks.md explains how it was chosen.
const int8_t pvit_q4_codebook[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 72, 97, 121};
