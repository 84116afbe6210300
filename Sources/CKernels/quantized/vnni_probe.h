// Measures how fast the processor multiplies bytes. Included after the lanes of an instruction set and float/probes.h.
#pragma once

PVIT_TARGET static uint64_t dot_probe(size_t iterations, uint32_t *checksum) {
    row_ints weights = equal_ints(0x03030303), codes = equal_ints((int)*checksum);
    row_ints dots[PROBE_CHAINS];
    PVIT_UNROLL
    for (int i = 0; i < PROBE_CHAINS; i++) dots[i] = equal_ints(i);
    for (size_t iteration = 0; iteration < iterations; iteration++) {
        PVIT_UNROLL
        for (int i = 0; i < PROBE_CHAINS; i++) {
            dots[i] = add_byte_dot(dots[i], weights, codes);
            KEEP_IN_ORDER(dots[i]); // no shortcuts
        }
    }
    PVIT_UNROLL
    for (int i = 1; i < PROBE_CHAINS; i++) dots[0] = add_ints(dots[0], dots[i]);
    uint32_t lanes[ROW_LANES];
    memcpy(lanes, &dots[0], sizeof lanes);
    for (int i = 1; i < ROW_LANES; i++) lanes[0] += lanes[i];
    *checksum = lanes[0];
    return (uint64_t)iterations * PROBE_CHAINS * ROW_LANES * 8;
}
