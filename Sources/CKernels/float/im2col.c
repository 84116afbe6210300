#include <string.h>

#include "common/numerics.h"

static size_t smaller_size(size_t a, size_t b) { return a < b ? a : b; }

// The pixel whose window starts at `row` of a matrix of windows, and the map that it belongs to.
typedef struct {
    size_t map, top, left;
} window;

static window window_at(const pvit_im2col *layout, size_t row) {
    const size_t outputs = layout->output_height * layout->output_width;
    return (window){row / outputs, row % outputs / layout->output_width * layout->stride,
                    row % outputs % layout->output_width * layout->stride};
}

// Copying is the same on every instruction set, because memcpy selects its own.
void pvit_im2col_gather(const pvit_im2col *layout, size_t first_row, size_t rows, size_t first_column, size_t depth,
                        float *restrict panel) {
    const pvit_im2col l = *layout;
    for (size_t row = first_row; row < first_row + rows; row++, panel += PVIT_PANEL_STRIDE) {
        const window w = window_at(&l, row);
        const float *map = l.pixels + w.map * l.height * l.width * l.pixel_stride;
        size_t offset = first_column / l.channels, channel = first_column % l.channels;
        for (size_t done = 0; done < depth;) {
            size_t count = smaller_size(l.channels - channel, depth - done);
            // Coordinates above and left of the map wrap around to huge numbers.
            size_t y = w.top + offset / l.kernel_width - l.padding, x = w.left + offset % l.kernel_width - l.padding;
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

void pvit_im2col_pack_wide(const pvit_im2col *layout, pvit_wide_activations pixels, size_t first_row, size_t rows,
                           pvit_pack_wide_activations *pack, void *packed) {
    static const int16_t zeros[32];
    static const float scale;
    static const int32_t sum;
    static const pvit_wide_activations nothing = {zeros, &scale, &sum};
    const pvit_im2col l = *layout;
    const size_t kernel_area = l.kernel_height * l.kernel_width, columns = kernel_area * l.channels;
    for (size_t token = 0; token < rows; token++) {
        const window w = window_at(&l, first_row + token);
        for (size_t offset = 0, start = 0; offset < kernel_area; offset++, start += l.channels) {
            size_t y = w.top + offset / l.kernel_width - l.padding, x = w.left + offset % l.kernel_width - l.padding;
            if (y < l.height && x < l.width) {
                size_t pixel = (w.map * l.height + y) * l.width + x;
                pack(pvit_wide_activations_from(pixels, l.channels, pixel), start, l.channels, columns, token, rows,
                     packed);
            } else {
                for (size_t channel = 0; channel < l.channels; channel += 32)
                    pack(nothing, start + channel, 32, columns, token, rows, packed);
            }
        }
    }
}

void pvit_interleave(const float *restrict planes, size_t channels, size_t count, float *restrict pixels) {
    for (size_t i = 0; i < count; i++)
        for (size_t channel = 0; channel < channels; channel++) *pixels++ = planes[channel * count + i];
}
