#include "float/panel_packing.h"
#include "common/variants.h"
#include "common/numerics.h"

void pvit_scalar_pack_rows(const void *restrict w, pvit_float_type type, size_t rows, size_t columns, size_t stride,
                           size_t kernel_area, size_t first_lane, float *restrict group) {
    pvit_pack_numbers(w, type, rows, columns, stride, kernel_area, first_lane, group);
}

void pvit_scalar_multiply_panel(const float *restrict panel, size_t rows, size_t depth,
                                const float *restrict groups_start, size_t groups, size_t group_stride, int accumulate,
                                float *restrict sums, size_t sums_stride) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t output = 0; output < 16 * groups; output++) {
            const float *weights = groups_start + output / 16 * group_stride + output % 16;
            float sum = accumulate ? sums[row * sums_stride + output] : 0;
            for (size_t k = 0; k < depth; k++) sum = fmaf(panel[row * PVIT_PANEL_STRIDE + k], weights[k * 16], sum);
            sums[row * sums_stride + output] = sum;
        }
    }
}

void pvit_scalar_finish(const float *restrict sums, size_t sums_stride, size_t rows, size_t outputs,
                        pvit_epilogue epilogue, float *y, size_t y_stride) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t output = 0; output < outputs; output++) {
            float scale = epilogue.scale ? epilogue.scale[output] : 1;
            float value = fmaf(sums[row * sums_stride + output], scale, epilogue.shift ? epilogue.shift[output] : 0);
            if (epilogue.residual) value += epilogue.residual[row * epilogue.residual_stride + output];
            if (epilogue.activation == PVIT_ACTIVATION_RELU) value = value < 0 ? 0 : value;
            if (epilogue.activation == PVIT_ACTIVATION_QUICK_GELU) value = value / (1.0f + pvit_exp(-1.702f * value));
            y[row * y_stride + output] = value;
        }
    }
}

void pvit_scalar_layer_norm(const float *x, const float *weight, const float *bias, size_t count, float epsilon,
                            float *result) {
    float sums[16] = {0}, squares[16] = {0};
    for (size_t i = 0; i < count; i++) sums[i % 16] += x[i];
    float mean = pvit_add_pairwise(sums) / (float)count;
    for (size_t i = 0; i < count; i++) squares[i % 16] = fmaf(x[i] - mean, x[i] - mean, squares[i % 16]);
    float inverse = 1.0f / sqrtf(pvit_add_pairwise(squares) / (float)count + epsilon);
    for (size_t i = 0; i < count; i++) result[i] = fmaf((x[i] - mean) * inverse, weight[i], bias[i]);
}

void pvit_scalar_softmax(float *x, size_t count, float scale) {
    float maximum = -INFINITY, sums[16] = {0};
    for (size_t i = 0; i < count; i++) {
        x[i] *= scale;
        if (x[i] > maximum) maximum = x[i];
    }
    for (size_t i = 0; i < count; i++) {
        x[i] = pvit_exp(x[i] - maximum);
        sums[i % 16] += x[i];
    }
    float inverse = 1.0f / pvit_add_pairwise(sums);
    for (size_t i = 0; i < count; i++) x[i] *= inverse;
}

void pvit_scalar_weighted_sum(const float *const *rows, const float *restrict weights, size_t count, size_t width,
                              float *restrict result) {
    for (size_t i = 0; i < width; i++) {
        float sum = 0;
        for (size_t row = 0; row < count; row++) sum = fmaf(weights[row], rows[row][i], sum);
        result[i] = sum;
    }
}

uint64_t pvit_scalar_fma_probe(size_t iterations, float *checksum) {
    float sums[16];
    for (int i = 0; i < 16; i++) sums[i] = (float)i;
    for (size_t iteration = 0; iteration < iterations; iteration++)
        for (int i = 0; i < 16; i++) sums[i] = fmaf(sums[i], *checksum, 1.0f);
    *checksum = pvit_add_pairwise(sums);
    return (uint64_t)iterations * 16 * 2;
}
