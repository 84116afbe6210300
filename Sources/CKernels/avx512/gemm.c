#if defined(__x86_64__)
// Products with many tokens. A chunk of columns of two groups is unpacked into bytes and float scales, which then stay in
// the first-level cache while all tokens of a block are multiplied by it, a tile of a few tokens at a time: two groups
// times a tile is what the registers hold. Sums wait on the stack between chunks.
#include "avx512/products.h"
#include "avx512/quantized_weights.h"

#define TOKEN_BLOCK 128
#define PAIR_BLOCK 4
#define CHUNK_UNITS 16 // of 32 columns
_Static_assert(CHUNK_UNITS % 16 == 0, "prepare_starts writes 16 at a time");
#define Q4_TILE 4
#define Q8_TILE 6

// Without this the compiler loads activations far ahead of their use and runs out of registers.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+v"(value)::"memory")

#define FOUR_SHIFTS ((int)((PVIT_Q4_SHIFT & 0xFF) * 0x01010101u)) // one in each byte

// 32 columns of 16 rows, unpacked. In q4 there are two blocks; in q8 one, whose scale is scales[0].
typedef struct {
    uint8_t codes[8][64]; // excess 128, shift included: [columns / 4][16 rows][4]
    float scales[2][16];
    float unbias[16]; // minus PVIT_INTEGER_BIAS times the sum of the scales
} unit;

// One chunk of columns of a pair of groups, and of a block of tokens.
typedef struct {
    _Alignas(64) unit units[CHUNK_UNITS][2]; // [units][groups]
    int32_t starts[TOKEN_BLOCK][CHUNK_UNITS * 2]; // where dot products start: [tokens][blocks of the chunk]
} chunk;

// [tokens][groups][rows]
typedef float pair_sums[TOKEN_BLOCK][2][16];

// Weights that will be unpacked next: `bytes` from each of two groups.
typedef struct {
    const uint8_t *first;
    size_t group_bytes, bytes;
} upcoming;

PVIT_INLINE void unpack_q4(const uint8_t *fields, const uint8_t *codes, __m512i codebook, unit *result) {
    __m512 scale0 = pvit_q4_scales(fields), scale1 = pvit_q4_scales(fields + 16);
    _mm512_store_ps(result->scales[0], scale0);
    _mm512_store_ps(result->scales[1], scale1);
    _mm512_store_ps(result->unbias, _mm512_mul_ps(_mm512_add_ps(scale0, scale1), _mm512_set1_ps(-PVIT_INTEGER_BIAS)));
    PVIT_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i bytes = _mm512_loadu_si512(codes + j * 64);
        __m512i shift = _mm512_maskz_set1_epi32(pvit_q4_shifted(fields + j / 2 * 16), FOUR_SHIFTS);
        _mm512_store_si512(result->codes[2 * j], _mm512_add_epi8(pvit_q4_low(bytes, codebook), shift));
        _mm512_store_si512(result->codes[2 * j + 1], _mm512_add_epi8(pvit_q4_high(bytes, codebook), shift));
    }
}

PVIT_INLINE void unpack_q8(const uint8_t *scales, const uint8_t *codes, unit *result) {
    __m512 scale = pvit_q8_scales(scales);
    _mm512_store_ps(result->scales[0], scale);
    _mm512_store_ps(result->unbias, _mm512_mul_ps(scale, _mm512_set1_ps(-PVIT_INTEGER_BIAS)));
    PVIT_UNROLL
    for (int j = 0; j < 8; j++) _mm512_store_si512(result->codes[j], _mm512_loadu_si512(codes + j * 64));
}

// Unpacks `count` units from column `start` of a group.
PVIT_INLINE void unpack(const uint8_t *group, size_t columns, size_t start, size_t count, int blocks, unit (*units)[2],
                        size_t g) {
    __m512i codebook = pvit_codebook_excess128();
    for (size_t u = 0; u < count; u++) {
        size_t column = start + u * 32, superblock = column / 64 * 64, within = column - superblock;
        const uint8_t *scales = group + superblock * (blocks == 2 ? PVIT_Q4_COLUMN_BYTES : PVIT_Q8_COLUMN_BYTES);
        const uint8_t *codes = scales + pvit_superblock_columns(columns, superblock);
        if (blocks == 2)
            unpack_q4(scales + within, codes + within * 8, codebook, &units[u][g]);
        else
            unpack_q8(scales + within, codes + within * 16, &units[u][g]);
    }
}

