/*
 * pvit.h: merge, quantize and run PVIT and LLaMA models from C, C++ and other languages.
 *
 * Link with `pkg-config --cflags --libs pvit`. All functions are in libpvit.so; its other symbols are hidden.
 *
 * Handles. Every object is an opaque handle. A handle is a number in the shape of a pointer, which the library looks
 * up: NULL, a handle that was freed, and one of another kind give an error (`library.handle`) and never a crash.
 * Freeing NULL, or a handle twice, does nothing. The memory that a handle lends (pvit_text_bytes, pvit_array_data,
 * pvit_error_message, ...) is valid until the handle is freed.
 *
 * Errors. A function that can fail returns a pvit_status and takes a pvit_error **, which may be NULL. On failure it
 * stores a new error there, to be freed with pvit_error_free; on success it stores NULL. An error is a result of its
 * call, not a state of the thread, so that it is not lost when a program's tasks move between threads, and no later
 * call overwrites it. Results of a call that fails are set to NULL.
 *
 * Options. Settings go into a pvit_options handle by name: the long names of the command line, without --. A value that
 * a function does not know is an error (`library.option`) that lists the names it takes. New versions add names, and
 * never change the size of anything that a program has compiled in.
 *
 * Threads. Any thread may call any function at any time, unless a function says otherwise. Calls on one model, and on
 * its images' encodings and its answers, take turns: a second thread waits until the first call returns. Different
 * models compute at the same time. A callback must not call functions of the model that calls it: that is the error
 * `library.reentrant`.
 *
 * Callbacks. Every long call takes an abort callback: if it returns a number other than 0, the call ends with
 * PVIT_CANCELLED. It is called between steps of the work, at most about every 10 ms. Progress callbacks are called with
 * what is done and what there is to do. All callbacks of a call get the same context. In a conversion, they are called
 * from threads of the library, one at a time; elsewhere from the thread that made the call. They must return: no
 * longjmp, and no C++ exception.
 *
 * fork. A child process cannot use handles from before the fork (`library.forked`), but may open models of its own. If
 * another thread was in a call when the process was forked, every function of the child fails with that error.
 *
 * Texts are UTF-8. Names of files are bytes, as the system has them.
 */
#ifndef PVIT_H
#define PVIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header. pvit_version_number returns that of the library. */
#define PVIT_VERSION_MAJOR 0
#define PVIT_VERSION_MINOR 1
#define PVIT_VERSION_PATCH 0
#define PVIT_VERSION_NUMBER (PVIT_VERSION_MAJOR * 1000000 + PVIT_VERSION_MINOR * 1000 + PVIT_VERSION_PATCH)

typedef struct pvit_error pvit_error;     /* what went wrong */
typedef struct pvit_text pvit_text;       /* a text that the library made */
typedef struct pvit_array pvit_array;     /* numbers that the library made */
typedef struct pvit_options pvit_options; /* settings by name */
typedef struct pvit_model pvit_model;     /* an open model */
typedef struct pvit_image pvit_image;     /* an image, scaled for a model */
typedef struct pvit_request pvit_request; /* a conversation, text or tokens, with an image and regions */
typedef struct pvit_answer pvit_answer;   /* an answer that is generated step by step */
typedef struct pvit_tensors pvit_tensors; /* the tensors of a file */

/* The result of a call: the exit status that the command line has for such a failure. */
typedef int32_t pvit_status;
#define PVIT_OK 0
#define PVIT_USAGE 64         /* an argument or option is wrong */
#define PVIT_BAD_DATA 65      /* the content of a file does not follow its format */
#define PVIT_MISSING_INPUT 66 /* a file or folder is missing or unreadable */
#define PVIT_DEFECT 70        /* a defect of this library */
#define PVIT_CANNOT_CREATE 73 /* an output cannot be created */
#define PVIT_INPUT_OUTPUT 74  /* the operating system failed to read or write */
#define PVIT_CANCELLED 130    /* an abort callback ended the call */

/* Returns a number other than 0 to end the call. */
typedef int32_t (*pvit_abort_callback)(void *context);
/* `total` is 0 if it is not known. */
typedef void (*pvit_progress_callback)(void *context, uint64_t done, uint64_t total);
/* `message` is one line, valid during the call. */
typedef void (*pvit_log_callback)(void *context, int32_t level, const char *message);
#define PVIT_LOG_NOTE 1
#define PVIT_LOG_WARNING 2

/* An abort callback whose context is an int32_t: ends the call when that is not 0. For languages whose own callbacks
   are slow; another thread sets the number. Takes no lock. */
