// The key/value cache and softmax attention. Included by each instruction set's kernels.c after layers.h.
//
// Blocks of positions stay in the first-level cache while all queries of a call visit them. PVIT_ATTENTION_QUERIES queries
// at a time share the loads of keys and values, and PVIT_ATTENTION_GROUPS groups of keys those of a query.

#define BLOCK PVIT_ATTENTION_BLOCK
#define VALUE_PIECES (PVIT_ATTENTION_QUERIES > 2 ? 24 : 8) // queries times pieces of 16 columns, summed in registers

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

PVIT_TARGET static void store_value(const float *restrict x, size_t width, pvit_kv_type type, void *restrict row) {
    switch (type) {
    case PVIT_KV_F32: memcpy(row, x, width * sizeof *x); break;
    case PVIT_KV_F16: f32_to_f16(x, row, width); break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32)
            store_q8_block(x + start, (int8_t *)row + start, (uint8_t *)row + width + start / 16);
        break;
    }
}

PVIT_TARGET static void store_key(const float *restrict x, size_t width, pvit_kv_type type, void *restrict group,
                                  size_t position) {
    switch (type) {
    case PVIT_KV_F32:
        for (size_t i = 0; i < width; i++) ((float *)group)[16 * i + position] = x[i];
        break;
    case PVIT_KV_F16:
        for (size_t start = 0; start < width; start += 64) {
            uint16_t halves[64];
            size_t count = width - start < 64 ? width - start : 64;
            f32_to_f16(x + start, halves, count);
            for (size_t i = 0; i < count; i++) ((uint16_t *)group)[16 * (start + i) + position] = halves[i];
        }
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

PVIT_INLINE f32x16 load_codes(const uint8_t *from) {
    i8x16 codes;
    memcpy(&codes, from, sizeof codes);
    return __builtin_convertvector(__builtin_convertvector(codes, i32x16), f32x16);
}

// Column `i` of the keys of 16 positions: numbers, or codes without their scales.
PVIT_INLINE f32x16 key_column(const uint8_t *group, pvit_kv_type type, size_t i) {
    switch (type) {
    case PVIT_KV_F32: return load_f32((const float *)(const void *)group + 16 * i);
    case PVIT_KV_F16: return load_f16((const uint16_t *)(const void *)group + 16 * i);
    case PVIT_KV_Q8: return load_codes(group + 16 * i);
    }
    return splat(0);
}

// Up to 16 numbers of a row of values from column `i`, then zeros; or codes without their scales.
PVIT_INLINE f32x16 value_part(const uint8_t *row, pvit_kv_type type, size_t i, size_t count) {
    if (type == PVIT_KV_Q8) return load_codes(row + i);
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

// Calls for `count` bytes that are needed soon, where loads bound the speed and the processor does not foresee them: rows of
// codes are short, and their groups lie across pages.
PVIT_INLINE void prefetch(const uint8_t *from, size_t count, pvit_kv_type type, int queries) {
    if (type != PVIT_KV_Q8 || queries == PVIT_ATTENTION_QUERIES) return;
    PVIT_UNROLL
    for (size_t place = 0; place < count; place += 64) __builtin_prefetch(from + place, 0, 3);
}

PVIT_INLINE size_t number_bytes(pvit_kv_type type) { return type == PVIT_KV_Q8 ? 1 : type == PVIT_KV_F16 ? 2 : 4; }

// Scores of `queries` queries, [queries, width], at the positions of `groups` groups of keys: [queries, BLOCK]. Meanwhile as
// many bytes come from `ahead`.
PVIT_INLINE void score(const float *query, const uint8_t *keys, const uint8_t *ahead, pvit_kv_type type, size_t width,
                       float *scores, int queries, int groups) {
    size_t step = 16 * (size_t)groups * number_bytes(type);
    size_t group_bytes = 16 * pvit_kv_row_bytes(type, width);
    f32x16 sums[PVIT_ATTENTION_QUERIES][PVIT_ATTENTION_GROUPS];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++)
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) sums[q][g] = splat(0);
    // Codes are summed over the columns that share a scale, and multiplied by it once.
    size_t block = type == PVIT_KV_Q8 ? 32 : width;
    for (size_t start = 0; start < width; start += block) {
        f32x16 parts[PVIT_ATTENTION_QUERIES][PVIT_ATTENTION_GROUPS];
        PVIT_UNROLL
        for (int q = 0; q < queries; q++)
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) parts[q][g] = splat(0);
        for (size_t i = start; i < start + block; i++) {
            prefetch(ahead + i * step, step, type, queries);
            f32x16 column[PVIT_ATTENTION_GROUPS];
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) column[g] = key_column(keys + (size_t)g * group_bytes, type, i);
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                f32x16 number = splat(query[(size_t)q * width + i]);
                PVIT_UNROLL
                for (int g = 0; g < groups; g++) parts[q][g] = PVIT_MULTIPLY_ADD(column[g], number, parts[q][g]);
            }
        }
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) {
            f32x16 scales = splat(1);
            if (type == PVIT_KV_Q8)
                scales = load_f16((const uint16_t *)(const void *)(keys + (size_t)g * group_bytes + 16 * width + start));
            PVIT_UNROLL
            for (int q = 0; q < queries; q++)
                sums[q][g] = type == PVIT_KV_Q8 ? PVIT_MULTIPLY_ADD(parts[q][g], scales, sums[q][g]) : parts[q][g];
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++)
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) store_f32(sums[q][g], scores + q * BLOCK + 16 * g);
}

