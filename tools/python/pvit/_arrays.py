"""NumPy arrays over the library's memory, without a copy."""

import ctypes
from ctypes import c_void_p

import numpy as np

from ._library import Handle, function

_TYPES = {1: np.dtype("<f4"), 2: np.dtype("<i4")}


class _Memory:
    """Keeps a pvit_array alive for as long as an array uses its memory."""

    def __init__(self, handle: c_void_p) -> None:
        self._handle = Handle("array", handle)
        shape = tuple(function("array_extent")(handle, axis) for axis in range(function("array_rank")(handle)))
        dtype = _TYPES[function("array_type")(handle)]
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (function("array_data")(handle), False),
        }


def take_array(handle: c_void_p) -> np.ndarray:
    """The array over a pvit_array, which is freed with the array."""
    return np.asarray(_Memory(handle))


def as_pointer(array: np.ndarray) -> c_void_p:
    """The address of an array that the caller keeps alive."""
    return array.ctypes.data_as(ctypes.c_void_p)
