/*
 * Asks a PVIT model about two regions of an image, and prints the answer while it is made.
 *
 *   cc regions.c $(pkg-config --cflags --libs pvit) -o regions
 *   ./regions pvit.pvq dogs.jpg
 */
#include <pvit.h>
#include <stdio.h>

/* Prints an error and frees it. Returns the exit status of the program. */
static int fail(pvit_status status, pvit_error *error) {
    fprintf(stderr, "regions: error: %s\n", pvit_error_message(error));
    pvit_error_free(error);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: regions MODEL.pvq IMAGE\n");
        return PVIT_USAGE;
    }
    pvit_error *error = NULL;
    pvit_model *model = NULL;
    pvit_image *image = NULL;
    pvit_answer *answer = NULL;
    pvit_request *request = pvit_request_new();
    pvit_options *options = pvit_options_new();

    pvit_status status = pvit_model_open(argv[1], NULL, NULL, NULL, &model, &error);
    if (status == PVIT_OK) status = pvit_image_from_file(model, argv[2], &image, &error);
    if (status == PVIT_OK) status = pvit_request_set_image(request, image, &error);
    if (status == PVIT_OK)
        status = pvit_request_add_region(request, "left", 0.0, 0.2, 0.5, 0.9, PVIT_FRACTIONS, &error);
    if (status == PVIT_OK)
        status = pvit_request_add_region(request, "right", 0.5, 0.2, 1.0, 0.9, PVIT_FRACTIONS, &error);
    if (status == PVIT_OK)
        status = pvit_request_add_message(request, "user", "How do {left} and {right} differ?", &error);
    if (status == PVIT_OK) status = pvit_options_set_integer(options, "max-tokens", 32, &error);
    if (status == PVIT_OK) status = pvit_answer_begin(model, request, options, &answer, &error);
    while (status == PVIT_OK) {
        pvit_text *piece = NULL;
        status = pvit_answer_next(answer, NULL, NULL, NULL, &piece, &error);
        if (piece == NULL) break;
        fputs(pvit_text_bytes(piece), stdout);
        fflush(stdout);
        pvit_text_free(piece);
    }
    int result = status == PVIT_OK ? 0 : fail(status, error);
    if (result == 0) putchar('\n');
    pvit_answer_free(answer);
    pvit_options_free(options);
    pvit_request_free(request);
    pvit_image_free(image);
    pvit_model_close(model);
    return result;
}
