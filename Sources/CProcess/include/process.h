// What the operating system says of this process, without the help of /proc, where Swift cannot ask for it.

#ifndef PVIT_PROCESS_H
#define PVIT_PROCESS_H

#include <stdint.h>

/// The number of arguments that the program was started with, its name included. 0 where the C library does not hand
/// them on.
int pvit_argument_count(void);

/// An argument, ended by a zero byte; NULL outside of the range.
const char *pvit_argument(int number);

/// The number of processors that the process may run on; 0 when it is unknown.
int pvit_allowed_processor_count(void);

/// The largest resident size so far, in bytes. It may be that of the program that started this one.
uint64_t pvit_peak_resident_byte_count(void);

/// The bytes that were fetched from disks for this process so far.
uint64_t pvit_disk_read_byte_count(void);

#endif
