// The layers between matrix products, and matrix-vector products with float weights. Included by each instruction set's
// file in common/ after conversions.h.

#define GEMV_ROWS 4

PVIT_INLINE f32x16 load_bf16(const uint16_t *from) { return from_bf16(load_u16(from)); }
PVIT_INLINE f32x16 load_f16(const uint16_t *from) { return from_f16(load_u16(from)); }

// Rows are multiplied four at a time, so that four chains of additions run in parallel.
#define GEMV(name, type, load)                                                                                         \
    PVIT_INLINE void name##_rows(const type *w, size_t columns, const float *x, float *y, int rows) {                  \
        f32x16 sums[GEMV_ROWS];                                                                                        \
        PVIT_UNROLL                                                                                                    \
        for (int r = 0; r < rows; r++) sums[r] = splat(0);                                                             \
        size_t i = 0;                                                                                                  \
        for (; i + 16 <= columns; i += 16) {                                                                           \
            f32x16 part = load_f32(x + i);                                                                             \
            PVIT_UNROLL                                                                                                \
            for (int r = 0; r < rows; r++)                                                                             \
                sums[r] = PVIT_MULTIPLY_ADD(load(w + (size_t)r * columns + i), part, sums[r]);                         \
        }                                                                                                              \
        if (i < columns) {                                                                                             \
            f32x16 part = load_f32_part(x + i, columns - i);                                                           \
            PVIT_UNROLL                                                                                                \
            for (int r = 0; r < rows; r++) {                                                                           \
                type buffer[16] = {0};                                                                                 \
                memcpy(buffer, w + (size_t)r * columns + i, (columns - i) * sizeof *buffer);                           \
                sums[r] = PVIT_MULTIPLY_ADD(load(buffer), part, sums[r]);                                              \
            }                                                                                                          \
        }                                                                                                              \
        PVIT_UNROLL                                                                                                    \
        for (int r = 0; r < rows; r++) y[r] = add_pairwise(sums[r]);                                                   \
    }                                                                                                                  \
    PVIT_TARGET static void name(const type *restrict w, size_t rows, size_t columns, const float *restrict x,         \
                                 float *restrict y) {                                                                  \
        size_t row = 0;                                                                                                \
        for (; row + GEMV_ROWS <= rows; row += GEMV_ROWS)                                                              \
            name##_rows(w + row * columns, columns, x, y + row, GEMV_ROWS);                                            \
        for (; row < rows; row++) name##_rows(w + row * columns, columns, x, y + row, 1);                              \
    }

GEMV(gemv_f32, float, load_f32)
GEMV(gemv_f16, uint16_t, load_f16)
GEMV(gemv_bf16, uint16_t, load_bf16)

#undef GEMV

PVIT_TARGET static void rms_norm(const float *x, const float *weight, size_t count, float epsilon, float *result) {
    f32x16 squares = splat(0);
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        f32x16 part = load_f32(x + i);
        squares = PVIT_MULTIPLY_ADD(part, part, squares);
    }
    if (i < count) {
        f32x16 part = load_f32_part(x + i, count - i);
        squares = PVIT_MULTIPLY_ADD(part, part, squares);
    }
    float inverse = 1.0f / sqrtf(add_pairwise(squares) / (float)count + epsilon);
    for (i = 0; i + 16 <= count; i += 16)
        store_f32(load_f32(x + i) * splat(inverse) * load_f32(weight + i), result + i);
    for (; i < count; i++) result[i] = x[i] * inverse * weight[i];
}

PVIT_TARGET static void rope(float *x, size_t heads, size_t width, const float *cosines, const float *sines) {
    size_t half = width / 2;
    for (size_t head = 0; head < heads; head++, x += width) {
        size_t i = 0;
        for (; i + 16 <= half; i += 16) {
            f32x16 a = load_f32(x + i), b = load_f32(x + half + i);
            f32x16 cosine = load_f32(cosines + i), sine = load_f32(sines + i);
            store_f32(PVIT_MULTIPLY_ADD(a, cosine, -(b * sine)), x + i);
            store_f32(PVIT_MULTIPLY_ADD(b, cosine, a * sine), x + half + i);
        }
        for (; i < half; i++) {
            float a = x[i], b = x[half + i];
            x[i] = __builtin_fmaf(a, cosines[i], -(b * sines[i]));
            x[half + i] = __builtin_fmaf(b, cosines[i], a * sines[i]);
        }
    }
}

