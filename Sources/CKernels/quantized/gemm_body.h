// Products with many tokens, for any type of weights. A chunk of columns of TILE_GROUPS groups is unpacked and stays in
// the first-level cache while all tokens of a block are multiplied by it, a tile of a few tokens at a time. The sums of
// these groups and a tile fit the registers. Between chunks, sums are kept on the stack.
//
// Packed activations are [chunks of columns][tokens][units of the chunk] token_unit: what is read together lies
// together. Many groups are multiplied by them, so that packing, and what it prepares, costs little.
//
// Included by the gemm files of an instruction set after product_of_q4.h or product_of_q8.h. They define before:
// CHUNK_UNITS, TILE_GROUPS (1 or 2) and TILE_TOKENS; `unit`, 32 columns of 16 rows unpacked; `unpack_unit`;
// `token_unit`, 32 activations of one token; `pack_unit`; and `multiply_tile`.

#define TOKEN_BLOCK 128
// The number of tiles of groups whose sums are kept together.
#define GROUP_TILES (8 / TILE_GROUPS)

typedef float group_sums[TILE_GROUPS][16]; // [groups][rows]

// Prefetches the weights that will be unpacked next: `bytes` from each group of a tile.
typedef struct {
    const uint8_t *first;
    size_t group_bytes, bytes;
} upcoming;

// The units of the chunk that begins with `unit`.
PVIT_INLINE size_t units_of_chunk(size_t columns, size_t unit) {
    return columns / 32 - unit < CHUNK_UNITS ? columns / 32 - unit : CHUNK_UNITS;
}

// Unpacks `count` units from column `start` of a group.
PVIT_INLINE void unpack(const uint8_t *group, size_t columns, size_t start, size_t count, unit (*units)[TILE_GROUPS],
                        size_t g) {
    for (size_t u = 0; u < count; u++) {
        pvit_unit where = UNIT_OFFSETS(columns, start + u * 32);
        unpack_unit(group + where.scales, group + where.codes, &units[u][g]);
    }
}

PVIT_INLINE void prefetch(upcoming next, size_t from, size_t to) {
    for (size_t line = from / 64 * 64; line < to; line += 64) {
        for (size_t g = 0; g < TILE_GROUPS; g++)
            __builtin_prefetch((const char *)next.first + g * next.group_bytes + line, 0, 2);
    }
}

// Adds the products of `count` units of `groups` groups with all tokens, the first of them `x`, to `sums`. Tiles are as
// even as they can be.
PVIT_INLINE void multiply_chunk(const unit units[][TILE_GROUPS], size_t count, const token_unit *x, size_t tokens,
                                group_sums *sums, upcoming next, int groups) {
    size_t tiles = (tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    for (size_t i = 0, token = 0, end; i < tiles; i++, token = end) {
        end = (i + 1) * tokens / tiles;
        prefetch(next, i * next.bytes / tiles, (i + 1) * next.bytes / tiles);
        switch (end - token) {
#define TILE(size)                                                                                                     \
    case size:                                                                                                         \
        if (size <= TILE_TOKENS) multiply_tile(units, count, x + token * count, sums + token, size, groups);           \
        break
            TILE(1);
            TILE(2);
            TILE(3);
            TILE(4);
            TILE(5);
            TILE(6);
#undef TILE
        }
    }
}

// At most TOKEN_BLOCK tokens, from `token` on of the `packed_tokens`, and GROUP_TILES tiles of groups.
PVIT_INLINE void multiply_block(const uint8_t *w, size_t groups, size_t columns, float tile_scale,
                                const token_unit *packed, size_t packed_tokens, size_t token, size_t tokens, float *y,
                                size_t stride) {
    size_t group_bytes = columns / 32 * UNIT_BYTES;
    _Alignas(64) unit units[CHUNK_UNITS][TILE_GROUPS];
    _Alignas(64) group_sums sums[GROUP_TILES][TOKEN_BLOCK];
    for (size_t tile = 0; tile * TILE_GROUPS < groups; tile++) memset(sums[tile], 0, tokens * sizeof *sums[tile]);

    for (size_t start = 0; start < columns; start += CHUNK_UNITS * 32) {
        size_t count = units_of_chunk(columns, start / 32);
        const token_unit *x = packed + start / 32 * packed_tokens + token * count;
        for (size_t group = 0; group < groups; group += TILE_GROUPS) {
            const uint8_t *first = w + group * group_bytes;
            int last = group + TILE_GROUPS >= groups;
            upcoming next = {(last ? w + count * UNIT_BYTES : first + TILE_GROUPS * group_bytes) +
                                 start / 32 * UNIT_BYTES,
                             group_bytes, count * UNIT_BYTES};
            group_sums *tile_sums = sums[group / TILE_GROUPS];
            unpack(first, columns, start, count, units, 0);
            if (TILE_GROUPS == 1 || group + 1 == groups) {
                multiply_chunk(units, count, x, tokens, tile_sums, next, 1);
            } else {
                unpack(first + group_bytes, columns, start, count, units, TILE_GROUPS - 1);
                multiply_chunk(units, count, x, tokens, tile_sums, next, TILE_GROUPS);
            }
        }
    }

    for (size_t t = 0; t < tokens; t++)
        for (size_t group = 0; group < groups; group++) {
            f32x16 sum = load_f32(sums[group / TILE_GROUPS][t][group % TILE_GROUPS]);
            store_f32(sum * splat(tile_scale), y + t * stride + group * 16);
        }
}

PVIT_TARGET void GEMM(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                      const void *restrict packed, size_t tokens, float *restrict y, size_t stride) {
    size_t group_bytes = columns / 32 * UNIT_BYTES;
    for (size_t token = 0; token < tokens; token += TOKEN_BLOCK) {
        size_t token_count = tokens - token < TOKEN_BLOCK ? tokens - token : TOKEN_BLOCK;
        for (size_t group = 0; group < groups; group += GROUP_TILES * TILE_GROUPS) {
            size_t group_count =
                groups - group < GROUP_TILES * TILE_GROUPS ? groups - group : GROUP_TILES * TILE_GROUPS;
            multiply_block(w + group * group_bytes, group_count, columns, tile_scale, packed, tokens, token,
                           token_count, y + token * stride + group * 16, stride);
        }
    }
}

PVIT_TARGET size_t PACKED_BYTES(size_t columns) { return columns / 32 * sizeof(token_unit); }

PVIT_TARGET void PACK(ACTIVATIONS x, size_t start, size_t count, size_t columns, size_t token, size_t tokens,
                      void *packed) {
    for (size_t i = 0; i < count / 32; i++) {
        size_t u = start / 32 + i, first = u / CHUNK_UNITS * CHUNK_UNITS;
        token_unit *own = (token_unit *)packed + first * tokens + token * units_of_chunk(columns, first);
        pack_unit(x, i, &own[u - first]);
    }
}