int32_t pvit_abort_if_set(void *flag);

/* The version of the library, as PVIT_VERSION_NUMBER counts. */
uint32_t pvit_version_number(void);
/* The same as text, such as "0.1.0". Valid for ever. */
const char *pvit_version_text(void);

/* Sets where notes go, such as that a context was shortened to fit into memory; NULL drops them, as at first. It is
   called from the threads that call the library. Returns when no thread is in the old callback, unless the callback
   itself calls this. */
void pvit_set_log_callback(pvit_log_callback callback, void *context);

/* ---- Errors. Each returns NULL if the error has no such member; "" for a handle that is none. ---- */

/* The stable code, such as "file.not-found". */
const char *pvit_error_code(const pvit_error *error);
/* One line with everything, as the command line prints it: what happened, where, and what to do next. */
const char *pvit_error_message(const pvit_error *error);
/* What happened, alone. */
const char *pvit_error_what(const pvit_error *error);
/* The file at fault. */
const char *pvit_error_file(const pvit_error *error);
/* The name of the tensor at fault. */
const char *pvit_error_tensor(const pvit_error *error);
/* What to do next. */
const char *pvit_error_remedy(const pvit_error *error);
void pvit_error_free(pvit_error *error);

/* ---- Texts and arrays ---- */

/* The bytes of a text, followed by a zero byte. "" for a handle that is none. */
const char *pvit_text_bytes(const pvit_text *text);
/* The number of bytes, without the zero byte. */
size_t pvit_text_length(const pvit_text *text);
void pvit_text_free(pvit_text *text);

#define PVIT_FLOAT32 1
#define PVIT_INT32 2
/* The numbers, densely packed, the last axis innermost. Aligned to 64 bytes. NULL for a handle that is none. */
const void *pvit_array_data(const pvit_array *array);
/* PVIT_FLOAT32 or PVIT_INT32; 0 for a handle that is none. */
int32_t pvit_array_type(const pvit_array *array);
/* The number of axes. */
int32_t pvit_array_rank(const pvit_array *array);
/* The extent of an axis, the outermost one being 0; 0 if there is no such axis. */
size_t pvit_array_extent(const pvit_array *array, int32_t axis);
void pvit_array_free(pvit_array *array);

/* ---- Options ---- */

pvit_options *pvit_options_new(void);
/* Sets an option, replacing its values. Numbers may be given as text, too: "2GiB". */
pvit_status pvit_options_set_text(pvit_options *options, const char *name, const char *value, pvit_error **error);
pvit_status pvit_options_set_integer(pvit_options *options, const char *name, int64_t value, pvit_error **error);
pvit_status pvit_options_set_number(pvit_options *options, const char *name, double value, pvit_error **error);
/* Adds a value to an option that can be repeated, such as "stop". */
pvit_status pvit_options_add_text(pvit_options *options, const char *name, const char *value, pvit_error **error);
void pvit_options_free(pvit_options *options);

/* ---- Models ---- */

/*
 * Opens a .pvq file. Options (NULL for none):
 *   memory          the limit for the whole process, such as "2GiB"; by default what the machine has free
 *   threads         1 to 256; by default one for each processor
 *   context         the maximum number of positions for prompt and answer together
 *   kv-cache        f32, f16 or q8
 *   images          1 (the default) to leave memory for encoding images, 0 for texts only
 *   chat-template   a built-in template's name or the text of a Jinja template
 *   parse-special   1 to parse special tokens in messages; 0 (the default) takes them as text
 *   draft           the .pvq file of a small model of the same vocabulary, which guesses how answers continue
 *   kernels         an instruction set: scalar, avx2, ...; by default the processor's best
 */
pvit_status pvit_model_open(const char *path, const pvit_options *options, pvit_abort_callback abort, void *context,
                            pvit_model **model, pvit_error **error);
/* Closes a model: waits until no call uses it, and frees its memory and threads. Its answers and images then give
   errors and must still be freed. */
void pvit_model_close(pvit_model *model);
/* A description as JSON: path, sizes, context, threads, memory plan, what it can read. */
pvit_status pvit_model_describe(pvit_model *model, pvit_text **json, pvit_error **error);

/*
 * Tokenizes a text of `length` bytes. Options: plain (1: special tokens are text), no-beginning (1: no BOS). The result
 * is PVIT_INT32 [tokens].
 */
pvit_status pvit_tokenize(pvit_model *model, const char *text, size_t length, const pvit_options *options,
                          pvit_array **tokens, pvit_error **error);
