#include "CServicePage.h"

// Swift would take much longer to compile an array of this size.
#pragma clang diagnostic ignored "-Wc23-extensions"
static const unsigned char bytes[] = {
#embed "index.html"
};

const unsigned char *pvit_service_page(void) { return bytes; }
size_t pvit_service_page_size(void) { return sizeof bytes; }
