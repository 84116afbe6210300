#pragma once
// OpenSSL 3 prefers EVP_MD_CTX, which allocates and may fail; a SHA256_CTX is a plain value. Both run the same code.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