// The starts of the dot products of `count` units of one token, as pvit_dot_start says. Writes up to a multiple of 16.
PVIT_INLINE void prepare_starts(const int32_t *sums, size_t count, int blocks, int32_t *starts) {
    __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    for (size_t i = 0; i < 2 * count; i += blocks == 2 ? 16 : 32) {
        size_t left = 2 * count - i;
        __m512i sum = _mm512_maskz_loadu_epi32(left < 16 ? (__mmask16)((1u << left) - 1) : 0xFFFF, sums + i);
        if (blocks == 1) {
            __mmask16 mask = left < 16 ? 0 : left < 32 ? (__mmask16)((1u << (left - 16)) - 1) : 0xFFFF;
            __m512i more = _mm512_maskz_loadu_epi32(mask, sums + i + 16);
            sum = _mm512_add_epi32(_mm512_permutex2var_epi32(sum, evens, more),
                                   _mm512_permutex2var_epi32(sum, odds, more));
        }
        __m512i start = _mm512_sub_epi32(_mm512_set1_epi32(PVIT_INTEGER_BIAS_BITS), _mm512_slli_epi32(sum, 7));
        _mm512_storeu_si512(starts + (blocks == 2 ? i : i / 2), start);
    }
}

// Adds the products of `count` units of `groups` groups with `tokens` tokens, the first of them `x`, to `sums`.
PVIT_INLINE void multiply_tile(const unit (*units)[2], size_t count, pvit_activations x, size_t columns,
                               int32_t (*starts)[CHUNK_UNITS * 2], float (*sums)[2][16], int tokens, int groups,
                               int blocks) {
    __m512 sum[Q8_TILE][2];
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++)
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) sum[t][g] = _mm512_load_ps(sums[t][g]);

    for (size_t u = 0; u < count; u++) {
        __m512 term[Q8_TILE][2];
        PVIT_UNROLL
        for (int block = 0; block < blocks; block++) {
            __m512i dot[Q8_TILE][2];
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++)
                PVIT_UNROLL
                for (int g = 0; g < groups; g++)
                    dot[t][g] = _mm512_set1_epi32(starts[t][u * (size_t)blocks + (size_t)block]);
            PVIT_UNROLL
            for (int j = block * 4; j < block * 4 + 8 / blocks; j++) {
                __m512i codes[2];
                PVIT_UNROLL
                for (int g = 0; g < groups; g++) codes[g] = _mm512_load_si512(units[u][g].codes[j]);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++) {
                    __m512i four = pvit_four_codes(x.codes + (size_t)t * columns + u * 32 + (size_t)j * 4);
                    PVIT_UNROLL
                    for (int g = 0; g < groups; g++) {
                        dot[t][g] = _mm512_dpbusd_epi32(dot[t][g], codes[g], four);
                        KEEP_IN_ORDER(dot[t][g]);
                    }
                }
            }
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) {
                __m512 scale = _mm512_load_ps(units[u][g].scales[block]);
                __m512 unbias = _mm512_load_ps(units[u][g].unbias);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++)
                    term[t][g] = _mm512_fmadd_ps(_mm512_castsi512_ps(dot[t][g]), scale, block ? term[t][g] : unbias);
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            __m512 scale = _mm512_set1_ps(x.scales[(size_t)t * (columns / 32) + u]);
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) sum[t][g] = _mm512_fmadd_ps(term[t][g], scale, sum[t][g]);
        }
    }

    PVIT_UNROLL
    for (int t = 0; t < tokens; t++)
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) _mm512_store_ps(sums[t][g], sum[t][g]);
}

PVIT_INLINE void prefetch(upcoming next, size_t from, size_t to) {
    for (size_t line = from / 64 * 64; line < to; line += 64) {
        _mm_prefetch((const char *)next.first + line, _MM_HINT_T1);
        _mm_prefetch((const char *)next.first + next.group_bytes + line, _MM_HINT_T1);
    }
}

// Adds the products of `count` units of `groups` groups with all tokens to `sums`. Tiles are as even as they can be.
PVIT_INLINE void multiply_chunk(chunk *c, size_t count, pvit_activations x, size_t columns, size_t tokens,
                                pair_sums sums, upcoming next, int groups, int blocks) {
#define TILE(size)                                                                                                     \
    case size:                                                                                                         \
        multiply_tile((const unit(*)[2])c->units, count, pvit_activations_from(x, columns, token), columns,            \
                      c->starts + token, sums + token, size, groups, blocks);                                          \
        break
    size_t tile = blocks == 2 ? Q4_TILE : Q8_TILE, tiles = (tokens + tile - 1) / tile;
    for (size_t i = 0, token = 0, end; i < tiles; i++, token = end) {
        end = (i + 1) * tokens / tiles;
        prefetch(next, i * next.bytes / tiles, (i + 1) * next.bytes / tiles);
        switch (end - token) {
            TILE(1);
            TILE(2);
            TILE(3);
            TILE(4);
        default:
            if (blocks == 2) break;
            switch (end - token) {
                TILE(5);
                TILE(6);
            }
        }
    }
#undef TILE
}

