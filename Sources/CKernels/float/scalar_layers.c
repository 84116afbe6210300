#include "common/numerics.h"
#include "common/variants.h"

// Adds a[i] * b[i] into sixteen partial sums, i modulo 16. The end is padded with zeros to a multiple of 16.
static void accumulate(const float *a, const float *b, size_t count, float partial[16]) {
    for (size_t i = 0; i < (count + 15) / 16 * 16; i++)
        partial[i % 16] = fmaf(i < count ? a[i] : 0, i < count ? b[i] : 0, partial[i % 16]);
}

void pvit_scalar_gemv_f32(const float *restrict w, size_t rows, size_t columns, const float *restrict x,
                          float *restrict y) {
    for (size_t row = 0; row < rows; row++) {
        float partial[16] = {0};
        accumulate(w + row * columns, x, columns, partial);
        y[row] = pvit_add_pairwise(partial);
    }
}

// A row of halves is widened in chunks.
static void gemv_halves(const uint16_t *w, size_t rows, size_t columns, const float *x, float *y,
                        float (*widen)(uint16_t)) {
    for (size_t row = 0; row < rows; row++) {
        float partial[16] = {0};
        for (size_t start = 0; start < columns; start += 16) {
            size_t count = columns - start < 16 ? columns - start : 16;
            float piece[16];
            for (size_t i = 0; i < count; i++) piece[i] = widen(w[row * columns + start + i]);
            accumulate(piece, x + start, count, partial);
        }
        y[row] = pvit_add_pairwise(partial);
    }
}

void pvit_scalar_gemv_f16(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                          float *restrict y) {
    gemv_halves(w, rows, columns, x, y, pvit_f16_to_f32);
}

void pvit_scalar_gemv_bf16(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                           float *restrict y) {
    gemv_halves(w, rows, columns, x, y, pvit_bf16_to_f32);
}

// Sixteen columns of a row, zeros after its end.
static void widen_f32(const void *row, size_t start, size_t count, float piece[16]) {
    for (size_t i = 0; i < 16; i++) piece[i] = i < count ? ((const float *)row)[start + i] : 0;
}

static void widen_f16(const void *row, size_t start, size_t count, float piece[16]) {
    for (size_t i = 0; i < 16; i++) piece[i] = i < count ? pvit_f16_to_f32(((const uint16_t *)row)[start + i]) : 0;
}

static void widen_bf16(const void *row, size_t start, size_t count, float piece[16]) {
    for (size_t i = 0; i < 16; i++) piece[i] = i < count ? pvit_bf16_to_f32(((const uint16_t *)row)[start + i]) : 0;
}

#define TOKENS_TOGETHER 16

// One row times at most TOKENS_TOGETHER tokens, in the order of gemv.
static void multiply_row(const void *row, size_t columns, const float *x, size_t x_stride, size_t tokens, float *y,
                         size_t y_stride, void (*widen)(const void *, size_t, size_t, float *)) {
    float partial[TOKENS_TOGETHER][16] = {0}, piece[16];
    for (size_t start = 0; start < columns; start += 16) {
        size_t count = columns - start < 16 ? columns - start : 16;
        widen(row, start, count, piece);
        for (size_t token = 0; token < tokens; token++) {
            const float *values = x + token * x_stride + start;
            for (size_t i = 0; i < 16; i++)
                partial[token][i] = fmaf(piece[i], i < count ? values[i] : 0, partial[token][i]);
        }
    }
    for (size_t token = 0; token < tokens; token++) y[token * y_stride] = pvit_add_pairwise(partial[token]);
}

#define GEMM(type, name)                                                                                               \
    void pvit_scalar_gemm_##name(const type *restrict w, size_t rows, size_t columns, const float *restrict x,         \
                                 size_t x_stride, size_t tokens, float *restrict y, size_t y_stride) {                 \
        for (size_t first = 0; first < tokens; first += TOKENS_TOGETHER) {                                             \
            size_t count = tokens - first < TOKENS_TOGETHER ? tokens - first : TOKENS_TOGETHER;                        \
            for (size_t row = 0; row < rows; row++)                                                                    \
                multiply_row(w + row * columns, columns, x + first * x_stride, x_stride, count,                        \
                             y + first * y_stride + row, y_stride, widen_##name);                                      \
        }                                                                                                              \
    }

GEMM(float, f32)
GEMM(uint16_t, f16)
GEMM(uint16_t, bf16)

void pvit_scalar_rms_norm(const float *x, const float *weight, size_t count, float epsilon, float *result) {
    float partial[16] = {0};
    accumulate(x, x, count, partial);
    float inverse = 1.0f / sqrtf(pvit_add_pairwise(partial) / (float)count + epsilon);
    for (size_t i = 0; i < count; i++) result[i] = x[i] * inverse * weight[i];
}

void pvit_scalar_rope(float *x, size_t heads, size_t width, const float *cosines, const float *sines) {
    size_t half = width / 2;
    for (size_t head = 0; head < heads; head++, x += width)
        for (size_t i = 0; i < half; i++) {
            float a = x[i], b = x[i + half];
            x[i] = fmaf(a, cosines[i], -(b * sines[i]));
            x[i + half] = fmaf(b, cosines[i], a * sines[i]);
        }
}

void pvit_scalar_swiglu(const float *gate, const float *up, size_t count, float *result) {
    for (size_t i = 0; i < count; i++) result[i] = gate[i] / (1.0f + pvit_exp(-gate[i])) * up[i];
}

void pvit_scalar_add(float *restrict x, const float *restrict y, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] += y[i];
}
