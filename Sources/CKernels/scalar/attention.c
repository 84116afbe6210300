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

void pvit_scalar_store_value(const float *restrict x, size_t width, pvit_kv_type type, void *restrict row) {
    switch (type) {
    case PVIT_KV_F32: memcpy(row, x, width * sizeof *x); break;
    case PVIT_KV_F16: pvit_scalar_f32_to_f16(x, row, width); break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32)
            store_q8_block(x + start, (int8_t *)row + start, (uint8_t *)row + width + start / 16);
        break;
    }
}

void pvit_scalar_store_key(const float *restrict x, size_t width, pvit_kv_type type, void *restrict group,
                           size_t position) {
    switch (type) {
    case PVIT_KV_F32:
        for (size_t i = 0; i < width; i++) ((float *)group)[16 * i + position] = x[i];
        break;
    case PVIT_KV_F16:
        for (size_t i = 0; i < width; i++) ((uint16_t *)group)[16 * i + position] = pvit_f32_to_f16(x[i]);
        break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32) {
            int8_t codes[32];
            store_q8_block(x + start, codes, (uint8_t *)group + 16 * width + start + 2 * position);
            for (size_t i = 0; i < 32; i++) ((int8_t *)group)[16 * (start + i) + position] = codes[i];
        }
        break;
    }
}

static float half_at(const uint8_t *bytes) {
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    return pvit_f16_to_f32(half);
}

static float float_at(const uint8_t *bytes) {
    float value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static float key_number(const uint8_t *group, pvit_kv_type type, size_t place) {
    switch (type) {
    case PVIT_KV_F32: return float_at(group + 4 * place);
    case PVIT_KV_F16: return half_at(group + 2 * place);
    case PVIT_KV_Q8: return (float)(int8_t)group[place];
    }
    return 0;
}

// <scale * query, key[position]>. Codes are summed over the columns that share a scale, and multiplied by it once.
static float score(const float *query, float scale, const uint8_t *keys, pvit_kv_type type, size_t width,
                   size_t position) {
    const uint8_t *group = keys + position / 16 * 16 * pvit_kv_row_bytes(type, width);
    size_t row = position % 16, block = type == PVIT_KV_Q8 ? 32 : width;
    float sum = 0;
    for (size_t start = 0; start < width; start += block) {
        float part = 0;
        for (size_t i = start; i < start + block; i++)
            part = fmaf(key_number(group, type, 16 * i + row), scale * query[i], part);
        sum = type == PVIT_KV_Q8 ? fmaf(part, half_at(group + 16 * width + start + 2 * row), sum) : part;
    }
    return sum;
}

// sum + weight * the number in column `i`. The weight of codes is multiplied by their scale.
static float add_value(const uint8_t *row, pvit_kv_type type, size_t width, size_t i, float weight, float sum) {
    switch (type) {
    case PVIT_KV_F32: return fmaf(float_at(row + 4 * i), weight, sum);
    case PVIT_KV_F16: return fmaf(half_at(row + 2 * i), weight, sum);
    case PVIT_KV_Q8: return fmaf((float)(int8_t)row[i], weight * half_at(row + width + i / 32 * 2), sum);
    }
    return sum;
}

// One query over `positions` positions. `scores`: a block of them.
static void attend(const float *query, const uint8_t *keys, const uint8_t *values, pvit_kv_type type, size_t width,
                   size_t positions, float scale, float *scores, float *result) {
    float maximum = -INFINITY, partial[16] = {0};
    for (size_t i = 0; i < width; i++) result[i] = 0;
    for (size_t start = 0; start < positions; start += PVIT_ATTENTION_BLOCK) {
        size_t count = positions - start < PVIT_ATTENTION_BLOCK ? positions - start : PVIT_ATTENTION_BLOCK;
        float before = maximum;
        for (size_t p = 0; p < count; p++) {
            scores[p] = score(query, scale, keys, type, width, start + p);
            maximum = scores[p] > maximum ? scores[p] : maximum;
        }
        float factor = pvit_exp(before - maximum);
        for (size_t i = 0; i < 16; i++) partial[i] *= factor;
        for (size_t i = 0; i < width; i++) result[i] *= factor;
        for (size_t p = 0; p < count; p++) {
            scores[p] = pvit_exp(scores[p] - maximum);
            partial[p % 16] += scores[p];
            const uint8_t *row = values + (start + p) * pvit_kv_row_bytes(type, width);
            for (size_t i = 0; i < width; i++) result[i] = add_value(row, type, width, i, scores[p], result[i]);
        }
    }
    float inverse = 1.0f / pvit_add_pairwise(partial);
    for (size_t i = 0; i < width; i++) result[i] *= inverse;
}

void pvit_scalar_attend(const float *restrict query, size_t tokens, size_t heads, size_t stride,
                        const void *restrict keys, const void *restrict values, pvit_kv_type type, size_t width,
                        size_t positions, float scale, float *restrict scratch, float *restrict result) {
    for (size_t token = 0; token < tokens; token++)
        for (size_t head = 0; head < heads; head++) {
            size_t place = token * stride + head * width;
            attend(query + place, keys, values, type, width, positions + token, scale, scratch, result + place);
        }
}
