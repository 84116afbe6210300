#include "common/numerics.h"
#include "common/variants.h"

// 32 numbers as codes in excess 128 and their scale. The scale is rounded to binary16 first, so that the codes
// compensate for its rounding.
static void store_q8_block(const float *x, uint8_t *codes, uint8_t *scale) {
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
        codes[i] = (uint8_t)(128 + pvit_float_bits(value + PVIT_INTEGER_BIAS));
    }
}

// The offset of the 8-bit code of one column of one position in its group of keys or values, and of its scale.
static size_t key_code(size_t column, size_t row) { return (column / 4 * PVIT_KEY_GROUP + row) * 4 + column % 4; }

static size_t value_code(size_t width, size_t column, size_t row) { return (row / 4 * width + column) * 4 + row % 4; }

static size_t block_scale(size_t width, size_t rows, size_t block, size_t row) {
    return rows * width + (block * rows + row) * sizeof(uint16_t);
}

void pvit_scalar_store_value(const float *restrict x, size_t width, pvit_kv_type type, void *restrict values,
                             size_t position) {
    size_t row_bytes = pvit_kv_row_bytes(type, width), row = position % PVIT_VALUE_GROUP;
    uint8_t *place = (uint8_t *)values + position * row_bytes, *group = place - row * row_bytes;
    switch (type) {
    case PVIT_KV_F32: memcpy(place, x, width * sizeof *x); break;
    case PVIT_KV_F16: pvit_scalar_f32_to_f16(x, (uint16_t *)(void *)place, width); break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32) {
            uint8_t codes[32];
            store_q8_block(x + start, codes, group + block_scale(width, PVIT_VALUE_GROUP, start / 32, row));
            for (size_t i = 0; i < 32; i++) group[value_code(width, start + i, row)] = codes[i];
        }
        break;
    }
}