PVIT_INLINE void score_block(const float *query, const uint8_t *keys, const uint8_t *ahead, pvit_kv_type type,
                             size_t width, size_t count, float *scores, int queries) {
    size_t row_bytes = pvit_kv_row_bytes(type, width), p = 0;
#define SCORE(groups)                                                                                                  \
    score(query, keys + p * row_bytes, ahead + p * row_bytes, type, width, scores + p, queries, groups)
    for (; p + 16 * (PVIT_ATTENTION_GROUPS - 1) < count; p += 16 * PVIT_ATTENTION_GROUPS) SCORE(PVIT_ATTENTION_GROUPS);
    for (; p < count; p += 16) SCORE(1);
#undef SCORE
}

// The softmax of one query so far.
typedef struct {
    f32x16 partial; // sums of exp(score - maximum)
    float maximum;
} softmax_state;

// Turns the scores of a block into exp(score - maximum), with zeros after the first `count`, and brings `state` and what
// was summed of the result to the new maximum.
PVIT_INLINE void soften(float *scores, size_t count, softmax_state *state, float *result, size_t width) {
    for (size_t p = count; p < BLOCK; p++) scores[p] = -INFINITY;
    size_t used = (count + 15) / 16 * 16;
    f32x16 largest_scores = splat(state->maximum);
    for (size_t p = 0; p < used; p += 16) largest_scores = larger(load_f32(scores + p), largest_scores);
    float maximum = largest(largest_scores);
    if (maximum != state->maximum) {
        f32x16 factor = exponential(splat(state->maximum - maximum));
        state->partial *= factor;
        size_t i = 0;
        for (; i + 16 <= width; i += 16) store_f32(load_f32(result + i) * factor, result + i);
        for (; i < width; i++) result[i] *= factor[0];
        state->maximum = maximum;
    }
    size_t p = 0;
    for (; p < used; p += 16) {
        f32x16 weights = exponential(load_f32(scores + p) - splat(maximum));
        store_f32(weights, scores + p);
        state->partial += weights;
    }
    for (; p < BLOCK; p += 16) store_f32(splat(0), scores + p);
}

// Blocks of 32 columns of 8-bit values whose scales weights are multiplied by at a time.
#define SCALES 4

