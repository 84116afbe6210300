// libjpeg and libpng for callers that cannot use setjmp. Functions return false on failure; rows are read one by one.
//
// The caller keeps the image file in memory until it closes the decoder. After a failed call, only the functions for
// the message and for closing may be called. Neither library writes to standard error.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A JPEG image that is being decoded.
typedef struct pvit_jpeg pvit_jpeg;

/// The header of a JPEG image.
typedef struct {
    uint32_t width;
    uint32_t height;
    /// 1 (gray), 3 (color) or 4 (cyan, magenta, yellow, key).
    uint32_t channels;
    /// The memory for all coefficients of an image with several scans, such as a progressive one; otherwise 0.
    uint64_t coefficient_bytes;
} pvit_jpeg_header;

/// Creates a decoder for `count` bytes. Returns NULL if out of memory.
pvit_jpeg *pvit_jpeg_open(const uint8_t *bytes, size_t count);
/// Reads up to the first scan.
bool pvit_jpeg_read_header(pvit_jpeg *jpeg, pvit_jpeg_header *header);
/// Starts decoding. A pixel of 1 or 3 channels becomes 3 bytes (RGB), one of 4 channels becomes 4 bytes (CMYK as
/// stored). Progressive images are read completely here.
bool pvit_jpeg_start(pvit_jpeg *jpeg);
/// Decodes the next row of `width` pixels.
bool pvit_jpeg_read_row(pvit_jpeg *jpeg, uint8_t *row);
/// Reads to the end of the image, after its last row.
bool pvit_jpeg_finish(pvit_jpeg *jpeg);
/// The number of bytes of the file that have been used.
size_t pvit_jpeg_position(const pvit_jpeg *jpeg);
/// The message of the last failure. Valid until the decoder is closed.
const char *pvit_jpeg_message(const pvit_jpeg *jpeg);
/// Frees everything.
void pvit_jpeg_close(pvit_jpeg *jpeg);

/// A PNG image that is being decoded.
typedef struct pvit_png pvit_png;

/// The header of a PNG image.
typedef struct {
    uint32_t width;
    uint32_t height;
    bool is_interlaced;
} pvit_png_header;

/// Creates a decoder for `count` bytes. Returns NULL if out of memory.
pvit_png *pvit_png_open(const uint8_t *bytes, size_t count);
/// Reads up to the pixels.
bool pvit_png_read_header(pvit_png *png, pvit_png_header *header);
/// Starts decoding to 3 bytes (RGB) per pixel, without transparency. Of 16-bit samples the high 8 bits are kept, but
/// gray levels without an alpha channel are clamped to 255. `passes` is set to the number of times that all rows have
/// to be read: 1, or 7 if the image is interlaced.
bool pvit_png_start(pvit_png *png, int *passes);
/// Decodes the next row of `width` pixels. In each pass, `row` must have its content of the previous pass. The
/// compressed data may end after the last pixel, without end marks and checksums.
bool pvit_png_read_row(pvit_png *png, uint8_t *row);
/// The number of bytes of the file that have been used.
size_t pvit_png_position(const pvit_png *png);
/// The message of the last failure. Valid until the decoder is closed.
const char *pvit_png_message(const pvit_png *png);
/// Frees everything.
void pvit_png_close(pvit_png *png);

#ifdef __cplusplus
}
#endif
