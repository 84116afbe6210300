// Products of several tokens with float weights. Included at the end of layers.h, for the loads of each type.
//
// A token's result has the bits of gemv_*: sixteen partial sums over the columns, added pairwise. Results therefore do
// not depend on the number of tokens. Rows and tokens of a register tile share their loads; weights are not copied.

// Rows and tokens of a register tile: as many sums as fit the registers beside one row of each. Sixteen lanes take two
// of sixteen registers, or four of thirty-two, unless the instruction set's file says otherwise.
#ifndef PVIT_PRODUCT_ROWS
#define PVIT_PRODUCT_ROWS 2
#define PVIT_PRODUCT_TOKENS 3
#endif

// Rows of weights that stay in the second-level cache for all tokens, and columns of a tile of tokens that stay in the
// first-level cache for these rows.
#define PRODUCT_BLOCK_ROWS 32
#define PRODUCT_DEPTH 1024

// add_pairwise of each of four, with half of the steps: every stage halves them all.
PVIT_INLINE void store_pairwise(f32x16 a, f32x16 b, f32x16 c, f32x16 d, float *to) {
    typedef float f32x4 __attribute__((ext_vector_type(4)));
    f32x16 ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    f32x16 cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                __builtin_shufflevector(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    f32x16 all = __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
                 __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    all += __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    all += __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    f32x4 four = __builtin_shufflevector(all, all, 0, 4, 8, 12);
    memcpy(to, &four, sizeof four);
}

// Columns first..<end of a register tile. Sums are kept in `partial` until the last columns. `rows` and `tokens` are
// constants after inlining.
#define PRODUCT_TILE(name, type, load)                                                                                 \
    PVIT_INLINE void name##_tile(const type *w, size_t columns, const float *x, size_t x_stride, size_t first,         \
                                 size_t end, float *partial, float *y, size_t y_stride, int rows, int tokens) {        \
        f32x16 sums[PVIT_PRODUCT_ROWS][PVIT_PRODUCT_TOKENS];                                                           \
        PVIT_UNROLL                                                                                                    \
        for (int r = 0; r < rows; r++) {                                                                               \
            PVIT_UNROLL                                                                                                \
            for (int t = 0; t < tokens; t++)                                                                           \
                sums[r][t] = first > 0 ? load_f32(partial + (r * PVIT_PRODUCT_TOKENS + t) * 16) : splat(0);            \
        }                                                                                                              \
        size_t i = first;                                                                                              \
        for (; i + 16 <= end; i += 16) {                                                                               \
            f32x16 weights[PVIT_PRODUCT_ROWS];                                                                         \
            PVIT_UNROLL                                                                                                \
            for (int r = 0; r < rows; r++) weights[r] = load(w + (size_t)r * columns + i);                             \
            PVIT_UNROLL                                                                                                \
            for (int t = 0; t < tokens; t++) {                                                                         \
                f32x16 part = load_f32(x + (size_t)t * x_stride + i);                                                  \
                PVIT_UNROLL                                                                                            \
                for (int r = 0; r < rows; r++) sums[r][t] = PVIT_MULTIPLY_ADD(weights[r], part, sums[r][t]);           \
            }                                                                                                          \
        }                                                                                                              \
        if (i < end) {                                                                                                 \
            PVIT_UNROLL                                                                                                \
            for (int r = 0; r < rows; r++) {                                                                           \
                type buffer[16] = {0};                                                                                 \
                memcpy(buffer, w + (size_t)r * columns + i, (end - i) * sizeof *buffer);                               \
                PVIT_UNROLL                                                                                            \
                for (int t = 0; t < tokens; t++) {                                                                     \
                    f32x16 part = load_f32_part(x + (size_t)t * x_stride + i, end - i);                                \
                    sums[r][t] = PVIT_MULTIPLY_ADD(load(buffer), part, sums[r][t]);                                    \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        PVIT_UNROLL                                                                                                    \
        for (int t = 0; t < tokens; t++) {                                                                             \
            float *result = y + (size_t)t * y_stride;                                                                  \
            if (end == columns && rows == 4) {                                                                         \
                store_pairwise(sums[0][t], sums[1][t], sums[2 % PVIT_PRODUCT_ROWS][t], sums[3 % PVIT_PRODUCT_ROWS][t], \
                               result);                                                                                \
                continue;                                                                                              \
            }                                                                                                          \
            PVIT_UNROLL                                                                                                \
            for (int r = 0; r < rows; r++) {                                                                           \
                if (end < columns)                                                                                     \
                    store_f32(sums[r][t], partial + (r * PVIT_PRODUCT_TOKENS + t) * 16);                               \
                else                                                                                                   \
                    result[r] = add_pairwise(sums[r][t]);                                                              \
            }                                                                                                          \
        }                                                                                                              \
    }

// One function for each number of tokens keeps the sums in registers.
#define PRODUCT_ROWS_BY(name, type, tokens)                                                                            \
    PVIT_TARGET static void name##_by_##tokens(const type *w, size_t rows, size_t columns, const float *x,             \
                                               size_t x_stride, size_t first, size_t end, float *partial, float *y,    \
                                               size_t y_stride) {                                                      \
        size_t row = 0;                                                                                                \
        for (; row + PVIT_PRODUCT_ROWS <= rows; row += PVIT_PRODUCT_ROWS)                                              \
            name##_tile(w + row * columns, columns, x, x_stride, first, end, partial + row * PVIT_PRODUCT_TOKENS * 16, \
                        y + row, y_stride, PVIT_PRODUCT_ROWS, tokens);                                                 \
        for (; row < rows; row++)                                                                                      \
            name##_tile(w + row * columns, columns, x, x_stride, first, end, partial + row * PVIT_PRODUCT_TOKENS * 16, \
                        y + row, y_stride, 1, tokens);                                                                 \
    }