/* The text of tokens. Option: skip-special (1, the default, leaves special tokens out). */
pvit_status pvit_detokenize(pvit_model *model, const int32_t *tokens, size_t count, const pvit_options *options,
                            pvit_text **text, pvit_error **error);

/* ---- Images ---- */

/*
 * Images are decoded and scaled for one model, and keep no pixels of the original. JPEG, PNG and WebP are recognised by
 * content. Free with pvit_image_free, at any time.
 */
pvit_status pvit_image_from_file(pvit_model *model, const char *path, pvit_image **image, pvit_error **error);
pvit_status pvit_image_from_bytes(pvit_model *model, const void *bytes, size_t length, pvit_image **image,
                                  pvit_error **error);
/* From 8-bit RGB samples: rows of width * 3 bytes, `stride` bytes apart, the top row first. */
pvit_status pvit_image_from_rgb(pvit_model *model, const uint8_t *pixels, size_t width, size_t height, size_t stride,
                                pvit_image **image, pvit_error **error);
/* The size of the original in pixels; 0 for a handle that is none. */
size_t pvit_image_width(const pvit_image *image);
size_t pvit_image_height(const pvit_image *image);
void pvit_image_free(pvit_image *image);

/* ---- Requests: what a model reads. A request belongs to no model; its image does. ---- */

pvit_request *pvit_request_new(void);
/* Adds a message to a conversation: `role` is system, user or assistant. */
pvit_status pvit_request_add_message(pvit_request *request, const char *role, const char *text, pvit_error **error);
/* A text to continue without chat template, in place of messages. Special tokens in it are parsed. */
pvit_status pvit_request_set_text(pvit_request *request, const char *text, pvit_error **error);
/* Tokens to continue, in place of messages. They are copied. */
pvit_status pvit_request_set_tokens(pvit_request *request, const int32_t *tokens, size_t count, pvit_error **error);
/* The image that the request is about. <image> in a text stands for it. NULL for none. */
pvit_status pvit_request_set_image(pvit_request *request, const pvit_image *image, pvit_error **error);
#define PVIT_PIXELS 0
#define PVIT_FRACTIONS 1
/* A region of the image, which texts mention as {name}: edges in pixels, or in fractions of the image's sides. */
pvit_status pvit_request_add_region(pvit_request *request, const char *name, double left, double top, double right,
                                    double bottom, int32_t unit, pvit_error **error);
void pvit_request_free(pvit_request *request);

/* The text that a model would read, with images and regions as texts. */
pvit_status pvit_request_render(pvit_model *model, const pvit_request *request, pvit_text **text, pvit_error **error);

/* ---- Answers ---- */

/*
 * Begins an answer. The request is copied. Nothing is computed before the first pvit_answer_next. Options:
 *   max-tokens, temperature, top-k, top-p, min-p, repetition-penalty, presence-penalty, frequency-penalty, seed,
 *   stop (can be repeated), speculate (tokens to guess ahead), overflow (stop or slide), session (a file that is read,
 *   if it exists, before the prompt, and written when the answer has ended: `pvit run --help`)
 * The defaults decode greedily until the model ends the answer. Several answers of a model may be under way: taking
 * turns is possible, but reads again what the other has replaced in the cache.
 */
pvit_status pvit_answer_begin(pvit_model *model, const pvit_request *request, const pvit_options *options,
                              pvit_answer **answer, pvit_error **error);
/*
 * Makes the next token of an answer (or several, with speculate) and stores the text that has become final: whole
 * characters, perhaps none. Stores NULL when the answer has ended. The first call reads the prompt, and `progress`
 * (which may be NULL) is told how many of its tokens are read. After an error or an abort the call can be repeated.
 */
pvit_status pvit_answer_next(pvit_answer *answer, pvit_progress_callback progress, pvit_abort_callback abort,
                             void *context, pvit_text **piece, pvit_error **error);
/* The tokens drawn so far, the one that ended the answer included: PVIT_INT32 [tokens]. */
pvit_status pvit_answer_tokens(pvit_answer *answer, pvit_array **tokens, pvit_error **error);
/* The answer so far as JSON, with stop reason and timings, as `pvit run --json` prints it. */
pvit_status pvit_answer_describe(pvit_answer *answer, pvit_text **json, pvit_error **error);
void pvit_answer_free(pvit_answer *answer);

/* ---- Numbers ---- */

