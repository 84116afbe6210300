// Softmax attention. Included by each instruction set's file in common/ after layers.h.
//
// Blocks of positions stay in the first-level cache while all queries of a call read them. PVIT_ATTENTION_QUERIES
// queries share the loads of keys and values, and PVIT_ATTENTION_GROUPS groups of keys share those of a query.

#define BLOCK PVIT_ATTENTION_BLOCK

// Prefetches `count` bytes from `offset` of `ahead` into the second-level cache, unless `ahead` is NULL. The processor
// does not predict them, because keys and values of a block alternate and cross pages. The first-level cache has too
// few entries for so many requests.
PVIT_INLINE void prefetch(const uint8_t *ahead, size_t offset, size_t count) {
    if (ahead == NULL) return;
    for (size_t place = offset; place < offset + count; place += 64) __builtin_prefetch(ahead + place, 0, 2);
}

#include "float/attention_codes.h"

#define VALUE_PIECES (PVIT_ATTENTION_QUERIES > 2 ? 24 : 8) // queries times pieces of 16 columns, summed in registers

// Column `i` of the keys of 16 positions.
PVIT_INLINE f32x16 key_column(const uint8_t *group, pvit_kv_type type, size_t i) {
    return type == PVIT_KV_F16 ? load_f16((const uint16_t *)(const void *)group + 16 * i)
                               : load_f32((const float *)(const void *)group + 16 * i);
}

// Up to 16 numbers of a row of values from column `i`, then zeros.
PVIT_INLINE f32x16 value_part(const uint8_t *row, pvit_kv_type type, size_t i, size_t count) {
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

PVIT_INLINE size_t number_bytes(pvit_kv_type type) { return type == PVIT_KV_F16 ? 2 : 4; }

// Scores of `queries` queries, [queries, width], at the positions of `groups` groups of keys, from position `p` of a
// block: [queries, BLOCK]. Prefetches the same bytes of the block `ahead`.
PVIT_INLINE void score(const float *query, const uint8_t *keys, const uint8_t *ahead, pvit_kv_type type, size_t width,
                       size_t p, float *scores, int queries, int groups) {
    size_t group_bytes = 16 * pvit_kv_row_bytes(type, width), step = 16 * (size_t)groups * number_bytes(type);
    size_t start = p * pvit_kv_row_bytes(type, width);
    keys += start;
    scores += p;
    f32x16 sums[PVIT_ATTENTION_QUERIES][PVIT_ATTENTION_GROUPS];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) sums[q][g] = splat(0);
    }
    for (size_t i = 0; i < width; i++) {
        prefetch(ahead, start + i * step, step);
        f32x16 column[PVIT_ATTENTION_GROUPS];
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) column[g] = key_column(keys + (size_t)g * group_bytes, type, i);
        PVIT_UNROLL
        for (int q = 0; q < queries; q++) {
            f32x16 number = splat(query[(size_t)q * width + i]);
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) sums[q][g] = PVIT_MULTIPLY_ADD(column[g], number, sums[q][g]);
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) store_f32(sums[q][g], scores + q * BLOCK + 16 * g);
    }
}

PVIT_INLINE void score_block(const float *query, const uint8_t *keys, const uint8_t *ahead, pvit_kv_type type,
                             size_t width, size_t count, float *scores, int queries) {
    size_t p = 0;
    for (; p + 16 * (PVIT_ATTENTION_GROUPS - 1) < count; p += 16 * PVIT_ATTENTION_GROUPS)
        score(query, keys, ahead, type, width, p, scores, queries, PVIT_ATTENTION_GROUPS);
    for (; p < count; p += 16) score(query, keys, ahead, type, width, p, scores, queries, 1);
}

// The softmax of one query so far.
typedef struct {
    f32x16 partial; // sums of exp(score - maximum)
    float maximum;
} softmax_state;

// Replaces the scores of a block by exp(score - maximum), with zeros after the first `count`, and rescales `state` and
// the result so far to the new maximum.
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

// Adds `count` weighted rows to `pieces` pieces of 16 columns, from column `i`, of `queries` results. The last piece
// has `last` columns. Prefetches as many bytes of the block `ahead`.
PVIT_INLINE void add_values(const float *weights, const uint8_t *values, const uint8_t *ahead, pvit_kv_type type,
                            size_t width, size_t count, size_t i, float *const *results, int queries, int pieces,
                            size_t last) {
    size_t step = 16 * (size_t)pieces * number_bytes(type), start = BLOCK * i * number_bytes(type);
    f32x16 sums[PVIT_ATTENTION_QUERIES][8];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            const float *from = results[q] + i + 16 * (size_t)c;
            sums[q][c] = last == 16 ? load_f32(from) : load_f32_part(from, last);
        }
    }
    for (size_t p = 0; p < count; p++, values += pvit_kv_row_bytes(type, width)) {
        prefetch(ahead, start + p * step, step);
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            f32x16 value = value_part(values, type, i + 16 * (size_t)c, last);
            PVIT_UNROLL
            for (int q = 0; q < queries; q++)
                sums[q][c] = PVIT_MULTIPLY_ADD(value, splat(weights[(size_t)q * BLOCK + p]), sums[q][c]);
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        PVIT_UNROLL
        for (int c = 0; c < pieces; c++) {
            float *to = results[q] + i + 16 * (size_t)c;
            if (last == 16)
                store_f32(sums[q][c], to);
            else
                store_f32_part(sums[q][c], to, last);
        }
    }
}

