// The key/value cache and softmax attention. Included by each instruction set's kernels.c after layers.h.
//
// Positions are visited in blocks whose rows stay in the first-level cache while all queries use them. Within a block
// PVIT_ATTENTION_QUERIES queries at a time share the loads of a row.

#define POSITION_BLOCK 64
#define QUERY_BATCH 32
#define SCORE_POSITIONS 4
#define VALUE_SUMS (PVIT_ATTENTION_QUERIES == 1 ? 4 : 16) // queries times pieces of 16 columns, summed in registers

PVIT_TARGET static void store_q8_block(const float *x, int8_t *codes, uint8_t *scale) {
    f32x16 halves[2] = {load_f32(x), load_f32(x + 16)};
    float maximum = largest(larger(magnitude(halves[1]), larger(magnitude(halves[0]), splat(0))));
    uint16_t half = pvit_f32_to_f16(maximum * (1.0f / 127.0f));
    memcpy(scale, &half, sizeof half);
    float inverse = half ? 1.0f / pvit_f16_to_f32(half) : 0;
    for (int i = 0; i < 2; i++) {
        f32x16 value = halves[i] * splat(inverse);
        value = value > splat(-127.0f) ? value : splat(-127.0f);
        value = value < splat(127.0f) ? value : splat(127.0f);
        i8x16 part = round_to_codes(value);
        memcpy(codes + 16 * i, &part, sizeof part);
    }
}

PVIT_TARGET static void kv_store(const float *restrict x, size_t width, pvit_kv_type type, void *restrict row) {
    switch (type) {
    case PVIT_KV_F32: memcpy(row, x, width * sizeof *x); break;
    case PVIT_KV_F16: f32_to_f16(x, row, width); break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32)
            store_q8_block(x + start, (int8_t *)row + start, (uint8_t *)row + width + start / 16);
        break;
    }
}

// Up to 16 numbers of a row from column `i`, then zeros; of a q8 row, its codes.
PVIT_INLINE f32x16 row_part(const uint8_t *row, pvit_kv_type type, size_t i, size_t count) {
    if (type == PVIT_KV_Q8) {
        i8x16 codes;
        memcpy(&codes, row + i, sizeof codes);
        return __builtin_convertvector(codes, f32x16);
    }
    size_t bytes = type == PVIT_KV_F16 ? sizeof(uint16_t) : sizeof(float);
    _Alignas(64) uint8_t buffer[64];
    const uint8_t *from = row + i * bytes;
    if (count < 16) {
        memset(buffer, 0, sizeof buffer);
        memcpy(buffer, from, count * bytes);
        from = buffer;
    }
    return type == PVIT_KV_F16 ? load_f16((const uint16_t *)(const void *)from)
                               : load_f32((const float *)(const void *)from);
}

PVIT_INLINE float row_scale(const uint8_t *row, size_t width, size_t block) {
    uint16_t half;
    memcpy(&half, row + width + block * sizeof half, sizeof half);
    return f16_number(half);
}

// Four sums, each as add_pairwise.
PVIT_INLINE void add_pairwise_four(f32x16 a, f32x16 b, f32x16 c, f32x16 d, float result[4]) {
#define HALVES(x, y, half)                                                                                             \
    __builtin_shufflevector(x, y, half, half + 1, half + 2, half + 3, half + 4, half + 5, half + 6, half + 7,          \
                            16 + half, 17 + half, 18 + half, 19 + half, 20 + half, 21 + half, 22 + half, 23 + half)
#define QUARTERS(x, y, quarter)                                                                                        \
    __builtin_shufflevector(x, y, quarter, quarter + 1, quarter + 2, quarter + 3, quarter + 8, quarter + 9,            \
                            quarter + 10, quarter + 11, quarter + 16, quarter + 17, quarter + 18, quarter + 19,        \
                            quarter + 24, quarter + 25, quarter + 26, quarter + 27)
    f32x16 ab = HALVES(a, b, 0) + HALVES(a, b, 8);
    f32x16 cd = HALVES(c, d, 0) + HALVES(c, d, 8);
    f32x16 all = QUARTERS(ab, cd, 0) + QUARTERS(ab, cd, 4);
    all += __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    all += __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    for (int i = 0; i < 4; i++) result[i] = all[4 * i];
#undef HALVES
#undef QUARTERS
}

