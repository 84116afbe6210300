// Products with many tokens, for any type of weights. A chunk of columns of TILE_GROUPS groups is unpacked and stays in
// the first-level cache while all tokens of a block are multiplied by it, a tile of a few tokens at a time. The sums of
// these groups and a tile fit the registers. Between chunks, sums are kept on the stack.
//
// The activations of a chunk are copied together, because rows of a power of two would compete for the same cache
// lines.
//
// Included by the gemm files of an instruction set, which define before: UNIT_BYTES of 32 columns of a group,
// UNIT_OFFSETS, which tells where they are, ACTIVATIONS and ACTIVATIONS_FROM; CHUNK_UNITS, TILE_GROUPS (1 or 2) and
// TILE_TOKENS; `unit`, 32 columns of 16 rows unpacked; `unpack_unit`; `token_chunk`, the activations of one token in a
// chunk; `copy_token`; and `multiply_tile`.

#define TOKEN_BLOCK 128
// The number of tiles of groups whose sums are kept together.
#define GROUP_TILES (8 / TILE_GROUPS)

// One chunk of columns of a tile of groups, and of a block of tokens.
typedef struct {
    _Alignas(64) unit units[CHUNK_UNITS][TILE_GROUPS];
    _Alignas(64) token_chunk tokens[TOKEN_BLOCK];
} chunk;

typedef float group_sums[TILE_GROUPS][16]; // [groups][rows]

// Prefetches the weights that will be unpacked next: `bytes` from each group of a tile.
typedef struct {
    const uint8_t *first;
    size_t group_bytes, bytes;
} upcoming;

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

// Adds the products of `count` units of `groups` groups with all tokens to `sums`. Tiles are as even as they can be.
PVIT_INLINE void multiply_chunk(const chunk *c, size_t count, size_t tokens, group_sums *sums, upcoming next,
                                int groups) {
    size_t tiles = (tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    for (size_t i = 0, token = 0, end; i < tiles; i++, token = end) {
        end = (i + 1) * tokens / tiles;
        prefetch(next, i * next.bytes / tiles, (i + 1) * next.bytes / tiles);
        switch (end - token) {
#define TILE(size)                                                                                                     \
    case size:                                                                                                         \
        if (size <= TILE_TOKENS) multiply_tile(c->units, count, c->tokens + token, sums + token, size, groups);        \
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

// At most TOKEN_BLOCK tokens and GROUP_TILES tiles of groups.
PVIT_INLINE void multiply_block(const uint8_t *w, size_t groups, size_t columns, float tile_scale, ACTIVATIONS x,
                                size_t tokens, float *y, size_t stride) {
    size_t group_bytes = columns / 32 * UNIT_BYTES;
    chunk c;
    _Alignas(64) group_sums sums[GROUP_TILES][TOKEN_BLOCK];
    for (size_t tile = 0; tile * TILE_GROUPS < groups; tile++) memset(sums[tile], 0, tokens * sizeof *sums[tile]);

    for (size_t start = 0; start < columns; start += CHUNK_UNITS * 32) {
        size_t count = columns - start < CHUNK_UNITS * 32 ? (columns - start) / 32 : CHUNK_UNITS;
        for (size_t t = 0; t < tokens; t++) copy_token(ACTIVATIONS_FROM(x, columns, t), start, count, &c.tokens[t]);
        for (size_t group = 0; group < groups; group += TILE_GROUPS) {
            const uint8_t *first = w + group * group_bytes;
            int last = group + TILE_GROUPS >= groups;
            upcoming next = {(last ? w + count * UNIT_BYTES : first + TILE_GROUPS * group_bytes) +
                                 start / 32 * UNIT_BYTES,
                             group_bytes, count * UNIT_BYTES};
            group_sums *tile_sums = sums[group / TILE_GROUPS];
            unpack(first, columns, start, count, c.units, 0);
            if (TILE_GROUPS == 1 || group + 1 == groups) {
                multiply_chunk(&c, count, tokens, tile_sums, next, 1);
            } else {
                unpack(first + group_bytes, columns, start, count, c.units, TILE_GROUPS - 1);
                multiply_chunk(&c, count, tokens, tile_sums, next, TILE_GROUPS);
            }
        }
    }

    for (size_t t = 0; t < tokens; t++)
        for (size_t group = 0; group < groups; group++) {
            f32x16 sum = load_f32(sums[group / TILE_GROUPS][t][group % TILE_GROUPS]);
            store_f32(sum * splat(tile_scale), y + t * stride + group * 16);
        }
}

PVIT_INLINE void multiply(const uint8_t *w, size_t groups, size_t columns, float tile_scale, ACTIVATIONS x,
                          size_t tokens, float *y, size_t stride) {
    size_t group_bytes = columns / 32 * UNIT_BYTES;
    for (size_t token = 0; token < tokens; token += TOKEN_BLOCK) {
        size_t token_count = tokens - token < TOKEN_BLOCK ? tokens - token : TOKEN_BLOCK;
        ACTIVATIONS part = ACTIVATIONS_FROM(x, columns, token);
        for (size_t group = 0; group < groups; group += GROUP_TILES * TILE_GROUPS) {
            size_t group_count =
                groups - group < GROUP_TILES * TILE_GROUPS ? groups - group : GROUP_TILES * TILE_GROUPS;
            multiply_block(w + group * group_bytes, group_count, columns, tile_scale, part, token_count,
                           y + token * stride + group * 16, stride);
        }
    }
}