#if PVIT_PRODUCT_TOKENS == 6
#define PRODUCT_ROWS(name, type)                                                                                       \
    PRODUCT_ROWS_BY(name, type, 1)                                                                                     \
    PRODUCT_ROWS_BY(name, type, 2)                                                                                     \
    PRODUCT_ROWS_BY(name, type, 3)                                                                                     \
    PRODUCT_ROWS_BY(name, type, 4)                                                                                     \
    PRODUCT_ROWS_BY(name, type, 5)                                                                                     \
    PRODUCT_ROWS_BY(name, type, 6)
#define PRODUCT_NAMES(name) name##_by_1, name##_by_2, name##_by_3, name##_by_4, name##_by_5, name##_by_6
#else
#define PRODUCT_ROWS(name, type)                                                                                       \
    PRODUCT_ROWS_BY(name, type, 1)                                                                                     \
    PRODUCT_ROWS_BY(name, type, 2)                                                                                     \
    PRODUCT_ROWS_BY(name, type, 3)
#define PRODUCT_NAMES(name) name##_by_1, name##_by_2, name##_by_3
#endif

#define GEMM(name, type, load)                                                                                         \
    PRODUCT_TILE(name, type, load)                                                                                     \
    PRODUCT_ROWS(name, type)                                                                                           \
    PVIT_TARGET static void name(const type *restrict w, size_t rows, size_t columns, const float *restrict x,         \
                                 size_t x_stride, size_t tokens, float *restrict y, size_t y_stride) {                 \
        typedef void rows_function(const type *, size_t, size_t, const float *, size_t, size_t, size_t, float *,       \
                                   float *, size_t);                                                                   \
        static rows_function *const by_tokens[PVIT_PRODUCT_TOKENS] = {PRODUCT_NAMES(name)};                            \
        float partial[PRODUCT_BLOCK_ROWS * PVIT_PRODUCT_TOKENS * 16];                                                  \
        /* Weights that are read once are one stream per row. */                                                       \
        const size_t depth = tokens > PVIT_PRODUCT_TOKENS ? PRODUCT_DEPTH : columns;                                   \
        for (size_t row = 0; row < rows; row += PRODUCT_BLOCK_ROWS) {                                                  \
            size_t height = rows - row < PRODUCT_BLOCK_ROWS ? rows - row : PRODUCT_BLOCK_ROWS;                         \
            for (size_t token = 0; token < tokens; token += PVIT_PRODUCT_TOKENS) {                                     \
                size_t width = tokens - token < PVIT_PRODUCT_TOKENS ? tokens - token : PVIT_PRODUCT_TOKENS;            \
                for (size_t first = 0; first < columns; first += depth)                                                \
                    by_tokens[width - 1](w + row * columns, height, columns, x + token * x_stride, x_stride, first,    \
                                         columns - first < depth ? columns : first + depth, partial,                   \
                                         y + token * y_stride + row, y_stride);                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

GEMM(gemm_f32, float, load_f32)
GEMM(gemm_f16, uint16_t, load_f16)
GEMM(gemm_bf16, uint16_t, load_bf16)

#undef GEMM