void pvit_scalar_store_key(const float *restrict x, size_t width, pvit_kv_type type, void *restrict keys,
                           size_t position) {
    size_t row = position % PVIT_KEY_GROUP;
    uint8_t *group = (uint8_t *)keys + (position - row) * pvit_kv_row_bytes(type, width);
    switch (type) {
    case PVIT_KV_F32:
        for (size_t i = 0; i < width; i++) ((float *)(void *)group)[PVIT_KEY_GROUP * i + row] = x[i];
        break;
    case PVIT_KV_F16:
        for (size_t i = 0; i < width; i++)
            ((uint16_t *)(void *)group)[PVIT_KEY_GROUP * i + row] = pvit_f32_to_f16(x[i]);
        break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32) {
            uint8_t codes[32];
            store_q8_block(x + start, codes, group + block_scale(width, PVIT_KEY_GROUP, start / 32, row));
            for (size_t i = 0; i < 32; i++) group[key_code(start + i, row)] = codes[i];
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

// <query, key[position]> of a scaled query.
static float score(const float *query, const uint8_t *keys, pvit_kv_type type, size_t width, size_t position) {
    size_t row = position % PVIT_KEY_GROUP;
    const uint8_t *group = keys + (position - row) * pvit_kv_row_bytes(type, width);
    float sum = 0;
    for (size_t i = 0; i < width; i++) {
        size_t place = PVIT_KEY_GROUP * i + row;
        sum = fmaf(type == PVIT_KV_F32 ? float_at(group + 4 * place) : half_at(group + 2 * place), query[i], sum);
    }
    return sum;
}

static void add_values(const float *weights, const uint8_t *values, pvit_kv_type type, size_t width, size_t count,
                       float *result) {
    for (size_t p = 0; p < count; p++, values += pvit_kv_row_bytes(type, width))
        for (size_t i = 0; i < width; i++) {
            float value = type == PVIT_KV_F32 ? float_at(values + 4 * i) : half_at(values + 2 * i);
            result[i] = fmaf(value, weights[p], result[i]);
        }
}

// 32 numbers as 16-bit codes under a scale.
typedef struct {
    int16_t codes[32];
    float scale;
} wide_unit;
_Static_assert(sizeof(wide_unit) <= 32 * sizeof(float), "units of a query take the scratch memory of its numbers");

static wide_unit wide(const float x[32]) {
    wide_unit unit;
    int32_t sum;
    pvit_scalar_quantize_wide_activations(x, 32, 0, unit.codes, &unit.scale, &sum);
    return unit;
}

// The same of 8-bit keys.
static float score_codes(const wide_unit *query, const uint8_t *keys, size_t width, size_t position) {
    size_t row = position % PVIT_KEY_GROUP;
    const uint8_t *group = keys + (position - row) * pvit_kv_row_bytes(PVIT_KV_Q8, width);
    float sum = 0;
    for (size_t block = 0; block < width / 32; block++) {
        int32_t dot = 0;
        for (size_t i = 0; i < 32; i++) dot += (group[key_code(32 * block + i, row)] - 128) * query[block].codes[i];
        float scale = half_at(group + block_scale(width, PVIT_KEY_GROUP, block, row));
        sum = fmaf((float)dot * scale, query[block].scale, sum);
    }
    return sum;
}

// The same with 8-bit values. Their scales are multiplied into the weights, because each position has its own.
static void add_coded_values(const float *weights, const uint8_t *values, size_t width, size_t count, float *result) {
    size_t group_bytes = PVIT_VALUE_GROUP * pvit_kv_row_bytes(PVIT_KV_Q8, width);
    for (size_t first = 0; first < count; first += PVIT_VALUE_GROUP, values += group_bytes)
        for (size_t start = 0; start < width; start += 32) {
            float scaled[PVIT_VALUE_GROUP] = {0};
            for (size_t row = 0; row < PVIT_VALUE_GROUP && first + row < count; row++)
                scaled[row] =
                    weights[first + row] * half_at(values + block_scale(width, PVIT_VALUE_GROUP, start / 32, row));
            wide_unit x = wide(scaled);
            for (size_t i = start; i < start + 32; i++) {
                int32_t dot = 0;
                for (size_t row = 0; row < PVIT_VALUE_GROUP; row++)
                    dot += (values[value_code(width, i, row)] - 128) * x.codes[row];
                result[i] = fmaf((float)dot, x.scale, result[i]);
            }
        }
}

// One scaled query, numbers or for 8-bit keys units of them, over `positions` positions. `scores`: a block of them.
static void attend(const void *query, const uint8_t *keys, const uint8_t *values, pvit_kv_type type, size_t width,
                   size_t positions, float *scores, float *result) {
    float maximum = -INFINITY, partial[16] = {0};
    for (size_t i = 0; i < width; i++) result[i] = 0;
    for (size_t start = 0; start < positions; start += PVIT_ATTENTION_BLOCK) {
        size_t count = positions - start < PVIT_ATTENTION_BLOCK ? positions - start : PVIT_ATTENTION_BLOCK;
        float before = maximum;
        for (size_t p = 0; p < count; p++) {
            scores[p] = type == PVIT_KV_Q8 ? score_codes(query, keys, width, start + p)
                                           : score(query, keys, type, width, start + p);
            maximum = scores[p] > maximum ? scores[p] : maximum;
        }
        float factor = pvit_exp(before - maximum);
        for (size_t i = 0; i < 16; i++) partial[i] *= factor;
        for (size_t i = 0; i < width; i++) result[i] *= factor;
        for (size_t p = 0; p < count; p++) {
            scores[p] = pvit_exp(scores[p] - maximum);
            partial[p % 16] += scores[p];
        }
        const uint8_t *from = values + start * pvit_kv_row_bytes(type, width);
        if (type == PVIT_KV_Q8)
            add_coded_values(scores, from, width, count, result);
        else
            add_values(scores, from, type, width, count, result);
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
            float *scores = scratch + width;
            if (type == PVIT_KV_Q8)
                for (size_t block = 0; block < width / 32; block++) {
                    float scaled[32];
                    for (size_t i = 0; i < 32; i++) scaled[i] = scale * query[place + 32 * block + i];
                    ((wide_unit *)(void *)scratch)[block] = wide(scaled);
                }
            else
                for (size_t i = 0; i < width; i++) scratch[i] = scale * query[place + i];
            attend(scratch, keys, values, type, width, positions + token, scores, result + place);
        }
}
