#include <string.h>

#include "CKernels.h"

static size_t smaller_size(size_t a, size_t b) { return a < b ? a : b; }

// Copying is the same on every instruction set, because memcpy selects its own.
void pvit_im2col_gather(const pvit_im2col *layout, size_t first_row, size_t rows, size_t first_column, size_t depth,
                        float *restrict panel) {
    const pvit_im2col l = *layout;
    const size_t outputs = l.output_height * l.output_width;
    for (size_t row = first_row; row < first_row + rows; row++, panel += PVIT_PANEL_STRIDE) {
        const float *map = l.pixels + row / outputs * l.height * l.width * l.pixel_stride;
        size_t top = row % outputs / l.output_width * l.stride, left = row % outputs % l.output_width * l.stride;
        size_t offset = first_column / l.channels, channel = first_column % l.channels;
        for (size_t done = 0; done < depth;) {
            size_t count = smaller_size(l.channels - channel, depth - done);
            // Coordinates above and left of the map wrap around to huge numbers.
            size_t y = top + offset / l.kernel_width - l.padding, x = left + offset % l.kernel_width - l.padding;
            if (y < l.height && x < l.width)
                memcpy(panel + done, map + (y * l.width + x) * l.pixel_stride + channel, count * sizeof *panel);
            else
                memset(panel + done, 0, count * sizeof *panel);
            done += count;
            channel = 0;
            offset++;
        }
    }
}

void pvit_interleave(const float *restrict planes, size_t channels, size_t count, float *restrict pixels) {
    for (size_t i = 0; i < count; i++)
        for (size_t channel = 0; channel < channels; channel++) *pixels++ = planes[channel * count + i];
}