PVIT_INLINE f32x16 swiglu_part(f32x16 gate, f32x16 up) { return gate / (splat(1.0f) + exponential(-gate)) * up; }

PVIT_TARGET static void swiglu(const float *gate, const float *up, size_t count, float *result) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) store_f32(swiglu_part(load_f32(gate + i), load_f32(up + i)), result + i);
    if (i < count)
        store_f32_part(swiglu_part(load_f32_part(gate + i, count - i), load_f32_part(up + i, count - i)), result + i,
                       count - i);
}

PVIT_TARGET static void add(float *restrict x, const float *restrict y, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) store_f32(load_f32(x + i) + load_f32(y + i), x + i);
    for (; i < count; i++) x[i] += y[i];
}

// The nearest integers of numbers within +-127, to even, as bytes.
PVIT_INLINE i8x16 round_to_codes(f32x16 x) {
    return __builtin_convertvector((i32x16)(x + splat(PVIT_INTEGER_BIAS)), i8x16);
}

// The largest magnitude of 32 numbers.
PVIT_INLINE float largest_magnitude(f32x16 first, f32x16 second) {
    return largest(larger(magnitude(second), larger(magnitude(first), splat(0))));
}

PVIT_TARGET static void quantize_activations(const float *restrict x, size_t columns, int8_t *restrict codes,
                                             float *restrict scales, int32_t *restrict sums) {
    for (size_t start = 0; start < columns; start += 32) {
        f32x16 halves[2] = {load_f32(x + start), load_f32(x + start + 16)};
        float maximum = largest_magnitude(halves[0], halves[1]);
        int occupied = maximum >= PVIT_ACTIVATION_MINIMUM;
        float inverse = occupied ? 127.0f / maximum : 0;
        scales[start / 32] = occupied ? maximum / 127.0f : 0;
        for (int half = 0; half < 2; half++) {
            i8x16 part = round_to_codes(halves[half] * splat(inverse));
            memcpy(codes + start + 16 * half, &part, sizeof part);
            sums[start / 16 + (size_t)half] = __builtin_reduce_add(__builtin_convertvector(part, i32x16));
        }
    }
}

PVIT_TARGET static float byte_limit(const float *x, size_t columns) {
    f32x16 squares = splat(0);
    for (size_t i = 0; i < columns; i += 16) {
        f32x16 part = load_f32(x + i);
        squares += part * part;
    }
    return PVIT_BYTE_LIMIT * sqrtf(add_pairwise(squares) / (float)columns);
}

// 32 numbers in 16 bits, the scale that they are a multiple of, and their sum.
PVIT_INLINE i16x32 quantize_wide(f32x16 first, f32x16 second, float maximum, pvit_code_range range, float *scale,
                                 int32_t *sum) {
    int occupied = maximum >= PVIT_ACTIVATION_MINIMUM;
    float inverse = occupied ? range.maximum / maximum : 0;
    *scale = occupied ? maximum / range.maximum * range.unit : 0;
    i32x16 integers = (i32x16)(first * splat(inverse) + splat(PVIT_INTEGER_BIAS)) << range.shift;
    i16x16 codes = __builtin_convertvector(integers, i16x16);
    integers = (i32x16)(second * splat(inverse) + splat(PVIT_INTEGER_BIAS)) << range.shift;
    i16x16 others = __builtin_convertvector(integers, i16x16);
    *sum = __builtin_reduce_add(__builtin_convertvector(codes, i32x16) + __builtin_convertvector(others, i32x16));
    i16x32 result;
    result.lo = codes;
    result.hi = others;
    return result;
}

PVIT_TARGET static void quantize_wide_activations(const float *restrict x, size_t columns, float byte_limit,
                                                  int16_t *restrict codes, float *restrict scales,
                                                  int32_t *restrict sums) {
    for (size_t start = 0; start < columns; start += 32) {
        f32x16 first = load_f32(x + start), second = load_f32(x + start + 16);
        float maximum = largest_magnitude(first, second);
        i16x32 part = quantize_wide(first, second, maximum, pvit_code_range_of(maximum, byte_limit),
                                    scales + start / 32, sums + start / 32);
        memcpy(codes + start, &part, sizeof part);
    }
}

#include "float/products.h"
