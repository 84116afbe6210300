// Runs each hot kernel once on fixed input under callgrind, which dumps the instructions of each call by its name:
// tools/count_instructions. AVX-512 is not counted: valgrind does not know it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "CKernels.h"

enum { COLUMNS = 1024, GROUPS = 2, ROWS = 16 * GROUPS, TOKENS = 12, HEADS = 4, WIDTH = 128, POSITIONS = 256 };

static const char *isa_name;
static void begin(void) { CALLGRIND_ZERO_STATS; }
static void end(const char *kernel) {
    char name[64];
    snprintf(name, sizeof name, "%s %s", isa_name, kernel);
    CALLGRIND_DUMP_STATS_AT(name);
}
#define COUNT(name, call) (begin(), call, end(name))

static float x[TOKENS * COLUMNS], w[ROWS * COLUMNS], y[96 * PVIT_PANEL_STRIDE], scratch[1 << 16];
static uint16_t halves[ROWS * COLUMNS];
static uint8_t q4[ROWS * COLUMNS], q8[2 * ROWS * COLUMNS];
static int8_t codes[TOKENS * COLUMNS];
static int16_t wide_codes[TOKENS * COLUMNS];
static float scales[TOKENS * COLUMNS / 32], wide_scales[TOKENS * COLUMNS / 32];
static int32_t sums[TOKENS * COLUMNS / 16], wide_sums[TOKENS * COLUMNS / 32];
static _Alignas(64) uint8_t packed[3 * TOKENS * COLUMNS];
static _Alignas(64) uint8_t keys[POSITIONS * WIDTH * 4], values[POSITIONS * WIDTH * 4];

