// Compares every kernel of each instruction set that the processor has with its scalar twin, bit for bit, on random
// shapes and numbers, edge lengths and extreme scales. For kernels that the Swift tests cannot run everywhere:
// tools/test_neon and tools/test_avx_vnni run it. Prints what differs, and exits with 1 if anything does.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"
#include "common/numerics.h"

#define MOST (1 << 16)

static uint64_t state = 1;
static long passed, failed;

// xorshift64*, Vigna, arXiv 1402.6246.
static uint64_t bits(void) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1D;
}
static size_t below(size_t count) { return (size_t)(bits() >> 33) % count; }
static float number(void) { return (float)((double)(bits() >> 11) * 0x1p-52 - 1) * (below(20) ? 1 : 40); }
static uint16_t half(void) { return (uint16_t)((bits() & 0x8000) | (10 + below(8)) << 10 | (bits() >> 40 & 0x3FF)); }

static void fill_floats(float *x, size_t count, float scale) {
    for (size_t i = 0; i < count; i++) x[i] = number() * scale;
}
static void fill_bytes(void *x, size_t count) {
    for (size_t i = 0; i < count; i++) ((uint8_t *)x)[i] = (uint8_t)(bits() >> 50);
}

// NaNs may differ in their payload where nothing is promised of it.
static void check(const char *isa, const char *what, const void *a, const void *b, size_t count, size_t width) {
    for (size_t i = 0; i < count * width; i += width)
        if (memcmp((const char *)a + i, (const char *)b + i, width)) {
            uint32_t x = 0, y = 0;
            memcpy(&x, (const char *)a + i, width);
            memcpy(&y, (const char *)b + i, width);
            printf("%s %s: element %zu of %zu is %08x, not %08x\n", isa, what, i / width, count, x, y);
            failed++;
            return;
        }
    passed++;
}
#define CHECK(what, a, b, count) check(k->name, what, a, b, count, sizeof *(a))

static const float scales[] = {1, 1e-30f, 1e30f, 0, 1e-6f, 300};
#define SCALES (sizeof scales / sizeof *scales)

static float f[6][MOST];
static uint16_t h[5][MOST];
static int8_t c8[2][MOST];
static int16_t c16[2][MOST];
static _Alignas(64) uint8_t packed[2][3 * MOST];
static int32_t sums[2][MOST];
static uint8_t w[1 << 20];

static void conversions(const pvit_kernels *k, const pvit_kernels *s) {
    for (size_t i = 0; i < MOST; i++) h[0][i] = (uint16_t)i;
    k->f16_to_f32(h[0], f[0], MOST), s->f16_to_f32(h[0], f[1], MOST);
    CHECK("f16_to_f32", f[0], f[1], MOST);
    k->bf16_to_f32(h[0], f[0], MOST), s->bf16_to_f32(h[0], f[1], MOST);
    CHECK("bf16_to_f32", f[0], f[1], MOST);
    for (int round = 0; round < 200; round++) {
        size_t count = round < 40 ? (size_t)round : below(MOST / 8);
        for (size_t i = 0; i < count; i++) {
            uint32_t pattern = (uint32_t)bits();
            if (round % 2) pattern = (pattern & 0x8FFFFFFF) | 0x30000000; // within what halves can hold
            memcpy(&f[0][i], &pattern, sizeof pattern);
            h[0][i] = (uint16_t)bits(), h[1][i] = (uint16_t)bits();
        }
        k->f32_to_f16(f[0], h[2], count), s->f32_to_f16(f[0], h[3], count);
        CHECK("f32_to_f16", h[2], h[3], count);
        k->f32_to_bf16(f[0], h[2], count), s->f32_to_bf16(f[0], h[3], count);
        CHECK("f32_to_bf16", h[2], h[3], count);
        // Sums of numbers: what NaN a sum of two NaNs is, no standard says.
        for (size_t i = 0; i < count; i++) h[0][i] &= 0xBBFF, h[1][i] &= 0xBBFF;
        k->add_f16(h[0], h[1], h[2], count), s->add_f16(h[0], h[1], h[3], count);
        CHECK("add_f16", h[2], h[3], count);
        k->subtract_f16(h[0], h[1], h[2], count), s->subtract_f16(h[0], h[1], h[3], count);
        CHECK("subtract_f16", h[2], h[3], count);
        for (size_t i = 0; i < count; i++) h[0][i] &= 0xBFFF, h[1][i] &= 0xBFFF;
        k->add_bf16(h[0], h[1], h[2], count), s->add_bf16(h[0], h[1], h[3], count);
        CHECK("add_bf16", h[2], h[3], count);
        k->subtract_bf16(h[0], h[1], h[2], count), s->subtract_bf16(h[0], h[1], h[3], count);
        CHECK("subtract_bf16", h[2], h[3], count);
    }
}

