"""Files: their tensors, and conversions."""

import json
import os
import typing
from collections.abc import Callable, Iterator, Mapping
from ctypes import byref

import numpy as np

from ._arrays import take_array
from ._library import Call, Handle, check, options, result, take_text

Path = str | os.PathLike
#: Called with what is done and what there is to do, or a progress bar of tqdm.
Progress = Callable[[int, int], object] | typing.Any
_MAPPED = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2")}


class Tensors(Mapping[str, np.ndarray]):
    """The tensors of a file, as a mapping of names to arrays, which are read when they are asked for.

    Tensors of f32 and f16 that lie in a .pvq file as they are become read-only maps of the file, whose checksums are
    not checked. All others are decoded to float32.
    """

    def __init__(self, path: Path) -> None:
        handle, listing = result(), result()
        check("tensors_open", os.fsencode(path), byref(handle))
        self._handle = Handle("tensors", handle, "close")
        self._path = path
        check("tensors_list", self._handle.value, byref(listing))
        #: Encoding and shape of each tensor.
        self.index: dict[str, dict] = {entry["name"]: entry for entry in json.loads(take_text(listing))}

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self.index[name]
        if dtype := _MAPPED.get(entry.get("mapped_type", "")):
            return np.memmap(self._path, dtype, "r", entry["offset"], tuple(entry["shape"]))
        array, call = result(), Call()
        call.run("tensors_read", self._handle.value, name.encode(), *call.callbacks(takes_progress=False), byref(array))
        return take_array(array)

    def __iter__(self) -> Iterator[str]:
        return iter(self.index)

    def __len__(self) -> int:
        return len(self.index)

    def close(self) -> None:
        """Closes the file. Arrays stay valid."""
        self._handle.free()

    def __enter__(self) -> "Tensors":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def open(path: Path) -> Tensors:  # noqa: A001
    """Opens the tensors of a .pvq file or of a checkpoint."""
    return Tensors(path)


def torch_state_dict(path: Path) -> dict:
    """All tensors as a state dictionary of PyTorch, which must be installed."""
    import torch

    with open(path) as tensors:
        return {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}


def inspect(path: Path, *, tensors: bool = False, compare: Path | None = None) -> dict:
    """Describes a model file or folder, as `pvit inspect --json` does.

    Args:
        tensors: Whether to list every tensor.
        compare: Another file or folder to show beside it, with what differs.
    """
    setting, report = options({"tensors": tensors, "compare": compare}), result()
    check("inspect", os.fsencode(path), setting.value, byref(report))
    return json.loads(take_text(report))


def quantize(source: Path, output: Path, *, progress: Progress | None = None, **settings: object) -> dict:
    """Converts a checkpoint to a .pvq file, as `pvit quantize` does.

    Args:
        progress: Called with the bytes that are done, and their total.
        settings: The options of pvit_quantize in pvit.h: type, delta, vision_tower, override=[...], ...
    """
    setting, report, call = options(settings), result(), Call(progress)
    call.run("quantize", os.fsencode(source), os.fsencode(output), setting.value, *call.callbacks(), byref(report))
    return json.loads(take_text(report))


def merge(base: Path, delta: Path, output: Path, *, progress: Progress | None = None, **settings: object) -> None:
    """Adds a delta to its base and writes a Hugging Face folder. Settings: threads, shard_size."""
    setting, call = options(settings), Call(progress)
    call.run("merge", os.fsencode(base), os.fsencode(delta), os.fsencode(output), setting.value, *call.callbacks())


def export(source: Path, output: Path, *, progress: Progress | None = None, **settings: object) -> None:
    """Writes a model as a GGUF file or a Hugging Face folder. Settings: type, shard_size, threads."""
    setting, call = options(settings), Call(progress)
    call.run("export", os.fsencode(source), os.fsencode(output), setting.value, *call.callbacks())


def verify(path: Path, *, progress: Progress | None = None) -> dict:
    """Checks every byte of a .pvq file."""
    report, call = result(), Call(progress)
    call.run("verify", os.fsencode(path), *call.callbacks(), byref(report))
    return json.loads(take_text(report))
