#include "CDefaultCalibration.h"

// Swift takes a minute to compile an array of this size.
#pragma clang diagnostic ignored "-Wc23-extensions"
static const unsigned char bytes[] = {
#embed "default_calibration.txt"
};

const unsigned char *pvit_default_calibration(void) { return bytes; }
size_t pvit_default_calibration_size(void) { return sizeof bytes; }