static void layers(const pvit_kernels *k, const pvit_kernels *s) {
    for (int round = 0; round < 120; round++) {
        size_t count = round < 70 ? (size_t)round + 1 : below(5000) + 1;
        float scale = scales[(size_t)round % SCALES];
        fill_floats(f[0], count, scale), fill_floats(f[1], count, 1);
        k->rms_norm(f[0], f[1], count, 1e-6f, f[2]), s->rms_norm(f[0], f[1], count, 1e-6f, f[3]);
        CHECK("rms_norm", f[2], f[3], count);
        k->swiglu(f[0], f[1], count, f[2]), s->swiglu(f[0], f[1], count, f[3]);
        CHECK("swiglu", f[2], f[3], count);
        memcpy(f[2], f[0], sizeof f[0]), memcpy(f[3], f[0], sizeof f[0]);
        k->add(f[2], f[1], count), s->add(f[3], f[1], count);
        CHECK("add", f[2], f[3], count);

        size_t width = 2 * (below(70) + 1), heads = below(4) + 1;
        fill_floats(f[2], width * heads, scale), memcpy(f[3], f[2], sizeof f[2]);
        fill_floats(f[1], width, 1);
        k->rope(f[2], heads, width, f[1], f[1] + width / 2), s->rope(f[3], heads, width, f[1], f[1] + width / 2);
        CHECK("rope", f[2], f[3], width * heads);

        size_t columns = 32 * (below(40) + 1);
        fill_floats(f[0], columns, scale);
        if (round % 3 == 0) memset(f[0], 0, 32 * sizeof(float));
        k->quantize_activations(f[0], columns, c8[0], f[1], sums[0]);
        s->quantize_activations(f[0], columns, c8[1], f[2], sums[1]);
        CHECK("quantize_activations", c8[0], c8[1], columns);
        CHECK("quantize_activations scales", f[1], f[2], columns / 32);
        CHECK("quantize_activations sums", sums[0], sums[1], columns / 16);
        float limits[2] = {k->byte_limit(f[0], columns), s->byte_limit(f[0], columns)};
        CHECK("byte_limit", limits, limits + 1, 1);
        float limit = limits[0] / (float)(below(4) + 1); // for some blocks
        k->quantize_wide_activations(f[0], columns, limit, c16[0], f[1], sums[0]);
        s->quantize_wide_activations(f[0], columns, limit, c16[1], f[2], sums[1]);
        CHECK("quantize_wide_activations", c16[0], c16[1], columns);
        CHECK("quantize_wide_activations scales", f[1], f[2], columns / 32);
        CHECK("quantize_wide_activations sums", sums[0], sums[1], columns / 32);

        size_t rows = below(9) + 1;
        count = below(600) + 1;
        fill_floats(f[0], rows * count, scale), fill_floats(f[1], count, 1);
        k->gemv_f32(f[0], rows, count, f[1], f[2]), s->gemv_f32(f[0], rows, count, f[1], f[3]);
        CHECK("gemv_f32", f[2], f[3], rows);
        for (size_t i = 0; i < rows * count; i++) h[0][i] = half();
        k->gemv_f16(h[0], rows, count, f[1], f[2]), s->gemv_f16(h[0], rows, count, f[1], f[3]);
        CHECK("gemv_f16", f[2], f[3], rows);
        k->gemv_bf16(h[0], rows, count, f[1], f[2]), s->gemv_bf16(h[0], rows, count, f[1], f[3]);
        CHECK("gemv_bf16", f[2], f[3], rows);

        size_t tokens = below(8) + 1, x_stride = count + below(5), y_stride = rows + below(3);
        fill_floats(f[1], tokens * x_stride, 1);
        memset(f[2], 0, sizeof f[2]), memset(f[3], 0, sizeof f[3]);
        k->gemm_f32(f[0], rows, count, f[1], x_stride, tokens, f[2], y_stride);
        s->gemm_f32(f[0], rows, count, f[1], x_stride, tokens, f[3], y_stride);
        CHECK("gemm_f32", f[2], f[3], tokens * y_stride);
        k->gemm_f16(h[0], rows, count, f[1], x_stride, tokens, f[2], y_stride);
        s->gemm_f16(h[0], rows, count, f[1], x_stride, tokens, f[3], y_stride);
        CHECK("gemm_f16", f[2], f[3], tokens * y_stride);
        k->gemm_bf16(h[0], rows, count, f[1], x_stride, tokens, f[2], y_stride);
        s->gemm_bf16(h[0], rows, count, f[1], x_stride, tokens, f[3], y_stride);
        CHECK("gemm_bf16", f[2], f[3], tokens * y_stride);
    }
}

