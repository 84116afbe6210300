// Mapped files that fail under the running process.
//
// A page of a mapped file that the file no longer has, or that its disk does not deliver, is no error that a call
// returns: the thread that touches it gets SIGBUS. Here that thread is given zeros instead, and the mapping remembers
// from which byte on it failed, so that whoever used the bytes can throw the results away and say why.

#ifndef PVIT_MAPPINGS_H
#define PVIT_MAPPINGS_H

#include <stddef.h>
#include <stdint.h>

/// A mapping that is watched. Owned by this library: it is reused, never freed.
struct pvit_mapping;

/// Watches the mapping of `length` bytes at `start`; the first call installs the handler of SIGBUS. NULL without
/// memory.
struct pvit_mapping *pvit_mapping_watch(const void *start, size_t length);

/// Stops watching, before the memory is unmapped. NULL is left alone.
void pvit_mapping_forget(struct pvit_mapping *mapping);

/// The offset of the first byte that failed; PTRDIFF_MAX while none has. What was read from there on, before this call,
/// may be zeros in place of the file's bytes.
ptrdiff_t pvit_mapping_failure(const struct pvit_mapping *mapping);

#endif
