"""The command line: `python -m pvit …` runs the program that lies in the package."""

import os
import pathlib
import signal
import sys
import typing


def main() -> typing.NoReturn:
    """Replaces this process by the program, whose output, signals and exit status are then those of this command."""
    program = os.environ.get("PVIT_PROGRAM_PATH") or str(pathlib.Path(__file__).parent / "bin" / "pvit")
    # Python ignores these signals, and a program inherits that.
    for name in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    try:
        os.execv(program, ["pvit", *sys.argv[1:]])
    except OSError as error:
        # The status of a program that cannot be found, as in a shell.
        print(f"pvit: error: the program cannot be started: {error}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
