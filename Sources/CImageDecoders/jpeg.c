#include "CImageDecoders.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

// Real progressive images have about ten scans. A hostile file could have thousands: each takes few bytes, but all
// coefficients have to be processed again.
enum { maximum_scans = 100 };

struct pvit_jpeg {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    size_t count;
    struct jpeg_progress_mgr progress;
    jmp_buf failure;
    char message[JMSG_LENGTH_MAX];
};

static void fail(j_common_ptr info) {
    pvit_jpeg *jpeg = info->client_data;
    info->err->format_message(info, jpeg->message);
    longjmp(jpeg->failure, 1);
}

// Most warnings mean that pixels were lost. The exceptions are about other segments of the file.
static void warn(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR: break;
    default: fail(info);
    }
}

static void stay_silent(j_common_ptr info) { (void)info; }

static void count_scans(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > maximum_scans) {
        pvit_jpeg *jpeg = info->client_data;
        snprintf(jpeg->message, sizeof jpeg->message, "More than %d scans", (int)maximum_scans);
        longjmp(jpeg->failure, 1);
    }
}

static void begin_source(j_decompress_ptr info) { (void)info; }

static boolean find_no_more_bytes(j_decompress_ptr info) {
    ERREXIT(info, JERR_INPUT_EOF);
    return FALSE; // never: the line above jumps
}

static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if ((size_t)count > info->src->bytes_in_buffer) ERREXIT(info, JERR_INPUT_EOF);
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= (size_t)count;
}

pvit_jpeg *pvit_jpeg_open(const uint8_t *bytes, size_t count) {
    pvit_jpeg *jpeg = calloc(1, sizeof *jpeg);
    if (!jpeg) return NULL;
    jpeg->info.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = fail;
    jpeg->errors.emit_message = warn;
    jpeg->errors.output_message = stay_silent;
    jpeg->info.client_data = jpeg;
    if (setjmp(jpeg->failure)) {
        pvit_jpeg_close(jpeg);
        return NULL;
    }
    jpeg_create_decompress(&jpeg->info);
    jpeg->progress.progress_monitor = count_scans;
    jpeg->info.progress = &jpeg->progress;
    jpeg->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = count,
        .init_source = begin_source,
        .fill_input_buffer = find_no_more_bytes,
        .skip_input_data = skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = begin_source,
    };
    jpeg->info.src = &jpeg->source;
    jpeg->count = count;
    return jpeg;
}

// The memory for all coefficients of an image with several scans; 0 for other images.
static uint64_t coefficient_bytes(struct jpeg_decompress_struct *info) {
    if (!jpeg_has_multiple_scans(info)) return 0;
    uint64_t bytes = 0;
    for (int channel = 0; channel < info->num_components; channel++) {
        const jpeg_component_info *component = info->comp_info + channel;
        const uint64_t columns = component->width_in_blocks + component->h_samp_factor - 1;
        const uint64_t rows = component->height_in_blocks + component->v_samp_factor - 1;
        bytes += columns * rows * sizeof(JBLOCK);
    }
    return bytes;
}

bool pvit_jpeg_read_header(pvit_jpeg *jpeg, pvit_jpeg_header *header) {
    struct jpeg_decompress_struct *info = &jpeg->info;
    if (setjmp(jpeg->failure)) return false;
    jpeg_read_header(info, TRUE);
    if (info->data_precision != BITS_IN_JSAMPLE) ERREXIT1(info, JERR_BAD_PRECISION, info->data_precision);
    *header = (pvit_jpeg_header){info->image_width, info->image_height, (uint32_t)info->num_components,
                                 coefficient_bytes(info)};
    return true;
}

bool pvit_jpeg_start(pvit_jpeg *jpeg) {
    if (setjmp(jpeg->failure)) return false;
    jpeg->info.out_color_space = jpeg->info.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&jpeg->info);
    return true;
}

bool pvit_jpeg_read_row(pvit_jpeg *jpeg, uint8_t *row) {
    if (setjmp(jpeg->failure)) return false;
    jpeg_read_scanlines(&jpeg->info, &row, 1);
    return true;
}

bool pvit_jpeg_finish(pvit_jpeg *jpeg) {
    if (setjmp(jpeg->failure)) return false;
    jpeg_finish_decompress(&jpeg->info);
    return true;
}

size_t pvit_jpeg_position(const pvit_jpeg *jpeg) { return jpeg->count - jpeg->source.bytes_in_buffer; }

const char *pvit_jpeg_message(const pvit_jpeg *jpeg) { return jpeg->message; }

void pvit_jpeg_close(pvit_jpeg *jpeg) {
    jpeg_destroy_decompress(&jpeg->info);
    free(jpeg);
}
