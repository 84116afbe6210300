// Compute kernels: pure functions on pointers and counts. No allocation, no global state, no I/O.
//
// Every kernel has a scalar twin that defines its result. All instruction sets give the same bits unless a comment says
// otherwise: integer arithmetic is exact, and floats are added in the same order with fused multiply-add.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- Quantized layouts (formats/blocks.md)
//
// A group is 16 rows. A row has a multiple of 32 columns. Within a group, superblocks of 64 columns follow one another
// (the last one has 32 columns when columns % 64 == 32); a superblock is its scales and then its codes.
//
// q8: scales [columns/32][16 rows] binary16; codes [columns/4][16 rows][4] uint8, excess 128 (value = code - 128,
//     -127..127). weight = tile_scale * scale * value.
// q4: scale fields [columns/16][16 rows] uint8; codes [columns/8][16 rows][4] uint8. A byte has two codebook indices:
//     the low nibble is column 8j+k, the high nibble column 8j+4+k. Bits 0..6 of a field are an unsigned minifloat (a
//     binary16 pattern shifted right by PVIT_Q4_SCALE_SHIFT); bit 7 adds PVIT_Q4_SHIFT to every codebook value of the
//     block. weight = tile_scale * scale * (codebook[index] + shift).
#define PVIT_GROUP_ROWS 16
#define PVIT_Q8_BLOCK 32
#define PVIT_Q4_BLOCK 16
#define PVIT_Q4_SCALE_SHIFT 6
#define PVIT_Q4_SHIFT 5
extern const int8_t pvit_q4_codebook[16];
// Counts the codes of the first `rows` rows of a q4 group: codes[i] grows by the codes with index i in blocks without
// shift, codes[16 + i] by those in shifted blocks. Blocks whose scale is zero are not counted; returns their number.
size_t pvit_q4_count_codes(const uint8_t *group, size_t rows, size_t columns, uint64_t codes[32]);

// ---- Quantized activations
//
// A vector of `columns` floats (a multiple of 32) as int8 codes, with a float scale per 32 columns (absolute maximum /
// 127, round to nearest even) and the sum of the codes per 16 columns.
typedef struct {
    const int8_t *codes; // [tokens, columns]
    const float *scales; // [tokens, columns / 32]
    const int32_t *sums; // [tokens, columns / 16]
} pvit_activations;

// The same in 16 bits (absolute maximum / PVIT_WIDE_MAXIMUM), with the sum of the codes per 32 columns, for 8-bit
// weights: rounding all activations to 8 bits would be the larger error. A few blocks of 32 cause most of it. In the
// others, no magnitude exceeds PVIT_BYTE_LIMIT times the root mean square of the token, and codes are multiples of 256
// (absolute maximum / (127 * 256)), whose low bytes need not be multiplied. The error of these blocks is at most 0.8 %
// of the token (PVIT_BYTE_LIMIT / 127 / sqrt(12)).
#define PVIT_WIDE_MAXIMUM 32639 // 127 * 256 + 127: a code is 256 times a signed byte plus a signed byte
#define PVIT_BYTE_LIMIT 3.5f
typedef struct {
    const int16_t *codes; // [tokens, columns]
    const float *scales;  // [tokens, columns / 32]
    const int32_t *sums;  // [tokens, columns / 32]
} pvit_wide_activations;

// Quantize one token's activations, or some columns of it. `columns` is a multiple of 32. Blocks up to `byte_limit` get
// multiples of 256. Infinities and NaN give unspecified codes, but do not trap.
typedef void pvit_quantize_activations(const float *restrict x, size_t columns, int8_t *restrict codes,
                                       float *restrict scales, int32_t *restrict sums);
typedef void pvit_quantize_wide_activations(const float *restrict x, size_t columns, float byte_limit,
                                            int16_t *restrict codes, float *restrict scales, int32_t *restrict sums);

// The most tokens that gemv kernels multiply: they read activations as above. gemm kernels read them packed, in an
// order of their own.
#define PVIT_GEMV_TOKENS 4