// The products of a type of weights with activations `x` of their kind: a row, products with few tokens and with many.
#define COMPARE_PRODUCTS(type, kind, x)                                                                                \
    k->row_##type(w, row, columns, 0.01f, f[2]), s->row_##type(w, row, columns, 0.01f, f[3]);                          \
    CHECK("row_" #type, f[2], f[3], columns);                                                                          \
    memset(f[2], 0, sizeof f[2]), memset(f[3], 0, sizeof f[3]);                                                        \
    k->gemv_##type(w, groups, columns, 0.01f, x, few, f[2], stride);                                                   \
    s->gemv_##type(w, groups, columns, 0.01f, x, few, f[3], stride);                                                   \
    CHECK("gemv_" #type, f[2], f[3], (few * stride));                                                                  \
    for (size_t t = 0; t < tokens; t++) {                                                                              \
        k->pack_##kind(pvit_##kind##_from(x, columns, t), 0, columns, columns, t, tokens, packed[0]);                  \
        s->pack_##kind(pvit_##kind##_from(x, columns, t), 0, columns, columns, t, tokens, packed[1]);                  \
    }                                                                                                                  \
    memset(f[2], 0, sizeof f[2]), memset(f[3], 0, sizeof f[3]);                                                        \
    k->gemm_##type(w, groups, columns, 0.01f, packed[0], tokens, f[2], stride);                                        \
    s->gemm_##type(w, groups, columns, 0.01f, packed[1], tokens, f[3], stride);                                        \
    CHECK("gemm_" #type, f[2], f[3], (tokens * stride))

static void products(const pvit_kernels *k, const pvit_kernels *s) {
    const size_t widths[] = {32, 64, 96, 128, 576, 608, 1536};
    for (int round = 0; round < 150; round++) {
        size_t columns = widths[(size_t)round % 7], groups = below(3) + 1, tokens = below(10) + 1;
        size_t stride = groups * 16 + below(3) * 16;
        float scale = scales[(size_t)round / 7 % SCALES];
        fill_floats(f[0], columns * tokens, scale);
        if (round % 5 == 0) // the largest codes there are
            for (size_t i = 0; i < columns * tokens; i++) f[0][i] = bits() >> 40 & 1 ? scale : -scale;
        fill_bytes(w, groups * columns * 17);
        size_t row = below(16), few = tokens < PVIT_GEMV_TOKENS ? tokens : PVIT_GEMV_TOKENS;
        for (size_t t = 0; t < tokens; t++)
            s->quantize_activations(f[0] + t * columns, columns, c8[0] + t * columns, f[1] + t * columns / 32,
                                    sums[0] + t * columns / 16);
        pvit_activations x = {c8[0], f[1], sums[0]};
        COMPARE_PRODUCTS(q4, activations, x);

        // Codes of q8 are 1 to 255, and its scales numbers.
        for (size_t g = 0; g < groups; g++)
            for (size_t start = 0; start < columns; start += 64) {
                size_t width = columns - start < 64 ? columns - start : 64;
                uint8_t *superblock = w + (g * columns + start) * 17;
                for (size_t i = 0; i < width * 17; i++)
                    if (!superblock[i]) superblock[i] = 255;
                for (size_t i = 0; i < width / 2; i++) {
                    uint16_t value = half() & 0x7FFF;
                    memcpy(superblock + 2 * i, &value, sizeof value);
                }
            }
        for (size_t t = 0; t < tokens; t++)
            s->quantize_wide_activations(f[0] + t * columns, columns,
                                         s->byte_limit(f[0] + t * columns, columns) / (float)(below(4) + 1),
                                         c16[0] + t * columns, f[1] + t * columns / 32, sums[0] + t * columns / 32);
        pvit_wide_activations wide = {c16[0], f[1], sums[0]};
        COMPARE_PRODUCTS(q8, wide_activations, wide);
    }
}

static void attention(const pvit_kernels *k, const pvit_kernels *s) {
    static _Alignas(64) uint8_t keys[2][1 << 19], values[2][1 << 19];
    for (int round = 0; round < 90; round++) {
        pvit_kv_type type = (pvit_kv_type)(round % 3);
        size_t width = type == PVIT_KV_Q8 ? 32 * (below(4) + 1) : below(130) + 1;
        size_t tokens = below(6) + 1, heads = below(5) + 1, positions = below(200) + 1;
        size_t total = positions + tokens - 1, row = pvit_kv_row_bytes(type, width);
        memset(keys, 0, sizeof keys), memset(values, 0, sizeof values);
        for (size_t p = 0; p < total; p++) {
            fill_floats(f[0], width, scales[round % 4 ? 0 : 4]);
            const pvit_kernels *each[2] = {k, s};
            for (int i = 0; i < 2; i++) {
                each[i]->store_key(f[0], width, type, keys[i], p);
                each[i]->store_value(f[0], width, type, values[i], p);
            }
        }
        CHECK("store_key", keys[0], keys[1], (total + 15) / 16 * 16 * row);
        CHECK("store_value", values[0], values[1], (total + 31) / 32 * 32 * row);
        size_t stride = heads * width;
        fill_floats(f[0], tokens * stride, 1);
        memset(f[2], 0, sizeof f[2]), memset(f[3], 0, sizeof f[3]);
        k->attend(f[0], tokens, heads, stride, keys[1], values[1], type, width, positions, 0.125f, f[1], f[2]);
        s->attend(f[0], tokens, heads, stride, keys[1], values[1], type, width, positions, 0.125f, f[1], f[3]);
        CHECK("attend", f[2], f[3], tokens * stride);
    }
}

static void floats(const pvit_kernels *k, const pvit_kernels *s) {
    for (int round = 0; round < 90; round++) {
        size_t rows = below(PVIT_PANEL_ROWS) + 1, depth = below(100) + 1, groups = below(5) + 1,
               stride = groups * 16 + 16;
        fill_floats(f[0], rows * PVIT_PANEL_STRIDE, 1), fill_floats(f[1], groups * depth * 16, 1);
        fill_floats(f[2], rows * stride, 1), memcpy(f[3], f[2], sizeof f[2]);
        k->multiply_panel(f[0], rows, depth, f[1], groups, depth * 16, round % 2, f[2], stride);
        s->multiply_panel(f[0], rows, depth, f[1], groups, depth * 16, round % 2, f[3], stride);
        CHECK("multiply_panel", f[2], f[3], rows * stride);
        size_t outputs = groups * 16 - below(16);
        pvit_epilogue epilogue = {round % 2 ? f[1] : NULL, round % 3 ? f[1] : NULL, round % 5 ? f[0] : NULL, outputs,
                                  (pvit_activation)(round % 3)};
        k->finish(f[2], stride, rows, outputs, epilogue, f[4], outputs);
        s->finish(f[2], stride, rows, outputs, epilogue, f[5], outputs);
        CHECK("finish", f[4], f[5], rows * outputs);

        size_t lanes = below(16) + 1, columns = below(200) + 1;
        for (size_t i = 0; i < lanes * columns; i++) h[0][i] = half();
        memset(f[2], 0, sizeof f[2]), memset(f[3], 0, sizeof f[3]);
        pvit_float_type type = (pvit_float_type)(round % 3);
        const void *source = type == PVIT_FLOAT_F32 ? (const void *)f[0] : (const void *)h[0];
        k->pack_rows(source, type, lanes, columns, columns, 1, 16 - lanes, f[2]);
        s->pack_rows(source, type, lanes, columns, columns, 1, 16 - lanes, f[3]);
        CHECK("pack_rows", f[2], f[3], columns * 16);

        size_t count = below(3000) + 1;
        fill_floats(f[0], count, scales[(size_t)round % SCALES]);
        k->layer_norm(f[0], f[1], f[1], count, 1e-5f, f[2]), s->layer_norm(f[0], f[1], f[1], count, 1e-5f, f[3]);
        CHECK("layer_norm", f[2], f[3], count);
        fill_floats(f[2], count, 10), memcpy(f[3], f[2], sizeof f[2]);
        k->softmax(f[2], count, 0.5f), s->softmax(f[3], count, 0.5f);
        CHECK("softmax", f[2], f[3], count);
        const float *parts[8];
        for (size_t i = 0; i < 8; i++) parts[i] = f[0] + 64 * i;
        size_t width = below(200) + 1;
        fill_floats(f[0], 64 * 8 + width, 1);
        k->weighted_sum(parts, f[1], 8, width, f[2]), s->weighted_sum(parts, f[1], 8, width, f[3]);
        CHECK("weighted_sum", f[2], f[3], width);
    }
}

int main(void) {
    const pvit_kernels *scalar = pvit_kernels_for(PVIT_ISA_SCALAR);
    for (int isa = PVIT_ISA_SCALAR + 1; isa <= PVIT_ISA_AVX_VNNI; isa++) {
        const pvit_kernels *kernels = pvit_kernels_for((pvit_isa)isa);
        if (!kernels) continue;
        long before = passed, wrong = failed;
        conversions(kernels, scalar);
        layers(kernels, scalar);
        products(kernels, scalar);
        attention(kernels, scalar);
        floats(kernels, scalar);
        printf("%s: %ld comparisons, %ld differ\n", kernels->name, passed - before + failed - wrong, failed - wrong);
    }
    printf("best: %s\n%ld passed, %ld failed\n", pvit_kernels_best()->name, passed, failed);
    return failed > 0 || passed == 0;
}
