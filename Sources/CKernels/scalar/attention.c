#include "numerics.h"
#include "scalar.h"

// 32 numbers as int8 codes and the scale they are a multiple of. The scale is rounded to binary16 first, so that the codes
// make up for its rounding.
static void store_q8_block(const float *x, int8_t *codes, uint8_t *scale) {
    float maximum = 0;
    for (size_t i = 0; i < 32; i++) {
        float magnitude = fabsf(x[i]);
        maximum = magnitude > maximum ? magnitude : maximum;
    }
    uint16_t half = pvit_f32_to_f16(maximum * (1.0f / 127.0f));
    memcpy(scale, &half, sizeof half);
    float inverse = half ? 1.0f / pvit_f16_to_f32(half) : 0;
    for (size_t i = 0; i < 32; i++) {
        float value = x[i] * inverse;
        value = value > -127.0f ? value : -127.0f;
        value = value < 127.0f ? value : 127.0f;
        codes[i] = (int8_t)(uint8_t)pvit_float_bits(value + PVIT_INTEGER_BIAS);
    }
}

void pvit_scalar_kv_store(const float *restrict x, size_t width, pvit_kv_type type, void *restrict row) {
    switch (type) {
    case PVIT_KV_F32: memcpy(row, x, width * sizeof *x); break;
    case PVIT_KV_F16: pvit_scalar_f32_to_f16(x, row, width); break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32)
            store_q8_block(x + start, (int8_t *)row + start, (uint8_t *)row + width + start / 16);
        break;
    }
}

// Number `i` of a row of floats; beyond the end 0.
static float element(const uint8_t *row, pvit_kv_type type, size_t width, size_t i) {
    if (i >= width) return 0;
    if (type == PVIT_KV_F32) {
        float value;
        memcpy(&value, row + i * sizeof value, sizeof value);
        return value;
    }
    uint16_t half;
    memcpy(&half, row + i * sizeof half, sizeof half);
    return pvit_f16_to_f32(half);
}

static float q8_scale(const uint8_t *row, size_t width, size_t block) {
    uint16_t half;
    memcpy(&half, row + width + block * sizeof half, sizeof half);
    return pvit_f16_to_f32(half);
}

static float dot_key(const float *query, const uint8_t *key, pvit_kv_type type, size_t width) {
    float partial[16] = {0};
    if (type == PVIT_KV_Q8) {
        const int8_t *codes = (const int8_t *)key;
        for (size_t start = 0; start < width; start += 32)
            for (size_t i = 0; i < 16; i++) {
                float term = (float)codes[start + i] * query[start + i];
                term = fmaf((float)codes[start + 16 + i], query[start + 16 + i], term);
                partial[i] = fmaf(term, q8_scale(key, width, start / 32), partial[i]);
            }
    } else {
        for (size_t i = 0; i < (width + 15) / 16 * 16; i++)
            partial[i % 16] = fmaf(element(key, type, width, i), i < width ? query[i] : 0, partial[i % 16]);
    }
    return pvit_add_pairwise(partial);
}

static void add_value(float weight, const uint8_t *value, pvit_kv_type type, size_t width, float *result) {
    if (type == PVIT_KV_Q8) {
        const int8_t *codes = (const int8_t *)value;
        for (size_t i = 0; i < width; i++)
            result[i] = fmaf((float)codes[i], weight * q8_scale(value, width, i / 32), result[i]);
    } else {
        for (size_t i = 0; i < width; i++) result[i] = fmaf(element(value, type, width, i), weight, result[i]);
    }
}

void pvit_scalar_attend(const float *restrict query, size_t queries, size_t query_stride, const void *restrict keys,
                        const void *restrict values, pvit_kv_type type, size_t width, size_t positions, float scale,
                        float *restrict scores, float *restrict result, size_t result_stride) {
    size_t row_bytes = pvit_kv_row_bytes(type, width);
    for (size_t q = 0; q < queries; q++, scores += positions) {
        float maximum = -INFINITY;
        for (size_t p = 0; p < positions; p++) {
            scores[p] = scale * dot_key(query + q * query_stride, (const uint8_t *)keys + p * row_bytes, type, width);
            maximum = scores[p] > maximum ? scores[p] : maximum;
        }
        float partial[16] = {0};
        for (size_t p = 0; p < positions; p++) {
            scores[p] = pvit_exp(scores[p] - maximum);
            partial[p % 16] += scores[p];
        }
        float inverse = positions ? 1.0f / pvit_add_pairwise(partial) : 0;
        float *output = result + q * result_stride;
        for (size_t i = 0; i < width; i++) output[i] = 0;
        for (size_t p = 0; p < positions; p++)
            add_value(scores[p], (const uint8_t *)values + p * row_bytes, type, width, output);
        for (size_t i = 0; i < width; i++) output[i] *= inverse;
    }
}
