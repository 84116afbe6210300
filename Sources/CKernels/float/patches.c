#include <string.h>

#include "CKernels.h"

static size_t smaller_size(size_t a, size_t b) { return a < b ? a : b; }

// Copying is the same on every instruction set: memcpy chooses its own.
void pvit_gather_patches(const pvit_patches *patches, size_t first_row, size_t rows, size_t first_column, size_t depth,
                         float *restrict panel) {
    const pvit_patches p = *patches;
    const size_t outputs = p.output_height * p.output_width;
    for (size_t row = first_row; row < first_row + rows; row++, panel += PVIT_PANEL_STRIDE) {
        const float *map = p.pixels + row / outputs * p.height * p.width * p.stride;
        size_t top = row % outputs / p.output_width * p.step, left = row % outputs % p.output_width * p.step;
        size_t tap = first_column / p.channels, channel = first_column % p.channels;
        for (size_t done = 0; done < depth;) {
            size_t count = smaller_size(p.channels - channel, depth - done);
            // Above and left of the map these wrap around to huge numbers.
            size_t y = top + tap / p.kernel_width - p.padding, x = left + tap % p.kernel_width - p.padding;
            if (y < p.height && x < p.width)
                memcpy(panel + done, map + (y * p.width + x) * p.stride + channel, count * sizeof *panel);
            else
                memset(panel + done, 0, count * sizeof *panel);
            done += count;
            channel = 0;
            tap++;
        }
    }
}

void pvit_interleave(const float *restrict planes, size_t channels, size_t count, float *restrict pixels) {
    for (size_t i = 0; i < count; i++)
        for (size_t channel = 0; channel < channels; channel++) *pixels++ = planes[channel * count + i];
}
