// Number formats and sums of halves, sixteen numbers at a time. Included by each instruction set's file in common/.

#define CONVERT(name, from_type, to_type, load, convert, store)                                                        \
    PVIT_TARGET static void name(const from_type *restrict source, to_type *restrict result, size_t count) {           \
        size_t i = 0;                                                                                                  \
        for (; i + 16 <= count; i += 16) store(convert(load(source + i)), result + i);                                 \
        if (i < count) {                                                                                               \
            from_type input[16] = {0};                                                                                 \
            to_type output[16];                                                                                        \
            memcpy(input, source + i, (count - i) * sizeof *input);                                                    \
            store(convert(load(input)), output);                                                                       \
            memcpy(result + i, output, (count - i) * sizeof *output);                                                  \
        }                                                                                                              \
    }

PVIT_INLINE u16x16 load_u16(const uint16_t *from) {
    u16x16 x;
    memcpy(&x, from, sizeof x);
    return x;
}

PVIT_INLINE void store_u16(u16x16 x, uint16_t *to) { memcpy(to, &x, sizeof x); }

CONVERT(f16_to_f32, uint16_t, float, load_u16, from_f16, store_f32)
CONVERT(bf16_to_f32, uint16_t, float, load_u16, from_bf16, store_f32)
CONVERT(f32_to_f16, float, uint16_t, load_f32, to_f16, store_u16)
CONVERT(f32_to_bf16, float, uint16_t, load_f32, to_bf16, store_u16)

// Magnitudes whose patterns are those of `infinity` or above are not finite.
#define COMBINE(name, operator, from, to, infinity)                                                                    \
    PVIT_TARGET static bool name(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count) {               \
        u16x16 largest = 0;                                                                                            \
        size_t i = 0;                                                                                                  \
        for (; i + 16 <= count; i += 16) {                                                                             \
            u16x16 combined = to(from(load_u16(a + i)) operator from(load_u16(b + i)));                                \
            largest = __builtin_elementwise_max(largest, combined & 0x7FFF);                                           \
            store_u16(combined, result + i);                                                                           \
        }                                                                                                              \
        if (i < count) {                                                                                               \
            uint16_t left[16] = {0}, right[16] = {0};                                                                  \
            memcpy(left, a + i, (count - i) * sizeof *left);                                                           \
            memcpy(right, b + i, (count - i) * sizeof *right);                                                         \
            u16x16 combined = to(from(load_u16(left)) operator from(load_u16(right)));                                 \
            largest = __builtin_elementwise_max(largest, combined & 0x7FFF);                                           \
            memcpy(result + i, &combined, (count - i) * sizeof *result);                                               \
        }                                                                                                              \
        return __builtin_reduce_max(largest) < infinity;                                                               \
    }

COMBINE(add_f16, +, from_f16, to_f16, 0x7C00)
COMBINE(add_bf16, +, from_bf16, to_bf16, 0x7F80)
COMBINE(subtract_f16, -, from_f16, to_f16, 0x7C00)
COMBINE(subtract_bf16, -, from_bf16, to_bf16, 0x7F80)

#undef CONVERT
#undef COMBINE
