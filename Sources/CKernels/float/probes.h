// Measures the limits of the processor. Included by each instruction set's file in common/; dot_probe stands there or
// in quantized/vnni_probe.h.

#define PROBE_CHAINS 12 // independent sums, enough to hide the latency of a dot product

PVIT_TARGET static uint64_t read_probe(const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    u32x16 sums[4] = {0};
    size_t i = 0;
    for (; i + 256 <= count; i += 256) {
        pvit_prefetch_stream(next + i, 256);
        PVIT_UNROLL
        for (int line = 0; line < 4; line++) {
            u32x16 part;
            memcpy(&part, next + i + 64 * line, sizeof part);
            sums[line] += part;
        }
    }
    for (; i + 64 <= count; i += 64) {
        u32x16 part;
        memcpy(&part, next + i, sizeof part);
        sums[0] += part;
    }
    return __builtin_reduce_add(sums[0] + sums[1] + sums[2] + sums[3]);
}
