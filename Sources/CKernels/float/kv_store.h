// Keys and values of the cache (layouts in CKernels.h). Included by each instruction set's file in common/ after
// layers.h.

PVIT_TARGET static void store_q8_block(const float *x, uint8_t *codes, uint8_t *scale) {
    f32x16 halves[2] = {load_f32(x), load_f32(x + 16)};
    float maximum = largest(larger(magnitude(halves[1]), larger(magnitude(halves[0]), splat(0))));
    uint16_t half = pvit_f32_to_f16(maximum * (1.0f / 127.0f));
    memcpy(scale, &half, sizeof half);
    float inverse = half ? 1.0f / pvit_f16_to_f32(half) : 0;
    for (int i = 0; i < 2; i++) {
        f32x16 value = halves[i] * splat(inverse);
        value = value > splat(-127.0f) ? value : splat(-127.0f);
        value = value < splat(127.0f) ? value : splat(127.0f);
        i8x16 part = round_to_codes(value) ^ (int8_t)-128;
        memcpy(codes + 16 * i, &part, sizeof part);
    }
}

PVIT_TARGET static void store_value(const float *restrict x, size_t width, pvit_kv_type type, void *restrict values,
                                    size_t position) {
    size_t row_bytes = pvit_kv_row_bytes(type, width), row = position % PVIT_VALUE_GROUP;
    uint8_t *place = (uint8_t *)values + position * row_bytes, *group = place - row * row_bytes;
    switch (type) {
    case PVIT_KV_F32: memcpy(place, x, width * sizeof *x); break;
    case PVIT_KV_F16: f32_to_f16(x, (uint16_t *)(void *)place, width); break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32) {
            uint8_t codes[32], *column = group + (row / 4 * width + start) * 4 + row % 4;
            store_q8_block(x + start, codes, group + PVIT_VALUE_GROUP * (width + start / 16) + 2 * row);
            for (size_t i = 0; i < 32; i++) column[4 * i] = codes[i];
        }
        break;
    }
}

PVIT_TARGET static void store_key(const float *restrict x, size_t width, pvit_kv_type type, void *restrict keys,
                                  size_t position) {
    size_t row = position % PVIT_KEY_GROUP;
    uint8_t *group = (uint8_t *)keys + (position - row) * pvit_kv_row_bytes(type, width);
    switch (type) {
    case PVIT_KV_F32:
        for (size_t i = 0; i < width; i++) ((float *)(void *)group)[16 * i + row] = x[i];
        break;
    case PVIT_KV_F16:
        for (size_t start = 0; start < width; start += 64) {
            uint16_t halves[64];
            size_t count = width - start < 64 ? width - start : 64;
            f32_to_f16(x + start, halves, count);
            for (size_t i = 0; i < count; i++) ((uint16_t *)(void *)group)[16 * (start + i) + row] = halves[i];
        }
        break;
    case PVIT_KV_Q8:
        for (size_t start = 0; start < width; start += 32) {
            uint8_t codes[32];
            store_q8_block(x + start, codes, group + PVIT_KEY_GROUP * (width + start / 16) + 2 * row);
            for (size_t i = 0; i < 32; i += 4) memcpy(group + 16 * (start + i) + 4 * row, codes + i, 4);
        }
        break;
    }
}
