// What the operating system knows about this process, where Swift cannot ask it and /proc may be missing.

#ifndef PVIT_PROCESS_H
#define PVIT_PROCESS_H

#include <stdint.h>

/// The number of arguments that the program was started with, including its name. 0 if the C library does not pass them
/// on.
int pvit_argument_count(void);

/// An argument, terminated by a zero byte; NULL if there is none of that number.
const char *pvit_argument(int number);

/// The number of processors that the process may run on; 0 if unknown.
int pvit_allowed_processor_count(void);

/// The largest resident size so far, in bytes. It may be that of the program that started this one.
uint64_t pvit_peak_resident_byte_count(void);

/// How many bytes have been read from disks for this process.
uint64_t pvit_disk_read_byte_count(void);

/// How often the system has suspended the calling thread although it had work to do, because another thread was given
/// its processor. 0 where that is unknown.
uint64_t pvit_thread_preemption_count(void);

/// Gives back the resident pages of the program's code and constants and of its libraries'. Those that are used again
/// come back from the files.
void pvit_release_program_pages(void);

#endif