/*
 * The logits of a request's positions: PVIT_FLOAT32 [positions, vocabulary]. Messages go through the chat template.
 * Options: kv-cache (by default f32), last (1: only the last position).
 */
pvit_status pvit_logits(pvit_model *model, const pvit_request *request, const pvit_options *options,
                        pvit_progress_callback progress, pvit_abort_callback abort, void *context, pvit_array **logits,
                        pvit_error **error);
/*
 * The features of an image: those of the vision tower [patches, width], and their projections, which the decoder reads
 * in place of tokens [patches, hidden]. `features` or `embeddings` may be NULL if they are not wanted.
 */
pvit_status pvit_embed_image(pvit_model *model, const pvit_image *image, pvit_abort_callback abort, void *context,
                             pvit_array **features, pvit_array **embeddings, pvit_error **error);
/*
 * The features of `count` regions: those of the region encoder [regions, width], and what the decoder reads
 * [regions, hidden]. `boxes` are 4 numbers for each region: left, upper, right and lower edge.
 */
pvit_status pvit_embed_regions(pvit_model *model, const pvit_image *image, const double *boxes, size_t count,
                               int32_t unit, pvit_abort_callback abort, void *context, pvit_array **features,
                               pvit_array **embeddings, pvit_error **error);
/*
 * The perplexity of a text of `length` bytes, as JSON. Options: context (the length of a window, by default 512),
 * windows (evaluate only the first), kv-cache (by default f16). Progress counts windows.
 */
pvit_status pvit_perplexity(pvit_model *model, const char *text, size_t length, const pvit_options *options,
                            pvit_progress_callback progress, pvit_abort_callback abort, void *context, pvit_text **json,
                            pvit_error **error);

/* ---- Files ---- */

/* Opens the tensors of a .pvq file or of a checkpoint. Nothing is read before a tensor is asked for. */
pvit_status pvit_tensors_open(const char *path, pvit_tensors **tensors, pvit_error **error);
/*
 * The tensors as JSON: an array of objects with name, encoding, shape, type (of the elements that pvit_tensors_read
 * gives: always float32) and, where the elements lie in the file as they are, mapped_type, offset and length.
 */
pvit_status pvit_tensors_list(pvit_tensors *tensors, pvit_text **json, pvit_error **error);
/* A tensor, decoded: PVIT_FLOAT32 of its shape. */
pvit_status pvit_tensors_read(pvit_tensors *tensors, const char *name, pvit_abort_callback abort, void *context,
                              pvit_array **array, pvit_error **error);
void pvit_tensors_close(pvit_tensors *tensors);

/*
 * Describes a model file or folder of any kind that can be converted or run, as `pvit inspect --json` does: format,
 * architecture, types, sizes, errors, origin, and why it cannot run. Few of its weights are read. Options: tensors (1:
 * list every tensor), compare (another file or folder to show beside it, and what differs).
 */
pvit_status pvit_inspect(const char *path, const pvit_options *options, pvit_text **report, pvit_error **error);

/* ---- Conversions. Progress counts bytes. Outputs appear whole or not at all. ---- */

/* Adds a delta to its base and writes a Hugging Face folder. Options: threads, shard-size. */
pvit_status pvit_merge(const char *base, const char *delta, const char *output, const pvit_options *options,
                       pvit_progress_callback progress, pvit_abort_callback abort, void *context, pvit_error **error);
/*
 * Converts a checkpoint to a .pvq file; `report` (which may be NULL) gets JSON. Options: delta, vision-tower,
 * region-encoder, type, tower-type, bits, override (can be repeated), profile, calibration (can be repeated),
 * calibration-tokens, memory, resume, importance, threads. They mean what `pvit quantize --help` says.
 */
pvit_status pvit_quantize(const char *source, const char *output, const pvit_options *options,
                          pvit_progress_callback progress, pvit_abort_callback abort, void *context, pvit_text **report,
                          pvit_error **error);
/* Checks every byte of a .pvq file; `report` (which may be NULL) gets JSON with the model's digest. */
pvit_status pvit_verify(const char *path, pvit_progress_callback progress, pvit_abort_callback abort, void *context,
                        pvit_text **report, pvit_error **error);
/* Writes a model as a GGUF file if `output` ends in .gguf, otherwise as a Hugging Face folder. Options: type,
   shard-size, threads. */
pvit_status pvit_export(const char *source, const char *output, const pvit_options *options,
                        pvit_progress_callback progress, pvit_abort_callback abort, void *context, pvit_error **error);

#ifdef __cplusplus
}
#endif
#endif