// Scores of `queries` queries at `count` <= SCORE_POSITIONS positions.
PVIT_INLINE void score(const float *query, size_t query_stride, const uint8_t *keys, pvit_kv_type type, size_t width,
                       size_t count, float scale, float *scores, size_t score_stride, int queries) {
    const uint8_t *rows[SCORE_POSITIONS];
    PVIT_UNROLL
    for (size_t p = 0; p < SCORE_POSITIONS; p++)
        rows[p] = keys + (p < count ? p : count - 1) * pvit_kv_row_bytes(type, width);
    f32x16 sums[PVIT_ATTENTION_QUERIES][SCORE_POSITIONS];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++)
        PVIT_UNROLL
        for (int p = 0; p < SCORE_POSITIONS; p++) sums[q][p] = splat(0);

    size_t i = 0;
    if (type == PVIT_KV_Q8) {
        for (; i < width; i += 32)
            PVIT_UNROLL
            for (int p = 0; p < SCORE_POSITIONS; p++) {
                f32x16 first = row_part(rows[p], type, i, 16), second = row_part(rows[p], type, i + 16, 16);
                f32x16 row_scales = splat(row_scale(rows[p], width, i / 32));
                PVIT_UNROLL
                for (int q = 0; q < queries; q++) {
                    const float *part = query + (size_t)q * query_stride + i;
                    f32x16 term = first * load_f32(part);
                    term = PVIT_MULTIPLY_ADD(second, load_f32(part + 16), term);
                    sums[q][p] = PVIT_MULTIPLY_ADD(term, row_scales, sums[q][p]);
                }
            }
    } else {
        for (; i + 16 <= width; i += 16)
            PVIT_UNROLL
            for (int p = 0; p < SCORE_POSITIONS; p++) {
                f32x16 key = row_part(rows[p], type, i, 16);
                PVIT_UNROLL
                for (int q = 0; q < queries; q++)
                    sums[q][p] = PVIT_MULTIPLY_ADD(key, load_f32(query + (size_t)q * query_stride + i), sums[q][p]);
            }
        if (i < width)
            PVIT_UNROLL
            for (int p = 0; p < SCORE_POSITIONS; p++) {
                f32x16 key = row_part(rows[p], type, i, width - i);
                PVIT_UNROLL
                for (int q = 0; q < queries; q++)
                    sums[q][p] = PVIT_MULTIPLY_ADD(
                        key, load_f32_part(query + (size_t)q * query_stride + i, width - i), sums[q][p]);
            }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        float dots[SCORE_POSITIONS];
        add_pairwise_four(sums[q][0], sums[q][1], sums[q][2], sums[q][3], dots);
        for (size_t p = 0; p < count; p++) scores[(size_t)q * score_stride + p] = scale * dots[p];
    }
}

// Turns scores into exp(score - maximum); returns 1 / their sum.
PVIT_INLINE float soften(float *scores, size_t positions) {
    f32x16 largest_scores = splat(-INFINITY);
    size_t p = 0;
    for (; p + 16 <= positions; p += 16) largest_scores = larger(load_f32(scores + p), largest_scores);
    float maximum = largest(largest_scores);
    for (; p < positions; p++) maximum = scores[p] > maximum ? scores[p] : maximum;

    f32x16 sum = splat(0);
    for (p = 0; p + 16 <= positions; p += 16) {
        f32x16 weights = exponential(load_f32(scores + p) - splat(maximum));
        store_f32(weights, scores + p);
        sum += weights;
    }
    if (p < positions) {
        f32x16 weights = exponential(load_f32_part(scores + p, positions - p) - splat(maximum));
        float lanes[16] = {0};
        store_f32_part(weights, lanes, positions - p);
        memcpy(scores + p, lanes, (positions - p) * sizeof *lanes);
        sum += load_f32(lanes);
    }
    return 1.0f / add_pairwise(sum);
}

// Adds `count` weighted rows to `pieces` pieces of 16 columns, from column `i`, of `queries` results. The last piece has
// `last` columns.
PVIT_INLINE void add_values(const float *weights, size_t weight_stride, const uint8_t *values, pvit_kv_type type,
                            size_t width, size_t count, size_t i, float *result, size_t result_stride, int queries,
                            int pieces, size_t last) {
    f32x16 sums[PVIT_ATTENTION_QUERIES][8];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++)
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            const float *from = result + (size_t)q * result_stride + i + 16 * (size_t)c;
            sums[q][c] = last == 16 ? load_f32(from) : load_f32_part(from, last);
        }
    for (size_t p = 0; p < count; p++, values += pvit_kv_row_bytes(type, width))
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            f32x16 value = row_part(values, type, i + 16 * (size_t)c, last);
            float value_scale = type == PVIT_KV_Q8 ? row_scale(values, width, i / 32 + (size_t)c / 2) : 1;
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                float weight = weights[(size_t)q * weight_stride + p] * value_scale;
                sums[q][c] = PVIT_MULTIPLY_ADD(value, splat(weight), sums[q][c]);
            }
        }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++)
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            float *to = result + (size_t)q * result_stride + i + 16 * (size_t)c;
            if (last == 16)
                store_f32(sums[q][c], to);
            else
                store_f32_part(sums[q][c], to, last);
        }
}

