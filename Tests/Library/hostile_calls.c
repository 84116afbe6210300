/* Calls libpvit with what a careless program passes, from one thread and from two. Exits 0 if every call gives the
   error that pvit.h promises. Usage: hostile_calls MODEL.pvq IMAGE */
#include <pthread.h>
#include <pvit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                                    \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/* The call fails with this code. */
static void expect(int line, pvit_status status, pvit_error **error, const char *code) {
    if (status == PVIT_OK || *error == NULL || strcmp(pvit_error_code(*error), code) != 0) {
        fprintf(stderr, "line %d: expected %s, not status %d and \"%s\"\n", line, code, (int)status,
                pvit_error_message(*error));
        failures++;
    }
    pvit_error_free(*error);
    *error = NULL;
}
#define EXPECT(code, call) expect(__LINE__, call, &error, code)

static int32_t abort_now(void *context) {
    (void)context;
    return 1;
}

struct reentry {
    pvit_model *model;
    int was_refused;
};

static int32_t reenter(void *context) {
    struct reentry *reentry = context;
    pvit_text *json = NULL;
    pvit_error *error = NULL;
    if (pvit_model_describe(reentry->model, &json, &error) == PVIT_USAGE)
        reentry->was_refused = strcmp(pvit_error_code(error), "library.reentrant") == 0;
    pvit_error_free(error);
    return 0;
}

/* What `prompt` continues with, six tokens long. To be freed by the caller. */
static char *continuation(pvit_model *model, const char *prompt) {
    char *result = calloc(1, 4096);
    pvit_request *request = pvit_request_new();
    pvit_options *options = pvit_options_new();
    pvit_answer *answer = NULL;
    pvit_request_set_text(request, prompt, NULL);
    pvit_options_set_integer(options, "max-tokens", 6, NULL);
    CHECK(pvit_answer_begin(model, request, options, &answer, NULL) == PVIT_OK);
    pvit_text *piece = NULL;
    while (pvit_answer_next(answer, NULL, NULL, NULL, &piece, NULL) == PVIT_OK && piece != NULL) {
        strncat(result, pvit_text_bytes(piece), 4000 - strlen(result));
        pvit_text_free(piece);
    }
    pvit_answer_free(answer);
    pvit_options_free(options);
    pvit_request_free(request);
    return result;
}

