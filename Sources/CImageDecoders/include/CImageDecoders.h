// libjpeg and libpng for callers that cannot use setjmp: errors are values, rows are read one by one.
//
// A decoder reads from memory that its caller keeps until the decoder is closed. After a call has failed, a decoder can
// only be asked for its message and closed. Neither library writes to standard error.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A JPEG image that is being decoded.
typedef struct pvit_jpeg pvit_jpeg;

/// What a JPEG image is before it is decoded.
typedef struct {
    uint32_t width;
    uint32_t height;
    /// 1 (grey), 3 (colour) or 4 (cyan, magenta, yellow, key).
    uint32_t channels;
    /// The memory for all coefficients of an image that comes in several scans (progressive ones do), otherwise 0.
    uint64_t coefficient_bytes;
} pvit_jpeg_header;

/// A decoder for `count` bytes, or NULL without memory.
pvit_jpeg *pvit_jpeg_open(const uint8_t *bytes, size_t count);
/// Reads up to the first scan.
bool pvit_jpeg_read_header(pvit_jpeg *jpeg, pvit_jpeg_header *header);
/// Begins to decode: 3 bytes (RGB) for each pixel of 1 or 3 channels, 4 (CMYK as stored) for each of 4 channels.
/// Progressive images are read whole here.
bool pvit_jpeg_start(pvit_jpeg *jpeg);
/// Decodes the next row of `width` pixels.
bool pvit_jpeg_read_row(pvit_jpeg *jpeg, uint8_t *row);
/// Reads up to the end of the image, after its last row.
bool pvit_jpeg_finish(pvit_jpeg *jpeg);
/// How many bytes of the file have been used.
size_t pvit_jpeg_position(const pvit_jpeg *jpeg);
/// What the last failure was. Lives as long as the decoder.
const char *pvit_jpeg_message(const pvit_jpeg *jpeg);
/// Frees everything.
void pvit_jpeg_close(pvit_jpeg *jpeg);

/// A PNG image that is being decoded.
typedef struct pvit_png pvit_png;

/// What a PNG image is before it is decoded.
typedef struct {
    uint32_t width;
    uint32_t height;
    bool is_interlaced;
} pvit_png_header;

/// A decoder for `count` bytes, or NULL without memory.
pvit_png *pvit_png_open(const uint8_t *bytes, size_t count);
/// Reads up to the pixels.
bool pvit_png_read_header(pvit_png *png, pvit_png_header *header);
/// Begins to decode into 3 bytes (RGB) for each pixel, without transparency. Of 16 bits the high 8 are kept, but grey
/// levels (without an alpha channel) are limited to 255. `passes` is how often all the rows have to be read: 1, or 7
/// when the image is interlaced.
bool pvit_png_start(pvit_png *png, int *passes);
/// Decodes the next row of `width` pixels. In each pass `row` must be what it was after the pass before. Compressed
/// data that ends with the last pixel, without the marks and checksums of its own end, is enough.
bool pvit_png_read_row(pvit_png *png, uint8_t *row);
/// How many bytes of the file have been used.
size_t pvit_png_position(const pvit_png *png);
/// What the last failure was. Lives as long as the decoder.
const char *pvit_png_message(const pvit_png *png);
/// Frees everything.
void pvit_png_close(pvit_png *png);

#ifdef __cplusplus
}
#endif