// Pack the columns start..<start + count of the token `x`, whose pointers are those of column `start`, as number
// `token` of `tokens` that are multiplied together. `start` and `count` are multiples of 32. packed: [tokens *
// packed_..._bytes], 64-byte aligned; its layout is that of the instruction set.
typedef void pvit_pack_activations(pvit_activations x, size_t start, size_t count, size_t columns, size_t token,
                                   size_t tokens, void *packed);
typedef void pvit_pack_wide_activations(pvit_wide_activations x, size_t start, size_t count, size_t columns,
                                        size_t token, size_t tokens, void *packed);

// Quantize and pack all columns of one token.
void pvit_quantize_and_pack(pvit_quantize_activations *quantize, pvit_pack_activations *pack, const float *x,
                            size_t columns, size_t token, size_t tokens, void *packed);
void pvit_quantize_and_pack_wide(pvit_quantize_wide_activations *quantize, pvit_pack_wide_activations *pack,
                                 const float *x, size_t columns, float byte_limit, size_t token, size_t tokens,
                                 void *packed);

// ---- Key/value cache
//
// The keys and the values of one head of one layer take `pvit_kv_row_bytes` per position, in whole groups.
//
// Keys are groups of 16 positions, so that the scores of 16 positions are summed in the lanes of a register.
//   f32, f16: [width][16]. q8: codes [width/4][16][4], then binary16 scales [width/32][16]; width is a multiple of 32.
// Values: f32, f16: rows of `width` numbers, one position each. q8: groups of 32 positions, codes [32/4][width][4], of
// which the last dimension is positions, then binary16 scales [width/32][32]. Codes are in excess 128: four positions
// or columns are one step of a dot product of bytes.
#define PVIT_KEY_GROUP 16
#define PVIT_VALUE_GROUP 32 // a multiple of PVIT_KEY_GROUP
typedef enum { PVIT_KV_F32 = 0, PVIT_KV_F16 = 1, PVIT_KV_Q8 = 2 } pvit_kv_type;

// The number of positions in a block of attention: a multiple of PVIT_VALUE_GROUP. Results depend on it.
#define PVIT_ATTENTION_BLOCK 64

static inline size_t pvit_kv_row_bytes(pvit_kv_type type, size_t width) {
    switch (type) {
    case PVIT_KV_F32: return width * 4;
    case PVIT_KV_F16: return width * 2;
    case PVIT_KV_Q8: return width + width / 32 * 2;
    }
    return 0;
}

// The number of floats of scratch memory that attention needs for `queries` = tokens * heads.
static inline size_t pvit_attention_scratch(size_t queries, size_t width) {
    return queries * width + 8 * PVIT_ATTENTION_BLOCK;
}

typedef enum {
    PVIT_ISA_SCALAR = 0,
    PVIT_ISA_AVX2 = 1,        // AVX2, FMA, F16C
    PVIT_ISA_AVX512_VNNI = 2, // AVX-512 F, BW, DQ, VL, VNNI
    PVIT_ISA_NEON = 3,        // every 64-bit Arm processor
    PVIT_ISA_NEON_DOT = 4,    // with dot products of bytes
    PVIT_ISA_AVX_VNNI = 5,    // AVX2 and AVX-VNNI (256-bit dot products of bytes)
} pvit_isa;

#include "FloatDifferences.h"
#include "FloatProducts.h"

// Packs whole rows first_row..<first_row + rows of windows over pixels that are 16-bit integers, with the kernel
// `pack`. `channels` of the layout is a multiple of 32, and its `pixels` are not used. Pixels outside the maps are
// zeros.
void pvit_im2col_pack_wide(const pvit_im2col *layout, pvit_wide_activations pixels, size_t first_row, size_t rows,
                           pvit_pack_wide_activations *pack, void *packed);

// ---- Encoders
//
// Encode a group of 16 rows from w[rows, columns], rows `stride` floats apart. Missing rows (1 <= rows <= 16) are
// encoded as zeros. All instruction sets give the same bytes and the same sums.