// Numbers from -1 to 1, the same in each run: a linear congruential generator (Knuth, MMIX).
static void fill(float *numbers, size_t count) {
    static uint64_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        numbers[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
}

static void quantized(const pvit_kernels *k) {
    static float importance[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++) importance[i] = 1 + x[i] * x[i];
    pvit_error_sums errors = {0};
    const size_t stride = COLUMNS;
    float q4_scale = pvit_q4_tile_scale(1), q8_scale = pvit_q8_tile_scale(1);
    COUNT("encode_q4", k->encode_q4(w, 16, COLUMNS, stride, importance, q4_scale, scratch, q4, &errors));
    COUNT("encode_q8", k->encode_q8(w, 16, COLUMNS, stride, importance, q8_scale, scratch, q8, &errors));
    for (size_t g = 1; g < GROUPS; g++) {
        size_t q4_bytes = COLUMNS * 16 / 2 + COLUMNS, q8_bytes = COLUMNS * 16 + COLUMNS;
        k->encode_q4(w + g * 16 * COLUMNS, 16, COLUMNS, stride, importance, q4_scale, scratch, q4 + g * q4_bytes,
                     &errors);
        k->encode_q8(w + g * 16 * COLUMNS, 16, COLUMNS, stride, importance, q8_scale, scratch, q8 + g * q8_bytes,
                     &errors);
    }
    COUNT("quantize_activations", k->quantize_activations(x, COLUMNS, codes, scales, sums));
    float limit = 0;
    COUNT("byte_limit", limit = k->byte_limit(x, COLUMNS));
    COUNT("quantize_wide_activations",
          k->quantize_wide_activations(x, COLUMNS, limit, wide_codes, wide_scales, wide_sums));
    for (size_t t = 1; t < TOKENS; t++) {
        k->quantize_activations(x + t * COLUMNS, COLUMNS, codes + t * COLUMNS, scales + t * COLUMNS / 32,
                                sums + t * COLUMNS / 16);
        k->quantize_wide_activations(x + t * COLUMNS, COLUMNS, limit, wide_codes + t * COLUMNS,
                                     wide_scales + t * COLUMNS / 32, wide_sums + t * COLUMNS / 32);
    }
    pvit_activations narrow = {codes, scales, sums};
    pvit_wide_activations wide = {wide_codes, wide_scales, wide_sums};
    COUNT("gemv_q4", k->gemv_q4(q4, GROUPS, COLUMNS, q4_scale, narrow, 1, y, ROWS));
    COUNT("gemv_q8", k->gemv_q8(q8, GROUPS, COLUMNS, q8_scale, wide, 1, y, ROWS));
    COUNT("pack_activations", k->pack_activations(narrow, 0, COLUMNS, COLUMNS, 0, TOKENS, packed));
    for (size_t t = 1; t < TOKENS; t++)
        k->pack_activations((pvit_activations){codes + t * COLUMNS, scales + t * COLUMNS / 32, sums + t * COLUMNS / 16},
                            0, COLUMNS, COLUMNS, t, TOKENS, packed);
    COUNT("gemm_q4", k->gemm_q4(q4, GROUPS, COLUMNS, q4_scale, packed, TOKENS, y, ROWS));
    COUNT("pack_wide_activations", k->pack_wide_activations(wide, 0, COLUMNS, COLUMNS, 0, TOKENS, packed));
    for (size_t t = 1; t < TOKENS; t++)
        k->pack_wide_activations((pvit_wide_activations){wide_codes + t * COLUMNS, wide_scales + t * COLUMNS / 32,
                                                         wide_sums + t * COLUMNS / 32},
                                 0, COLUMNS, COLUMNS, t, TOKENS, packed);
    COUNT("gemm_q8", k->gemm_q8(q8, GROUPS, COLUMNS, q8_scale, packed, TOKENS, y, ROWS));
}

static void halves_and_layers(const pvit_kernels *k) {
    k->f32_to_f16(w, halves, ROWS * COLUMNS);
    COUNT("gemv_f16", k->gemv_f16(halves, ROWS, COLUMNS, x, y));
    COUNT("gemm_f16", k->gemm_f16(halves, ROWS, COLUMNS, x, COLUMNS, TOKENS, y, ROWS));
    COUNT("rms_norm", k->rms_norm(x, w, COLUMNS, 1e-6f, y));
    COUNT("swiglu", k->swiglu(x, w, COLUMNS, y));
    memcpy(y, x, HEADS * WIDTH * sizeof *y);
    COUNT("rope", k->rope(y, HEADS, WIDTH, w, w + WIDTH / 2));
}

static void attention(const pvit_kernels *k, pvit_kv_type type, const char *name) {
    for (size_t p = 0; p < POSITIONS; p++) {
        k->store_key(w + p % ROWS * COLUMNS, WIDTH, type, keys, p);
        k->store_value(w + p % ROWS * COLUMNS + WIDTH, WIDTH, type, values, p);
    }
    COUNT(name, k->attend(x, 1, HEADS, HEADS * WIDTH, keys, values, type, WIDTH, POSITIONS, 0.088f, scratch, y));
}

static void panels(const pvit_kernels *k) {
    static float panel[PVIT_PANEL_ROWS * PVIT_PANEL_STRIDE], groups[GROUPS * 16 * PVIT_PANEL_DEPTH];
    fill(panel, sizeof panel / sizeof *panel);
    for (size_t g = 0; g < GROUPS; g++)
        k->pack_rows(w + g * 16 * COLUMNS, PVIT_FLOAT_F32, 16, PVIT_PANEL_DEPTH, COLUMNS, 1, 0,
                     groups + g * 16 * PVIT_PANEL_DEPTH);
    COUNT("multiply_panel", k->multiply_panel(panel, PVIT_PANEL_ROWS, PVIT_PANEL_DEPTH, groups, GROUPS,
                                              16 * PVIT_PANEL_DEPTH, 0, y, ROWS));
    pvit_epilogue epilogue = {NULL, x, NULL, 0, PVIT_ACTIVATION_QUICK_GELU};
    COUNT("finish", k->finish(y, ROWS, PVIT_PANEL_ROWS, ROWS, epilogue, scratch, ROWS));
}

int main(void) {
    fill(x, sizeof x / sizeof *x);
    fill(w, sizeof w / sizeof *w);
    const pvit_isa isas[] = {PVIT_ISA_SCALAR, PVIT_ISA_AVX2};
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        const pvit_kernels *kernels = pvit_kernels_for(isas[i]);
        if (!kernels) continue;
        isa_name = kernels->name;
        quantized(kernels);
        halves_and_layers(kernels);
        attention(kernels, PVIT_KV_F16, "attend_f16");
        attention(kernels, PVIT_KV_Q8, "attend_q8");
        panels(kernels);
    }
}
