#include <string.h>

#include "common/variants.h"

uint64_t pvit_scalar_read_probe(const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    uint64_t sums[8] = {0};
    for (; count >= 64; count -= 64, next += 64)
        for (size_t i = 0; i < 8; i++) {
            uint64_t word;
            memcpy(&word, next + 8 * i, sizeof word);
            sums[i] += word;
        }
    uint64_t sum = 0;
    for (size_t i = 0; i < 8; i++) sum += sums[i];
    return sum;
}

uint64_t pvit_scalar_dot_probe(size_t iterations, uint32_t *checksum) {
    int8_t a[64], b[64];
    for (int i = 0; i < 64; i++) {
        a[i] = (int8_t)i;
        b[i] = (int8_t)(*checksum + (uint32_t)i);
    }
    int32_t sum = 0;
    for (size_t iteration = 0; iteration < iterations; iteration++) {
        for (int i = 0; i < 64; i++) sum = (int32_t)((uint32_t)sum + (uint32_t)(a[i] * b[i]));
        b[iteration % 64] = (int8_t)sum;
    }
    *checksum = (uint32_t)sum;
    return (uint64_t)iterations * 128;
}
