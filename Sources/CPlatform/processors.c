#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

int pvit_allowed_processor_count(void) {
    // The kernel refuses a mask that is too short for the machine: try longer ones.
    for (int capacity = CPU_SETSIZE; capacity <= 1 << 20; capacity *= 2) {
        cpu_set_t *mask = CPU_ALLOC(capacity);
        if (!mask) return 0;
        size_t size = CPU_ALLOC_SIZE(capacity);
        int result = sched_getaffinity(0, size, mask);
        int error = errno;
        int count = result == 0 ? CPU_COUNT_S(size, mask) : 0;
        CPU_FREE(mask);
        if (result == 0 || error != EINVAL) return count;
    }
    return 0;
}