// The weights of `count` rows times the scales of up to SCALES blocks of 32 columns, from column `i`:
// `scaled` [queries, BLOCK, SCALES].
PVIT_INLINE void scale_weights(const float *weights, const uint8_t *values, size_t width, size_t count, size_t i,
                               float *scaled, int queries) {
    size_t row_bytes = pvit_kv_row_bytes(PVIT_KV_Q8, width), blocks = (width - i) / 32;
    size_t bytes = sizeof(uint16_t) * (blocks < SCALES ? blocks : SCALES);
    for (size_t p = 0; p < count; p += 4) {
        uint16_t halves[4 * SCALES] = {0};
        for (size_t j = 0; j < 4 && p + j < count; j++) {
            const uint8_t *from = values + (p + j) * row_bytes + width + i / 32 * sizeof(uint16_t);
            if (bytes == sizeof(uint16_t) * SCALES)
                memcpy(halves + SCALES * j, from, sizeof(uint16_t) * SCALES);
            else
                memcpy(halves + SCALES * j, from, bytes);
        }
        f32x16 scales = load_f16(halves);
        PVIT_UNROLL
        for (int q = 0; q < queries; q++) {
            f32x4 four;
            memcpy(&four, weights + (size_t)q * BLOCK + p, sizeof four);
            f32x16 each = __builtin_shufflevector(four, four, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
            store_f32(scales * each, scaled + ((size_t)q * BLOCK + p) * SCALES);
        }
    }
}

// Adds `count` weighted rows to `pieces` pieces of 16 columns, from column `i`, of `queries` results. The last piece has
// `last` columns. Weights of codes are those of `scale_weights` from the block of column `i` on. Meanwhile as many bytes come
// from `ahead`.
PVIT_INLINE void add_values(const float *weights, const uint8_t *values, const uint8_t *ahead, pvit_kv_type type,
                            size_t width, size_t count, size_t i, float *const *results, int queries, int pieces,
                            size_t last) {
    size_t step = 16 * (size_t)pieces * number_bytes(type);
    ahead += BLOCK * i * number_bytes(type);
    f32x16 sums[PVIT_ATTENTION_QUERIES][8];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++)
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            const float *from = results[q] + i + 16 * (size_t)c;
            sums[q][c] = last == 16 ? load_f32(from) : load_f32_part(from, last);
        }
    for (size_t p = 0; p < count; p++, values += pvit_kv_row_bytes(type, width)) {
        prefetch(ahead + p * step, step, type, queries);
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            f32x16 value = value_part(values, type, i + 16 * (size_t)c, last);
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                size_t place = (size_t)q * BLOCK + p;
                float weight = weights[type == PVIT_KV_Q8 ? place * SCALES + (size_t)c / 2 : place];
                sums[q][c] = PVIT_MULTIPLY_ADD(value, splat(weight), sums[q][c]);
            }
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++)
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            float *to = results[q] + i + 16 * (size_t)c;
            if (last == 16)
                store_f32(sums[q][c], to);
            else
                store_f32_part(sums[q][c], to, last);
        }
}

// Columns `i` to `end`: as many at a time as VALUE_PIECES allows, then fewer.
PVIT_INLINE void add_columns(const float *weights, const uint8_t *values, const uint8_t *ahead, pvit_kv_type type,
                             size_t width, size_t count, size_t i, size_t end, float *const *results, int queries) {
    size_t start = i;
#define PIECES(pieces)                                                                                                 \
    if ((pieces) * queries <= VALUE_PIECES)                                                                            \
        for (; i + 16 * (pieces) <= end; i += 16 * (pieces))                                                           \
    add_values(type == PVIT_KV_Q8 ? weights + (i - start) / 32 : weights, values, ahead, type, width, count, i,        \
               results, queries, pieces, 16)
    PIECES(8);
    PIECES(4);
    PIECES(2);
    PIECES(1);
#undef PIECES
    if (i < end) add_values(weights, values, ahead, type, width, count, i, results, queries, 1, end - i);
}

PVIT_INLINE void value_block(const float *weights, const uint8_t *values, const uint8_t *ahead, pvit_kv_type type,
                             size_t width, size_t count, float *const *results, int queries) {
    if (type != PVIT_KV_Q8) return add_columns(weights, values, ahead, type, width, count, 0, width, results, queries);
    float scaled[PVIT_ATTENTION_QUERIES * BLOCK * SCALES];
    for (size_t start = 0; start < width; start += 32 * SCALES) {
        size_t end = width - start < 32 * SCALES ? width : start + 32 * SCALES;
        scale_weights(weights, values, width, count, start, scaled, queries);
        add_columns(scaled, values, ahead, type, width, count, start, end, results, queries);
    }
}

