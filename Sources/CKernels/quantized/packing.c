#include "CKernels.h"

// How many columns are quantized before they are packed.
#define PIECE 512

void pvit_quantize_and_pack(pvit_quantize_activations *quantize, pvit_pack_activations *pack, const float *x,
                            size_t columns, size_t token, size_t tokens, void *packed) {
    _Alignas(64) int8_t codes[PIECE];
    float scales[PIECE / 32];
    int32_t sums[PIECE / 16];
    for (size_t start = 0; start < columns; start += PIECE) {
        size_t count = columns - start < PIECE ? columns - start : PIECE;
        quantize(x + start, count, codes, scales, sums);
        pack((pvit_activations){codes, scales, sums}, start, count, columns, token, tokens, packed);
    }
}

void pvit_quantize_and_pack_wide(pvit_quantize_wide_activations *quantize, pvit_pack_wide_activations *pack,
                                 const float *x, size_t columns, float byte_limit, size_t token, size_t tokens,
                                 void *packed) {
    _Alignas(64) int16_t codes[PIECE];
    float scales[PIECE / 32];
    int32_t sums[PIECE / 32];
    for (size_t start = 0; start < columns; start += PIECE) {
        size_t count = columns - start < PIECE ? columns - start : PIECE;
        quantize(x + start, count, byte_limit, codes, scales, sums);
        pack((pvit_wide_activations){codes, scales, sums}, start, count, columns, token, tokens, packed);
    }
}