// At most TOKEN_BLOCK tokens and PAIR_BLOCK pairs of groups.
PVIT_INLINE void multiply_block(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                                size_t tokens, float *y, size_t stride, int blocks) {
    size_t unit_bytes = 32 * (blocks == 2 ? PVIT_Q4_COLUMN_BYTES : PVIT_Q8_COLUMN_BYTES);
    size_t group_bytes = columns / 32 * unit_bytes;
    chunk c;
    _Alignas(64) pair_sums sums[PAIR_BLOCK];
    for (size_t pair = 0; pair < (groups + 1) / 2; pair++) memset(sums[pair], 0, tokens * sizeof *sums[pair]);

    for (size_t start = 0; start < columns; start += CHUNK_UNITS * 32) {
        size_t count = columns - start < CHUNK_UNITS * 32 ? (columns - start) / 32 : CHUNK_UNITS;
        pvit_activations part = {x.codes + start, x.scales + start / 32, x.sums + start / 16};
        for (size_t t = 0; t < tokens; t++) prepare_starts(part.sums + t * (columns / 16), count, blocks, c.starts[t]);
        for (size_t group = 0; group < groups; group += 2) {
            const uint8_t *pair = w + group * group_bytes;
            int last = group + 2 >= groups, single = group + 1 == groups;
            upcoming next = {(last ? w + count * unit_bytes : pair + 2 * group_bytes) + start / 32 * unit_bytes,
                             group_bytes, count * unit_bytes};
            unpack(pair, columns, start, count, blocks, c.units, 0);
            if (single) {
                multiply_chunk(&c, count, part, columns, tokens, sums[group / 2], next, 1, blocks);
            } else {
                unpack(pair + group_bytes, columns, start, count, blocks, c.units, 1);
                multiply_chunk(&c, count, part, columns, tokens, sums[group / 2], next, 2, blocks);
            }
        }
    }

    for (size_t t = 0; t < tokens; t++)
        for (size_t group = 0; group < groups; group++)
            _mm512_storeu_ps(y + t * stride + group * 16, _mm512_mul_ps(_mm512_load_ps(sums[group / 2][t][group % 2]),
                                                                        _mm512_set1_ps(tile_scale)));
}

PVIT_INLINE void multiply(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                          size_t tokens, float *y, size_t stride, int blocks) {
    size_t group_bytes = columns * (blocks == 2 ? PVIT_Q4_COLUMN_BYTES : PVIT_Q8_COLUMN_BYTES);
    for (size_t token = 0; token < tokens; token += TOKEN_BLOCK) {
        size_t token_count = tokens - token < TOKEN_BLOCK ? tokens - token : TOKEN_BLOCK;
        pvit_activations part = pvit_activations_from(x, columns, token);
        for (size_t group = 0; group < groups; group += PAIR_BLOCK * 2) {
            size_t group_count = groups - group < PAIR_BLOCK * 2 ? groups - group : PAIR_BLOCK * 2;
            multiply_block(w + group * group_bytes, group_count, columns, tile_scale, part, token_count,
                           y + token * stride + group * 16, stride, blocks);
        }
    }
}

PVIT_TARGET void pvit_avx512_gemm_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                     pvit_activations x, size_t tokens, float *restrict y, size_t stride) {
    if (tokens <= PVIT_GEMV_TOKENS)
        pvit_avx512_gemv_q4_tokens(w, groups, columns, tile_scale, x, tokens, y, stride);
    else
        multiply(w, groups, columns, tile_scale, x, tokens, y, stride, 2);
}

PVIT_TARGET void pvit_avx512_gemm_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                     pvit_activations x, size_t tokens, float *restrict y, size_t stride) {
    if (tokens <= PVIT_GEMV_TOKENS)
        pvit_avx512_gemv_q8_tokens(w, groups, columns, tile_scale, x, tokens, y, stride);
    else
        multiply(w, groups, columns, tile_scale, x, tokens, y, stride, 1);
}
#endif
