#pragma once
#include <histedit.h>
#include <stdint.h>
#include <stdio.h>

// libedit is configured by variadic functions, which Swift cannot call. This header has a function for each use.

// The callbacks of a line editor's owner. `context` is passed to each of them.
typedef struct cedit_owner {
    void *context;
    // Stores the next character. Returns 1, or 0 to end editing, for example at the end of the input.
    int (*read)(void *context, uint32_t *scalar);
    // Returns the prompt, valid until the next call. Text between two '\1' has no width on the screen.
    char *(*prompt)(void *context);
} cedit_owner;

static inline cedit_owner *cedit_get_owner(EditLine *editor) {
    cedit_owner *owner = NULL;
    el_get(editor, EL_CLIENTDATA, (void *)&owner);
    return owner;
}

static inline int cedit_read(EditLine *editor, wchar_t *character) {
    cedit_owner *owner = cedit_get_owner(editor);
    uint32_t scalar = 0;
    int count = owner->read(owner->context, &scalar);
    *character = (wchar_t)scalar;
    return count;
}

static inline char *cedit_prompt(EditLine *editor) {
    cedit_owner *owner = cedit_get_owner(editor);
    return owner->prompt(owner->context);
}

// `owner` must be valid as long as the editor.
static inline void cedit_set_owner(EditLine *editor, cedit_owner *owner) {
    el_set(editor, EL_CLIENTDATA, owner);
    el_wset(editor, EL_GETCFN, cedit_read);
    el_set(editor, EL_PROMPT_ESC, cedit_prompt, '\1');
}

static inline void cedit_set_keymap(EditLine *editor, const char *name) { el_set(editor, EL_EDITOR, name); }

static inline void cedit_set_history(EditLine *editor, History *lines) { el_set(editor, EL_HIST, history, lines); }

typedef unsigned char (*cedit_function)(EditLine *editor, int character);

static inline void cedit_add_function(EditLine *editor, const char *name, cedit_function function) {
    el_set(editor, EL_ADDFN, name, name, function);
}

static inline void cedit_bind(EditLine *editor, const char *keys, const char *function) {
    el_set(editor, EL_BIND, keys, function, NULL);
}

// Between two lines, the terminal neither echoes input nor buffers it by lines.
static inline void cedit_keep_quiet(EditLine *editor) { el_set(editor, EL_SETTY, "-x", "-icanon", "-echo", NULL); }

static inline void cedit_refresh(EditLine *editor) { el_set(editor, EL_REFRESH); }

static inline void cedit_history_size(History *lines, int size) {
    HistEvent event;
    history(lines, &event, H_SETSIZE, size);
}

static inline void cedit_history_unique(History *lines) {
    HistEvent event;
    history(lines, &event, H_SETUNIQUE, 1);
}

static inline void cedit_history_add(History *lines, const char *line) {
    HistEvent event;
    history(lines, &event, H_ENTER, line);
}
