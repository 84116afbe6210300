// Mapped files that fail while they are in use.
//
// A thread gets SIGBUS if it touches a page of a mapped file that the file no longer has or that its disk does not
// deliver. The handler installed here maps zeros in place of the page and records the first byte that failed, so that
// callers can discard what they computed from the bytes and report an error.

#ifndef PVIT_MAPPINGS_H
#define PVIT_MAPPINGS_H

#include <stddef.h>
#include <stdint.h>

/// A mapping that is watched. Owned by this library: it is reused, never freed.
struct pvit_mapping;

/// Watches the mapping of `length` bytes at `start`. The first call installs the handler of SIGBUS. Returns NULL if
/// there is not enough memory.
struct pvit_mapping *pvit_mapping_watch(const void *start, size_t length);

/// Stops watching. Call it before the memory is unmapped. NULL is ignored.
void pvit_mapping_forget(struct pvit_mapping *mapping);

/// The offset of the first byte that failed; PTRDIFF_MAX if none has. Anything read from there on may have been zeros
/// instead of the file's bytes.
ptrdiff_t pvit_mapping_failure(const struct pvit_mapping *mapping);

#endif
