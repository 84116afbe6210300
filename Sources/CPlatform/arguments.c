#include "process.h"

#include <stddef.h>

static int argument_count;
static char **arguments;

#ifdef __GLIBC__
// glibc calls constructors with the arguments of `main`. Other C libraries pass nothing.
__attribute__((constructor)) static void remember(int count, char **values) {
    argument_count = count;
    arguments = values;
}
#endif

int pvit_argument_count(void) { return argument_count; }

const char *pvit_argument(int number) { return number >= 0 && number < argument_count ? arguments[number] : NULL; }
