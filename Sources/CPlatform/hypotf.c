#include <math.h>

/* Swift's overlay of the C library refers to hypotf, which nothing here calls. glibc gave it a new version in 2.35;
   with this one, programs and the shared library run with glibc 2.34. */
__attribute__((visibility("hidden"))) float hypotf(float x, float y) {
    /* Squares of floats are exact in double, and do not overflow. */
    return (float)sqrt((double)x * x + (double)y * y);
}
