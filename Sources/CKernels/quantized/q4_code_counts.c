// How often each code occurs, for statistics.
#include "block_layout.h"

size_t pvit_q4_count_codes(const uint8_t *group, size_t rows, size_t columns, uint64_t codes[32]) {
    size_t zero_blocks = 0;
    for (size_t column = 0; column < columns; column += PVIT_Q4_BLOCK) {
        pvit_unit unit = pvit_q4_unit(columns, column);
        for (size_t row = 0; row < rows; row++) {
            uint8_t field = group[unit.scales + row];
            if ((field & 127) == 0) {
                zero_blocks++;
                continue;
            }
            uint64_t *counts = codes + (field >> 7) * 16;
            const uint8_t *bytes = group + unit.codes + row * PVIT_ROW_BYTES;
            for (size_t k = 0; k < PVIT_Q4_BLOCK / 2; k++) {
                uint8_t byte = bytes[k / 4 * PVIT_CODE_WORD + k % 4];
                counts[byte & 15]++;
                counts[byte >> 4]++;
            }
        }
    }
    return zero_blocks;
}
