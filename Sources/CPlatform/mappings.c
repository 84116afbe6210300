#include "mappings.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// A node of a list that only grows, so that the handler may walk it at any moment, in any thread, without a lock.
struct pvit_mapping {
    struct pvit_mapping *next;
    atomic_bool is_taken;
    // 0 if the node watches nothing.
    _Atomic uintptr_t start;
    _Atomic size_t length;
    // PTRDIFF_MAX if nothing has failed.
    _Atomic ptrdiff_t failure;
};

static struct pvit_mapping *_Atomic first_mapping;
static struct sigaction previous;
static uintptr_t page_size;

// Replaces everything from `address` to the end of its mapping by zeros. Returns false if no watched mapping holds
// `address`. Only calls what is safe in a signal handler: mmap is not on POSIX's list, but is a bare system call.
static bool replace_failed_pages(uintptr_t address) {
    for (struct pvit_mapping *mapping = atomic_load(&first_mapping); mapping; mapping = mapping->next) {
        uintptr_t start = atomic_load(&mapping->start);
        if (start == 0 || address < start) continue;
        // The kernel maps whole pages, so the whole last page belongs to the mapping.
        size_t length = (atomic_load(&mapping->length) + page_size - 1) & ~(page_size - 1);
        size_t offset = (address - start) & ~(page_size - 1);
        if (offset >= length) continue;
        // Recorded first, so that no thread sees a zero before the failure.
        ptrdiff_t known = atomic_load(&mapping->failure);
        while ((ptrdiff_t)offset < known &&
               !atomic_compare_exchange_weak(&mapping->failure, &known, (ptrdiff_t)offset)) {
        }
        void *replaced =
            mmap((void *)(start + offset), length - offset, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        return replaced != MAP_FAILED;
    }
    return false;
}

static void handle(int signal, siginfo_t *information, void *context) {
    int error = errno;
    // A code above 0 comes from the kernel: a fault with an address. Processes send the others.
    if (information->si_code > 0 && replace_failed_pages((uintptr_t)information->si_addr)) {
        errno = error;
        return;
    }
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal, information, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal);
    } else {
        // On return the fault happens again; a signal that a process sent is raised again. Both end the process.
        sigaction(signal, &previous, NULL);
        if (information->si_code <= 0) raise(signal);
    }
    errno = error;
}

static void install(void) {
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
}

// A node that is not in use: a returned one, or a new one.
static struct pvit_mapping *take_node(void) {
    for (struct pvit_mapping *mapping = atomic_load(&first_mapping); mapping; mapping = mapping->next) {
        bool expected = false;
        if (atomic_compare_exchange_strong(&mapping->is_taken, &expected, true)) return mapping;
    }
    struct pvit_mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping) return NULL;
    atomic_store(&mapping->is_taken, true);
    mapping->next = atomic_load(&first_mapping);
    while (!atomic_compare_exchange_weak(&first_mapping, &mapping->next, mapping)) {
    }
    return mapping;
}

struct pvit_mapping *pvit_mapping_watch(const void *start, size_t length) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    struct pvit_mapping *mapping = take_node();
    if (!mapping) return NULL;
    atomic_store(&mapping->failure, PTRDIFF_MAX);
    atomic_store(&mapping->length, length);
    atomic_store(&mapping->start, (uintptr_t)start);
    return mapping;
}

void pvit_mapping_forget(struct pvit_mapping *mapping) {
    if (!mapping) return;
    atomic_store(&mapping->start, 0);
    atomic_store(&mapping->is_taken, false);
}

ptrdiff_t pvit_mapping_failure(const struct pvit_mapping *mapping) {
    return atomic_load_explicit(&mapping->failure, memory_order_acquire);
}
