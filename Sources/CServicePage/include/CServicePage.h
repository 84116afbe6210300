// The page of the server.
#pragma once

#include <stddef.h>

// Its bytes, which last as long as the program.
const unsigned char *pvit_service_page(void);
// Their number.
size_t pvit_service_page_size(void);
