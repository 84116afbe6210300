#include "common/variants.h"

#define PVIT_VARIANT(name) pvit_scalar_##name

// Four lanes, which every current processor has, and no special instructions.
#define PVIT_LANES 4
#include "encoding/lanes.h"

PVIT_ENCODER_INLINE lanes lookup32(const float table[32], int_lanes index) {
    lanes result;
    for (int lane = 0; lane < PVIT_LANES; lane++) result[lane] = table[index[lane] & 31];
    return result;
}
PVIT_ENCODER_INLINE lanes lookup16(const float table[16], int_lanes index) {
    lanes result;
    for (int lane = 0; lane < PVIT_LANES; lane++) result[lane] = table[index[lane] & 15];
    return result;
}

#include "encoding/feedback.h"
#include "encoding/project.h"