// Up to PVIT_ATTENTION_QUERIES queries: `query` [queries, width], scaled; `results`, `limits` (the positions that each
// sees, ascending) and `states` of each.
PVIT_INLINE void attend_tile(const float *query, const uint8_t *keys, const uint8_t *values, pvit_kv_type type,
                             size_t width, size_t start, float *scores, float *const *results, const size_t *limits,
                             softmax_state *states, int queries, int is_first) {
    size_t seen = limits[queries - 1];
    if (seen <= start) return;
    size_t count = seen - start < BLOCK ? seen - start : BLOCK, row_bytes = pvit_kv_row_bytes(type, width);
    // The first queries that visit a block fetch its values while they read its keys, and the next block's keys after that.
    keys += start * row_bytes;
    values += start * row_bytes;
    score_block(query, keys, is_first ? values : keys, type, width, count, scores, queries);
    for (int q = 0; q < queries; q++) {
        size_t visible = limits[q] <= start ? 0 : limits[q] - start < BLOCK ? limits[q] - start : BLOCK;
        soften(scores + q * BLOCK, visible, &states[q], results[q], width);
    }
    value_block(scores, values, is_first ? keys + BLOCK * row_bytes : values, type, width, count, results, queries);
}

#define QUERY_BATCH 48

// `queries` <= QUERY_BATCH of consecutive tokens, the first of them `query` number `first` of all.
PVIT_INLINE void attend_batch(const float *query, size_t first, size_t queries, size_t heads, size_t stride,
                              const uint8_t *keys, const uint8_t *values, pvit_kv_type type, size_t width,
                              size_t positions, float scale, float *scratch, float *result) {
    float *scaled = scratch, *scores = scratch + queries * width;
    float *results[QUERY_BATCH];
    size_t limits[QUERY_BATCH];
    softmax_state states[QUERY_BATCH];
    for (size_t q = 0; q < queries; q++) {
        size_t token = (first + q) / heads, place = token * stride + (first + q) % heads * width;
        results[q] = result + place;
        limits[q] = positions + token;
        states[q] = (softmax_state){splat(0), -INFINITY};
        for (size_t i = 0; i < width; i++) {
            scaled[q * width + i] = scale * query[place + i];
            results[q][i] = 0;
        }
    }
    for (size_t start = 0; start < limits[queries - 1]; start += BLOCK)
        for (size_t q = 0; q < queries;) {
#define TILE(count)                                                                                                    \
    if (PVIT_ATTENTION_QUERIES >= (count) && q + (count) <= queries) {                                                 \
        attend_tile(scaled + q * width, keys, values, type, width, start, scores, results + q, limits + q, states + q, \
                    count, q == 0);                                                                                            \
        q += (count);                                                                                                  \
        continue;                                                                                                      \
    }
            TILE(6)
            TILE(4)
            TILE(3)
            TILE(2)
            TILE(1)
#undef TILE
        }
    for (size_t q = 0; q < queries; q++) {
        float inverse = 1.0f / add_pairwise(states[q].partial);
        for (size_t i = 0; i < width; i++) results[q][i] *= inverse;
    }
}

PVIT_TARGET static void attend(const float *restrict query, size_t tokens, size_t heads, size_t stride,
                               const void *restrict keys, const void *restrict values, pvit_kv_type type, size_t width,
                               size_t positions, float scale, float *restrict scratch, float *restrict result) {
    for (size_t first = 0; first < tokens * heads; first += QUERY_BATCH) {
        size_t count = tokens * heads - first < QUERY_BATCH ? tokens * heads - first : QUERY_BATCH;
        switch (type) {
#define CASE(kind)                                                                                                     \
    case kind:                                                                                                         \
        attend_batch(query, first, count, heads, stride, keys, values, kind, width, positions, scale, scratch,         \
                     result);                                                                                          \
        break
            CASE(PVIT_KV_F32);
            CASE(PVIT_KV_F16);
            CASE(PVIT_KV_Q8);
#undef CASE
        }
    }
}
#undef SCALES
#undef BLOCK