// The errors of encoding. Encoders add to the sums, which the caller sets to zero.
typedef struct {
    double squared_error; // sum of (w - decoded)^2
    double squared_sum;   // sum of w^2
    double maximum_error; // largest |w - decoded|
} pvit_error_sums;

// importance: [columns], the weight of each column's squared error; positive, and the largest no more than 10^12 times
// the smallest. scratch: 16 * columns floats. tile_scale: the scale of the tile, from the functions below.
// Infinities and NaN give unspecified codes, but do not trap.
typedef void pvit_encode_group(const float *restrict w, size_t rows, size_t columns, size_t stride,
                               const float *restrict importance, float tile_scale, float *restrict scratch,
                               uint8_t *restrict group, pvit_error_sums *restrict errors);

// Blocks of a group that are encoded one after another, column by column. The error of each column, times a
// coefficient, is added to the columns after it.
#define PVIT_FEEDBACK_COLUMNS 128
typedef struct {
    const float *targets; // [rows, columns]: what the codes approximate
    const float *weights; // [rows, columns]: what the sums of errors compare with
    size_t rows;          // 1 to 16; missing rows are encoded as zeros
    size_t columns;
    size_t stride;        // between rows
    const size_t *blocks; // [block_count]: the first column of each block, in the order of encoding
    size_t block_count;   // at most PVIT_FEEDBACK_COLUMNS columns in all
    // From here on, columns are numbered in the order of encoding, from the first one of the first block.
    const float *importance; // [ordered columns], as for pvit_encode_group
    const float *feedback;   // [ordered columns, ordered columns]: row j is what the error of column j adds
    size_t feedback_stride;
    // [rows, ordered columns]. Input: what is added to the targets because of blocks that were encoded before. Output:
    // target - decoded.
    float *errors;
    size_t error_stride;
} pvit_feedback_chunk;
typedef void pvit_encode_chunk(const pvit_feedback_chunk *chunk, float tile_scale, uint8_t *restrict group,
                               pvit_error_sums *restrict errors);

// ---- The table of kernels

