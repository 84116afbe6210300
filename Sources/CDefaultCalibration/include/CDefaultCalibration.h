// The built-in calibration text.
#pragma once

#include <stddef.h>

// Its bytes, which last as long as the program.
const unsigned char *pvit_default_calibration(void);
// Their number.
size_t pvit_default_calibration_size(void);
