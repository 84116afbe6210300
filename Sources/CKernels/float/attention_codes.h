// Attention over keys and values of 8 bits, in dot products of bytes. Included by attention.h.
//
// `wide_unit` of the instruction set is 32 numbers as 16-bit codes under a scale: columns of a query, or weights of
// positions. Its `multiply_unit` gives the dot products of 16 rows of 8-bit codes.

_Static_assert(sizeof(wide_unit) <= 32 * sizeof(float), "units of a query take the scratch memory of its numbers");

PVIT_INLINE void quantize_unit(f32x16 first, f32x16 second, wide_unit *unit) {
    int32_t sum;
    i16x32 codes = quantize_wide(first, second, largest_magnitude(first, second), pvit_all_codes, &unit->scale, &sum);
    set_unit(codes, sum, unit);
}

// Scores of `queries` queries, [queries, width / 32], at `count` positions of a block: [queries, BLOCK]. Meanwhile the
// same bytes of the block `ahead` are prefetched.
PVIT_INLINE void score_codes(const wide_unit *query, const uint8_t *keys, const uint8_t *ahead, size_t width,
                             size_t count, float *scores, int queries) {
    size_t group_bytes = PVIT_KEY_GROUP * pvit_kv_row_bytes(PVIT_KV_Q8, width), units = width / 32;
    for (size_t p = 0; p < count; p += PVIT_KEY_GROUP, keys += group_bytes) {
        prefetch(ahead, p / PVIT_KEY_GROUP * group_bytes, group_bytes);
        const uint16_t *scales = (const uint16_t *)(const void *)(keys + PVIT_KEY_GROUP * width);
        f32x16 sums[PVIT_ATTENTION_QUERIES];
        PVIT_UNROLL
        for (int q = 0; q < queries; q++) sums[q] = splat(0);
        for (size_t unit = 0; unit < units; unit++) {
            i32x16 dots[PVIT_ATTENTION_QUERIES];
            multiply_unit(keys + unit * 32 * PVIT_KEY_GROUP, 4 * PVIT_KEY_GROUP, query + unit, units, dots, queries);
            f32x16 scale = load_f16(scales + unit * PVIT_KEY_GROUP);
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                f32x16 term = __builtin_convertvector(dots[q], f32x16) * scale;
                sums[q] = PVIT_MULTIPLY_ADD(term, splat(query[(size_t)q * units + unit].scale), sums[q]);
            }
        }
        PVIT_UNROLL
        for (int q = 0; q < queries; q++) store_f32(sums[q], scores + (size_t)q * BLOCK + p);
    }
}

// The scales of positions that have a weight. Positions that are not filled yet are ignored.
PVIT_INLINE f32x16 weighted(f32x16 weights, f32x16 scales) { return weights == splat(0) ? splat(0) : weights * scales; }

// Adds `count` weighted values to `queries` results. The scales of values change from one position to the next, so they
// are multiplied into the weights, for each 32 columns. Prefetches as many bytes of the block `ahead`.
PVIT_INLINE void add_coded_values(const float *weights, const uint8_t *values, const uint8_t *ahead, size_t width,
                                  size_t count, float *const *results, int queries) {
    size_t group_bytes = PVIT_VALUE_GROUP * pvit_kv_row_bytes(PVIT_KV_Q8, width), share = group_bytes / (width / 32);
    for (size_t p = 0; p < count; p += PVIT_VALUE_GROUP, values += group_bytes)
        for (size_t i = 0; i < width; i += 32) {
            prefetch(ahead, p / PVIT_VALUE_GROUP * group_bytes + i / 32 * share, share);
            const uint16_t *scales = (const uint16_t *)(const void *)(values + PVIT_VALUE_GROUP * (width + i / 16));
            f32x16 first = load_f16(scales), second = load_f16(scales + 16);
            wide_unit units[PVIT_ATTENTION_QUERIES];
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                const float *weight = weights + (size_t)q * BLOCK + p;
                quantize_unit(weighted(load_f32(weight), first), weighted(load_f32(weight + 16), second), &units[q]);
            }
            PVIT_UNROLL
            for (int half = 0; half < 2; half++) {
                size_t column = i + 16 * (size_t)half;
                i32x16 dots[PVIT_ATTENTION_QUERIES];
                multiply_unit(values + 4 * column, 4 * width, units, 1, dots, queries);
                PVIT_UNROLL
                for (int q = 0; q < queries; q++) {
                    float *result = results[q] + column;
                    f32x16 term = __builtin_convertvector(dots[q], f32x16);
                    store_f32(PVIT_MULTIPLY_ADD(term, splat(units[q].scale), load_f32(result)), result);
                }
            }
        }
}