// Tables are constants: Swift may share them between threads.
typedef struct __attribute__((swift_attr("@Sendable"))) {
    pvit_isa isa;
    const char *name;

    // Convert `count` numbers. Narrower types are rounded to nearest even; overflow gives infinity; NaN stays NaN.
    void (*f16_to_f32)(const uint16_t *restrict source, float *restrict result, size_t count);
    void (*bf16_to_f32)(const uint16_t *restrict source, float *restrict result, size_t count);
    void (*f32_to_f16)(const float *restrict source, uint16_t *restrict result, size_t count);
    void (*f32_to_bf16)(const float *restrict source, uint16_t *restrict result, size_t count);
    // result = round(float(a) + float(b)), as PyTorch adds tensors of these types on a CPU. `result` may be `a` or `b`.
    // Returns whether all results are finite.
    bool (*add_f16)(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);
    bool (*add_bf16)(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);
    // result = round(float(a) - float(b)); the inverse of the above.
    bool (*subtract_f16)(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);
    bool (*subtract_bf16)(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);

    pvit_quantize_activations *quantize_activations;
    pvit_quantize_wide_activations *quantize_wide_activations;
    // The largest magnitude of blocks whose codes are multiples of 256, for all activations of a token.
    float (*byte_limit)(const float *x, size_t columns);

    // y[token * stride + row] = W x for `groups` groups of 16 rows and 1 to PVIT_GEMV_TOKENS tokens (decode). Integer
    // dot products are exact. In q4 the scaled sum of each 32 columns is rounded to about one integer (a weight of 1
    // times an activation code of 1), far less than the rounding error of the activations. A token's result does not
    // depend on the other tokens.
    void (*gemv_q8)(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_wide_activations x,
                    size_t tokens, float *restrict y, size_t stride);
    void (*gemv_q4)(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                    size_t tokens, float *restrict y, size_t stride);
    pvit_pack_activations *pack_activations;
    pvit_pack_wide_activations *pack_wide_activations;
    size_t (*packed_activation_bytes)(size_t columns);
    size_t (*packed_wide_activation_bytes)(size_t columns);
    // The same as gemv, bit for bit, for any number of tokens that are packed (prefill). Needs about 100 KB of stack.
    void (*gemm_q8)(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                    const void *restrict packed, size_t tokens, float *restrict y, size_t stride);
    void (*gemm_q4)(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                    const void *restrict packed, size_t tokens, float *restrict y, size_t stride);
    // One row of a group as floats: result[columns].
    void (*row_q8)(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale, float *restrict result);
    void (*row_q4)(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale, float *restrict result);

    // y[rows] = W x with plain row-major W[rows, columns] of any length. Accumulates in float32 in a fixed order: 16
    // partial sums, added pairwise.
    void (*gemv_f32)(const float *restrict w, size_t rows, size_t columns, const float *restrict x, float *restrict y);
    void (*gemv_f16)(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                     float *restrict y);
    void (*gemv_bf16)(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                      float *restrict y);
    // y[token * y_stride + row] for all tokens, x[token * x_stride + column]. A token's result does not depend on the
    // other tokens. Needs about 12 KB of stack.
    void (*gemm_f32)(const float *restrict w, size_t rows, size_t columns, const float *restrict x, size_t x_stride,
                     size_t tokens, float *restrict y, size_t y_stride);
    void (*gemm_f16)(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x, size_t x_stride,
                     size_t tokens, float *restrict y, size_t y_stride);
    void (*gemm_bf16)(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x, size_t x_stride,
                      size_t tokens, float *restrict y, size_t y_stride);

    // result[i] = weight[i] * x[i] / sqrt(mean(x^2) + epsilon). RMSNorm, arXiv 1910.07467, equation 4. `result` may be
    // `x`.
    void (*rms_norm)(const float *x, const float *weight, size_t count, float epsilon, float *result);
    // Rotates `heads` heads of `width` floats in place, halves apart: (x[i], x[i + width/2]) by the angle whose cosine
    // and sine are cosines[i], sines[i]. RoFormer, arXiv 2104.09864, section 3.4.2, in Hugging Face's order of
    // channels.
    void (*rope)(float *x, size_t heads, size_t width, const float *cosines, const float *sines);
    // result[i] = gate[i] / (1 + exp(-gate[i])) * up[i]. SwiGLU, arXiv 2002.05202. `result` may be `gate` or `up`.
    // Gates below -88.7 give zero.
    void (*swiglu)(const float *gate, const float *up, size_t count, float *result);
    // x[i] += y[i].
    void (*add)(float *restrict x, const float *restrict y, size_t count);

    // Store the key and the value of one position of a head (layouts above).
    void (*store_key)(const float *restrict x, size_t width, pvit_kv_type type, void *restrict keys, size_t position);
    void (*store_value)(const float *restrict x, size_t width, pvit_kv_type type, void *restrict values,
                        size_t position);
    // Causal softmax attention of consecutive tokens, each with `heads` queries that share one key/value head:
    //   result[t][h] = sum_p softmax_p(scale * <query[t][h], key[p]>) * value[p] over positions p < positions + t.
    // query, result: [tokens, heads, width], tokens `stride` floats apart. scratch: pvit_attention_scratch floats.
    // Positions are read once, in blocks, with a running maximum (arXiv 2205.14135, algorithm 1). Blocks start at
    // multiples of PVIT_ATTENTION_BLOCK, so a token's result does not depend on the other tokens. exp is accurate to 2
    // units in the last place. `positions` is at least 1. Keys and q8 values after the last position are read, up to
    // the end of their group, and may be anything. With q8, queries and the weights of positions are 16-bit codes with
    // a scale per 32, like activations with q8 weights.
    void (*attend)(const float *restrict query, size_t tokens, size_t heads, size_t stride, const void *restrict keys,
                   const void *restrict values, pvit_kv_type type, size_t width, size_t positions, float scale,
                   float *restrict scratch, float *restrict result);

    // ---- Float products (FloatProducts.h)

    // Packs rows of w[rows, columns], `stride` numbers apart, as lanes first_lane..<first_lane + rows (at most 16) of a
    // group. Column c * kernel_area + k becomes column k * (columns / kernel_area) + c: convolution weights [outputs,
    // channels, kernel_area] in the order of im2col.
    void (*pack_rows)(const void *restrict w, pvit_float_type type, size_t rows, size_t columns, size_t stride,
                      size_t kernel_area, size_t first_lane, float *restrict group);
    // sums[row][16 * groups], rows `sums_stride` apart, (+)= panel[rows, depth] times groups `group_stride` floats
    // apart. With `accumulate` 0, sums start from zeros.
    void (*multiply_panel)(const float *restrict panel, size_t rows, size_t depth, const float *restrict groups_start,
                           size_t groups, size_t group_stride, int accumulate, float *restrict sums,
                           size_t sums_stride);
    // y[rows, outputs] from sums[rows, outputs], whose rows are at least `outputs` rounded up to 16 long. Elements of y
    // past `outputs` are not touched, because other threads may be writing them.
    void (*finish)(const float *restrict sums, size_t sums_stride, size_t rows, size_t outputs, pvit_epilogue epilogue,
                   float *y, size_t y_stride);

    // result = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias. arXiv 1607.06450. `result` may be `x`.
    void (*layer_norm)(const float *x, const float *weight, const float *bias, size_t count, float epsilon,
                       float *result);
    // x = softmax(scale * x), in place; exp is accurate to 2 units in the last place.
    void (*softmax)(float *x, size_t count, float scale);
    // result[i] = sum over `count` rows of weights[row] * rows[row][i], for `width` floats.
    void (*weighted_sum)(const float *const *rows, const float *restrict weights, size_t count, size_t width,
                         float *restrict result);

    // ---- Encoders

    // The first row with a weight that is not finite; or -1, and then *maximum is the largest |w|. Columns are a
    // multiple of 16.
    ptrdiff_t (*scan_rows)(const float *w, size_t rows, size_t columns, size_t stride, float *maximum);
    pvit_encode_group *encode_q4;
    pvit_encode_group *encode_q8;
    // Encode some blocks of a group and leave its other blocks as they are.
    pvit_encode_chunk *encode_q4_chunk;
    pvit_encode_chunk *encode_q8_chunk;
    // result[token * result_stride + row] = <w[row], x[token]> for 1 to 16 rows. x: [tokens, columns], rows x_stride
    // apart; scratch: 16 * columns floats. Columns are a multiple of 16.
    void (*project_rows)(const float *restrict w, size_t rows, size_t columns, size_t stride, const float *restrict x,
                         size_t x_stride, size_t tokens, float *restrict scratch, float *restrict result,
                         size_t result_stride);

    // ---- Limits

    // The limits of the processor, for benchmarks. Each result depends on all of the work.
    // Reads `count` bytes once, in order, in whole lines of 64. Returns their checksum.
    uint64_t (*read_probe)(const void *bytes, size_t count);
    // Computes dot products of int8 in registers. Returns the number of multiplications and additions. `checksum` is
    // input and output.
    uint64_t (*dot_probe)(size_t iterations, uint32_t *checksum);
    // Computes fused multiply-adds of floats in registers, for benchmarks. Returns the number of operations, two each.
    // `checksum` is input and output.
    uint64_t (*fma_probe)(size_t iterations, float *checksum);
} pvit_kernels;

// The kernels for an instruction set; NULL if the processor or the operating system does not support it.
const pvit_kernels *pvit_kernels_for(pvit_isa isa);
// The best supported set, or the one that the process was told to use.
const pvit_kernels *pvit_kernels_best(void);
// Makes the process use `kernels` from now on wherever it would use the best.
void pvit_use_kernels(const pvit_kernels *kernels);

// The scale of a tile whose largest |w| is `maximum`; 0 if that is below 2^-100. All codes then decode to 0.
float pvit_q4_tile_scale(float maximum);
float pvit_q8_tile_scale(float maximum);

// Tells the processor that the calling thread waits in a loop.
static inline void pvit_spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#ifdef __cplusplus
}
#endif