PVIT_INLINE void score_block(const float *query, size_t query_stride, const uint8_t *keys, pvit_kv_type type,
                             size_t width, size_t count, float scale, float *scores, size_t positions, int queries) {
    for (size_t p = 0; p < count; p += SCORE_POSITIONS)
        score(query, query_stride, keys + p * pvit_kv_row_bytes(type, width), type, width,
              count - p < SCORE_POSITIONS ? count - p : SCORE_POSITIONS, scale, scores + p, positions, queries);
}

// As many columns at a time as VALUE_SUMS allows, then fewer.
PVIT_INLINE void value_block(const float *weights, size_t positions, const uint8_t *values, pvit_kv_type type,
                             size_t width, size_t count, float *result, size_t result_stride, int queries) {
    size_t i = 0;
#define PIECES(pieces)                                                                                                 \
    if ((pieces) * queries <= VALUE_SUMS)                                                                              \
        for (; i + 16 * (pieces) <= width; i += 16 * (pieces))                                                         \
    add_values(weights, positions, values, type, width, count, i, result, result_stride, queries, pieces, 16)
    PIECES(8);
    PIECES(4);
    PIECES(2);
    PIECES(1);
#undef PIECES
    if (i < width)
        add_values(weights, positions, values, type, width, count, i, result, result_stride, queries, 1, width - i);
}

// Visits all queries from `q`, with the number that goes together as a constant.
#define FOR_QUERIES(call)                                                                                              \
    for (size_t q = 0; q < queries;) {                                                                                 \
        if (PVIT_ATTENTION_QUERIES >= 4 && q + 4 <= queries) {                                                         \
            call(4);                                                                                                   \
            q += 4;                                                                                                    \
        } else if (PVIT_ATTENTION_QUERIES >= 2 && q + 2 <= queries) {                                                  \
            call(2);                                                                                                   \
            q += 2;                                                                                                    \
        } else {                                                                                                       \
            call(1);                                                                                                   \
            q += 1;                                                                                                    \
        }                                                                                                              \
    }

PVIT_INLINE void attend_typed(const float *query, size_t queries, size_t query_stride, const uint8_t *keys,
                              const uint8_t *values, pvit_kv_type type, size_t width, size_t positions, float scale,
                              float *scores, float *result, size_t result_stride) {
    size_t row_bytes = pvit_kv_row_bytes(type, width);
    for (size_t p = 0; p < positions; p += POSITION_BLOCK) {
        size_t count = positions - p < POSITION_BLOCK ? positions - p : POSITION_BLOCK;
#define SCORE(n)                                                                                                       \
    score_block(query + q * query_stride, query_stride, keys + p * row_bytes, type, width, count, scale,               \
                scores + q * positions + p, positions, n)
        FOR_QUERIES(SCORE)
#undef SCORE
    }
    for (size_t q = 0; q < queries; q++)
        for (size_t i = 0; i < width; i++) result[q * result_stride + i] = 0;
    if (positions == 0) return;

    float inverses[QUERY_BATCH];
    for (size_t q = 0; q < queries; q++) inverses[q] = soften(scores + q * positions, positions);
    for (size_t p = 0; p < positions; p += POSITION_BLOCK) {
        size_t count = positions - p < POSITION_BLOCK ? positions - p : POSITION_BLOCK;
#define ADD_VALUES(n)                                                                                                  \
    value_block(scores + q * positions + p, positions, values + p * row_bytes, type, width, count,                     \
                result + q * result_stride, result_stride, n)
        FOR_QUERIES(ADD_VALUES)
#undef ADD_VALUES
    }
    for (size_t q = 0; q < queries; q++)
        for (size_t i = 0; i < width; i++) result[q * result_stride + i] *= inverses[q];
}
#undef FOR_QUERIES

PVIT_TARGET static void attend(const float *restrict query, size_t queries, size_t query_stride,
                               const void *restrict keys, const void *restrict values, pvit_kv_type type, size_t width,
                               size_t positions, float scale, float *restrict scores, float *restrict result,
                               size_t result_stride) {
    // Any number of queries in batches, whose reciprocal sums fit the stack.
    for (size_t q = 0; q < queries; q += QUERY_BATCH) {
        size_t count = queries - q < QUERY_BATCH ? queries - q : QUERY_BATCH;
        const float *batch = query + q * query_stride;
        float *output = result + q * result_stride;
        switch (type) {
#define CASE(kind)                                                                                                     \
    case kind:                                                                                                         \
        attend_typed(batch, count, query_stride, keys, values, kind, width, positions, scale, scores, output,          \
                     result_stride);                                                                                   \
        break
            CASE(PVIT_KV_F32);
            CASE(PVIT_KV_F16);
            CASE(PVIT_KV_Q8);
#undef CASE
        }
    }
}
