#include "CImageDecoders.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

struct pvit_png {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t count;
    size_t position;
    // The offset of the next chunk.
    size_t next_chunk;
    uint32_t height;
    int passes;
    int pass;
    uint32_t row;
    // Whether all pixels of the current row have been decoded.
    bool row_is_whole;
    jmp_buf failure;
    char message[128];
};

enum { signature_size = 8, chunk_header_size = 8, checksum_size = 4 };

static void fail(png_structp png, png_const_charp message) {
    pvit_png *self = png_get_error_ptr(png);
    snprintf(self->message, sizeof self->message, "%s", message);
    longjmp(self->failure, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

// Records the offset of the next chunk. The length of a truncated IDAT chunk is corrected, so that all of its bytes are
// used.
static void read_chunk_header(pvit_png *self, png_bytep header) {
    const size_t content = self->position + chunk_header_size;
    const size_t length = png_get_uint_32(header);
    if (memcmp(header + 4, "IDAT", 4) == 0 && length > self->count - content)
        png_save_uint_32(header, (png_uint_32)(self->count - content));
    self->next_chunk = content + length + checksum_size;
}

static void read_bytes(png_structp png, png_bytep destination, size_t count) {
    pvit_png *self = png_get_io_ptr(png);
    if (count > self->count - self->position) png_error(png, "The file ends too early");
    memcpy(destination, self->bytes + self->position, count);
    if (self->position == self->next_chunk && count == chunk_header_size) read_chunk_header(self, destination);
    self->position += count;
}

static void note_row(png_structp png, png_row_infop row, png_bytep data) {
    pvit_png *self = png_get_io_ptr(png);
    (void)row, (void)data;
    self->row_is_whole = true;
}

// Converts 16-bit gray levels (big-endian) to RGB as Pillow does: levels keep their values, and those above 255 are
// clamped.
static void limit_grey(png_structp png, png_row_infop row, png_bytep data) {
    for (size_t pixel = row->width; pixel-- > 0;) {
        const png_byte level = data[2 * pixel] ? 255 : data[2 * pixel + 1];
        memset(data + 3 * pixel, level, 3);
    }
    note_row(png, row, data);
}

pvit_png *pvit_png_open(const uint8_t *bytes, size_t count) {
    pvit_png *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->bytes = bytes;
    self->count = count;
    self->next_chunk = signature_size;
    if (setjmp(self->failure)) {
        pvit_png_close(self);
        return NULL;
    }
    self->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, self, fail, ignore_warning);
    self->info = self->png ? png_create_info_struct(self->png) : NULL;
    if (!self->info) {
        pvit_png_close(self);
        return NULL;
    }
    png_set_read_fn(self->png, self, read_bytes);
    // The caller checks sizes.
    png_set_user_limits(self->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_crc_action(self->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    // Skip text, color profiles and other chunks, and transparency.
    png_set_keep_unknown_chunks(self->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(self->png, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep) "tRNS", 1);
    return self;
}

bool pvit_png_read_header(pvit_png *self, pvit_png_header *header) {
    if (setjmp(self->failure)) return false;
    png_read_info(self->png, self->info);
    header->width = png_get_image_width(self->png, self->info);
    header->height = png_get_image_height(self->png, self->info);
    header->is_interlaced = png_get_interlace_type(self->png, self->info) != PNG_INTERLACE_NONE;
    return true;
}

bool pvit_png_start(pvit_png *self, int *passes) {
    if (setjmp(self->failure)) return false;
    const bool is_grey = png_get_color_type(self->png, self->info) == PNG_COLOR_TYPE_GRAY;
    if (is_grey && png_get_bit_depth(self->png, self->info) == 16) {
        png_set_read_user_transform_fn(self->png, limit_grey);
        png_set_user_transform_info(self->png, NULL, 8, 3);
    } else {
        png_set_strip_16(self->png);
        png_set_strip_alpha(self->png);
        png_set_expand(self->png);
        png_set_gray_to_rgb(self->png);
        png_set_read_user_transform_fn(self->png, note_row);
    }
    // The checksums of IDAT chunks may be wrong, because the compressed data has one of its own.
    png_set_crc_action(self->png, PNG_CRC_QUIET_USE, PNG_CRC_ERROR_QUIT);
    self->height = png_get_image_height(self->png, self->info);
    self->passes = png_set_interlace_handling(self->png);
    *passes = self->passes;
    png_read_update_info(self->png, self->info);
    if (png_get_rowbytes(self->png, self->info) != 3 * (size_t)png_get_image_width(self->png, self->info))
        png_error(self->png, "The size of a row does not match its pixels");
    return true;
}

bool pvit_png_read_row(pvit_png *self, uint8_t *row) {
    const bool is_last = self->row == self->height - 1 && self->pass == self->passes - 1;
    // The last pass of an interlaced image has odd rows only.
    self->row_is_whole = is_last && self->passes > 1 && self->row % 2 == 0;
    if (setjmp(self->failure)) {
        // After the last row libpng reads the end of the compressed data, which may be missing.
        return is_last && self->row_is_whole;
    }
    png_read_row(self->png, row, NULL);
    if (++self->row == self->height) {
        self->row = 0;
        self->pass++;
    }
    return true;
}

size_t pvit_png_position(const pvit_png *self) { return self->position; }

const char *pvit_png_message(const pvit_png *self) { return self->message; }

void pvit_png_close(pvit_png *self) {
    if (self->png) png_destroy_read_struct(&self->png, &self->info, NULL);
    free(self);
}
