"""Refuses interpreters beside the main one: neither NumPy nor the callbacks of ctypes work there."""

import importlib


def _is_main() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        return interpreters.get_current() == interpreters.get_main()
    return True


if not _is_main():
    raise ImportError("pvit works in the main interpreter only: use threads there, or another process")