// As many columns at a time as VALUE_PIECES allows, then fewer.
PVIT_INLINE void value_block(const float *weights, const uint8_t *values, const uint8_t *ahead, pvit_kv_type type,
                             size_t width, size_t count, float *const *results, int queries) {
    size_t i = 0;
#define PIECES(pieces)                                                                                                 \
    if ((pieces)*queries <= VALUE_PIECES)                                                                              \
        for (; i + 16 * (pieces) <= width; i += 16 * (pieces))                                                         \
    add_values(weights, values, ahead, type, width, count, i, results, queries, pieces, 16)
    PIECES(8);
    PIECES(4);
    PIECES(2);
    PIECES(1);
#undef PIECES
    if (i < width) add_values(weights, values, ahead, type, width, count, i, results, queries, 1, width - i);
}

// Up to PVIT_ATTENTION_QUERIES queries: `query` is the first of them, scaled, [width] numbers or for q8 [width / 32]
// units; `results`, `limits` (the number of positions that each attends to, ascending) and `states` of each.
PVIT_INLINE void attend_tile(const void *query, const uint8_t *keys, const uint8_t *values, pvit_kv_type type,
                             size_t width, size_t start, float *scores, float *const *results, const size_t *limits,
                             softmax_state *states, int queries, int is_first) {
    size_t seen = limits[queries - 1];
    if (seen <= start) return;
    size_t count = seen - start < BLOCK ? seen - start : BLOCK, block_bytes = BLOCK * pvit_kv_row_bytes(type, width);
    keys += start / BLOCK * block_bytes;
    values += start / BLOCK * block_bytes;
    // The first queries to read a block prefetch its values while they read its keys, and then the next block's keys.
    const uint8_t *after_keys = is_first ? values : NULL, *after_values = is_first ? keys + block_bytes : NULL;
    if (type == PVIT_KV_Q8)
        score_codes(query, keys, after_keys, width, count, scores, queries);
    else
        score_block(query, keys, after_keys, type, width, count, scores, queries);
    for (int q = 0; q < queries; q++) {
        size_t visible = limits[q] <= start ? 0 : limits[q] - start < BLOCK ? limits[q] - start : BLOCK;
        soften(scores + q * BLOCK, visible, &states[q], results[q], width);
    }
    if (type == PVIT_KV_Q8)
        add_coded_values(scores, values, after_values, width, count, results, queries);
    else
        value_block(scores, values, after_values, type, width, count, results, queries);
}

#define QUERY_BATCH 48

// `queries` <= QUERY_BATCH of consecutive tokens, the first of them `query` number `first` of all.
PVIT_INLINE void attend_batch(const float *query, size_t first, size_t queries, size_t heads, size_t stride,
                              const uint8_t *keys, const uint8_t *values, pvit_kv_type type, size_t width,
                              size_t positions, float scale, float *scratch, float *result) {
    size_t query_bytes = type == PVIT_KV_Q8 ? width / 32 * sizeof(wide_unit) : width * sizeof *scratch;
    uint8_t *scaled = (uint8_t *)scratch;
    float *scores = scratch + queries * width;
    float *results[QUERY_BATCH];
    size_t limits[QUERY_BATCH];
    softmax_state states[QUERY_BATCH];
    for (size_t q = 0; q < queries; q++) {
        size_t token = (first + q) / heads, place = token * stride + (first + q) % heads * width;
        results[q] = result + place;
        limits[q] = positions + token;
        states[q] = (softmax_state){splat(0), -INFINITY};
        void *to = scaled + q * query_bytes;
        if (type == PVIT_KV_Q8)
            for (size_t i = 0; i < width; i += 32)
                quantize_unit(load_f32(query + place + i) * splat(scale),
                              load_f32(query + place + i + 16) * splat(scale), (wide_unit *)to + i / 32);
        else
            for (size_t i = 0; i < width; i++) ((float *)to)[i] = scale * query[place + i];
        memset(results[q], 0, width * sizeof *results[q]);
    }
    for (size_t start = 0; start < limits[queries - 1]; start += BLOCK)
        for (size_t q = 0; q < queries;) {
#define TILE(count)                                                                                                    \
    if (PVIT_ATTENTION_QUERIES >= (count) && q + (count) <= queries) {                                                 \
        attend_tile(scaled + q * query_bytes, keys, values, type, width, start, scores, results + q, limits + q,       \
                    states + q, count, q == 0);                                                                        \
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
#undef BLOCK
