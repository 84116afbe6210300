#define _GNU_SOURCE // RUSAGE_THREAD
#include "process.h"

#include <sys/resource.h>

uint64_t pvit_peak_resident_byte_count(void) {
    struct rusage usage;
    // In kilobytes.
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t pvit_disk_read_byte_count(void) {
    struct rusage usage;
    // In sectors.
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_inblock * 512 : 0;
}

uint64_t pvit_thread_preemption_count(void) {
#if defined(RUSAGE_THREAD)
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_nivcsw : 0;
#else
    return 0;
#endif
}
