#!/usr/bin/env python3
"""Run a command and print its time, processor use and memory.

    tools/measure_command.py [--drop-caches] COMMAND [ARGUMENT ...]

Prints wall time, processor time, peak resident memory and peak anonymous memory (sampled every 50 ms from /proc, Linux
only; the program's own memory, without pages of mapped files), and the bytes that were read from the disk. With
--drop-caches (needs root) the page cache is emptied first, so that every input comes from the disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import time


def status_kilobytes(pid):
    """VmHWM and RssAnon of a process in kB, or zeros once it is gone."""
    found = {"VmHWM": 0, "RssAnon": 0}
    try:
        with open(f"/proc/{pid}/status") as lines:
            for line in lines:
                name, _, rest = line.partition(":")
                if name in found:
                    found[name] = int(rest.split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found["VmHWM"], found["RssAnon"]


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as control:
        control.write("3\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drop-caches", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("a command is missing")
    if arguments.drop_caches:
        drop_caches()

    start = time.monotonic()
    process = subprocess.Popen(arguments.command)
    peak_resident = peak_anonymous = 0
    while process.poll() is None:
        resident, anonymous = status_kilobytes(process.pid)
        peak_resident, peak_anonymous = max(peak_resident, resident), max(peak_anonymous, anonymous)
        time.sleep(0.05)
    wall = time.monotonic() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = used.ru_utime + used.ru_stime
    print(
        f"wall {wall:.1f} s, processor {busy:.1f} s ({used.ru_utime:.1f} user + {used.ru_stime:.1f} system, "
        f"{busy / wall:.2f} cores), peak resident {peak_resident / 1e3:.0f} MB, "
        f"of it anonymous {peak_anonymous / 1e3:.0f} MB, read from disk {used.ru_inblock * 512 / 1e9:.2f} GB",
        file=sys.stderr,
    )
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