static void *continue_in_thread(void *model) { return continuation(model, "One two"); }

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    pvit_error *error = NULL;
    pvit_model *model = NULL;
    CHECK(pvit_version_number() == PVIT_VERSION_NUMBER);

    /* Nothing, and handles of other kinds. */
    EXPECT("library.argument", pvit_model_open(NULL, NULL, NULL, NULL, &model, &error));
    EXPECT("library.argument", pvit_model_open(argv[1], NULL, NULL, NULL, NULL, &error));
    EXPECT("file.not-found", pvit_model_open("/nowhere/absent.pvq", NULL, NULL, NULL, &model, &error));
    pvit_request *request = pvit_request_new();
    pvit_text *text = NULL;
    EXPECT("library.handle", pvit_model_describe(NULL, &text, &error));
    EXPECT("library.handle", pvit_model_describe((pvit_model *)request, &text, &error));
    EXPECT("library.handle", pvit_model_describe((pvit_model *)argv, &text, &error));
    pvit_options *options = pvit_options_new();
    pvit_options_set_text(options, "memry", "2GiB", NULL);
    EXPECT("library.option", pvit_model_open(argv[1], options, NULL, NULL, &model, &error));
    pvit_options_set_integer(options, "threads", -1, NULL);
    EXPECT("library.option", pvit_model_open(argv[1], options, NULL, NULL, &model, &error));
    pvit_options_free(options);
    EXPECT("library.handle", pvit_options_set_text(options, "threads", "1", &error));
    pvit_options_free(options);
    pvit_error_free(NULL);
    pvit_model_close(NULL);
    CHECK(strcmp(pvit_text_bytes(NULL), "") == 0 && pvit_array_data(NULL) == NULL);

    EXPECT("work.cancelled", pvit_model_open(argv[1], NULL, abort_now, NULL, &model, &error));
    CHECK(model == NULL);
    options = pvit_options_new();
    pvit_options_set_text(options, "threads", "2", NULL);
    pvit_options_set_text(options, "context", "512", NULL);
    CHECK(pvit_model_open(argv[1], options, NULL, NULL, &model, &error) == PVIT_OK);

    /* Images. */
    pvit_image *image = NULL;
    unsigned char junk[64] = {1, 2, 3};
    EXPECT("image.format", pvit_image_from_bytes(model, junk, sizeof junk, &image, &error));
    EXPECT("library.argument", pvit_image_from_bytes(model, junk, SIZE_MAX, &image, &error));
    EXPECT("library.argument", pvit_image_from_bytes(model, NULL, 5, &image, &error));
    EXPECT("image.size", pvit_image_from_rgb(model, junk, 0, 4, 0, &image, &error));
    EXPECT("image.too-large", pvit_image_from_rgb(model, junk, SIZE_MAX / 2, SIZE_MAX / 2, SIZE_MAX, &image, &error));
    EXPECT("library.argument", pvit_image_from_rgb(model, junk, 4, 4, 3, &image, &error));
    CHECK(pvit_image_from_file(model, argv[2], &image, &error) == PVIT_OK);
    double box[4] = {0.5, 0.5, 0.2, 0.9};
    EXPECT("prompt.region", pvit_embed_regions(model, image, box, 1, PVIT_FRACTIONS, NULL, NULL, NULL, NULL, &error));
    EXPECT("library.argument",
           pvit_embed_regions(model, image, box, SIZE_MAX / 8, PVIT_PIXELS, NULL, NULL, NULL, NULL, &error));
    EXPECT("work.cancelled", pvit_embed_image(model, image, abort_now, NULL, NULL, NULL, &error));

    /* Requests. */
    pvit_answer *answer = NULL;
    pvit_array *array = NULL;
    int32_t tokens[2] = {1, 2000000000};
    EXPECT("library.argument", pvit_answer_begin(model, request, NULL, &answer, &error));
    EXPECT("library.argument", pvit_request_add_message(request, "judge", "Guilty", &error));
    EXPECT("library.argument", pvit_request_set_tokens(request, tokens, SIZE_MAX, &error));
    EXPECT("prompt.region", pvit_request_add_region(request, "a", 0.5, 1, 2, 3, PVIT_PIXELS, &error));
    CHECK(pvit_request_set_tokens(request, tokens, 2, &error) == PVIT_OK);
    EXPECT("model.token", pvit_answer_begin(model, request, NULL, &answer, &error));
    EXPECT("model.token", pvit_logits(model, request, NULL, NULL, NULL, NULL, &array, &error));
    CHECK(pvit_request_set_tokens(request, tokens, 1, &error) == PVIT_OK);
    EXPECT("work.cancelled", pvit_logits(model, request, NULL, NULL, abort_now, NULL, &array, &error));
    EXPECT("library.argument", pvit_perplexity(model, NULL, 9, NULL, NULL, NULL, NULL, &text, &error));
    struct reentry reentry = {model, 0};
    CHECK(pvit_logits(model, request, NULL, NULL, reenter, &reentry, &array, &error) == PVIT_OK);
    CHECK(reentry.was_refused);
    CHECK(pvit_array_rank(array) == 2 && pvit_array_extent(array, 0) == 1 && pvit_array_extent(array, 9) == 0);
    pvit_array_free(array);
    pvit_array_free(array);

    /* Two threads on one model, and an answer that goes on after an abort. */
    char *alone = continuation(model, "One two");
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, continue_in_thread, model);
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        CHECK(strcmp(result, alone) == 0);
        free(result);
    }
    free(alone);
    pvit_request_free(request);
    request = pvit_request_new();
    pvit_request_set_text(request, "One two", NULL);
    pvit_options_free(options);
    CHECK(pvit_answer_begin(model, request, NULL, &answer, &error) == PVIT_OK);
    EXPECT("work.cancelled", pvit_answer_next(answer, NULL, abort_now, NULL, &text, &error));
    CHECK(pvit_answer_next(answer, NULL, NULL, NULL, &text, &error) == PVIT_OK);
    pvit_text_free(text);

    /* After closing. */
    pvit_model_close(model);
    pvit_model_close(model);
    EXPECT("library.closed", pvit_answer_next(answer, NULL, NULL, NULL, &text, &error));
    EXPECT("library.handle", pvit_model_describe(model, &text, &error));
    pvit_answer_free(answer);
    EXPECT("library.handle", pvit_answer_next(answer, NULL, NULL, NULL, &text, &error));
    pvit_image_free(image);
    pvit_request_free(request);

    if (failures == 0) puts("all as promised");
    return failures != 0;
}
