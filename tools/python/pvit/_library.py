"""The functions of pvit.h, loaded with ctypes. ctypes releases the GIL while a function runs."""

import ctypes
import logging
import os
import pathlib
import threading
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

Abort = ctypes.CFUNCTYPE(c_int32, c_void_p)
Progress = ctypes.CFUNCTYPE(None, c_void_p, c_uint64, c_uint64)
Log = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)

# Handles and callbacks are pointers; results are pointers to handles.
_H, _OUT, _S = c_void_p, POINTER(c_void_p), c_char_p
_CALLBACKS = [c_void_p, c_void_p, c_void_p]
_SIGNATURES: dict[str, tuple[object, list]] = {
    "abort_if_set": (c_int32, [c_void_p]),
    "version_number": (c_uint32, []),
    "version_text": (c_char_p, []),
    "set_log_callback": (None, [Log, c_void_p]),
    "error_code": (c_char_p, [_H]),
    "error_message": (c_char_p, [_H]),
    "error_what": (c_char_p, [_H]),
    "error_file": (c_char_p, [_H]),
    "error_tensor": (c_char_p, [_H]),
    "error_remedy": (c_char_p, [_H]),
    "text_bytes": (c_void_p, [_H]),
    "text_length": (c_size_t, [_H]),
    "array_data": (c_void_p, [_H]),
    "array_type": (c_int32, [_H]),
    "array_rank": (c_int32, [_H]),
    "array_extent": (c_size_t, [_H, c_int32]),
    "options_new": (_H, []),
    "options_set_text": (c_int32, [_H, _S, _S, _OUT]),
    "options_set_integer": (c_int32, [_H, _S, c_int64, _OUT]),
    "options_set_number": (c_int32, [_H, _S, c_double, _OUT]),
    "options_add_text": (c_int32, [_H, _S, _S, _OUT]),
    "model_open": (c_int32, [_S, _H, c_void_p, c_void_p, _OUT, _OUT]),
    "model_close": (None, [_H]),
    "model_describe": (c_int32, [_H, _OUT, _OUT]),
    "tokenize": (c_int32, [_H, _S, c_size_t, _H, _OUT, _OUT]),
    "detokenize": (c_int32, [_H, c_void_p, c_size_t, _H, _OUT, _OUT]),
    "image_from_file": (c_int32, [_H, _S, _OUT, _OUT]),
    "image_from_bytes": (c_int32, [_H, _S, c_size_t, _OUT, _OUT]),
    "image_from_rgb": (c_int32, [_H, c_void_p, c_size_t, c_size_t, c_size_t, _OUT, _OUT]),
    "image_width": (c_size_t, [_H]),
    "image_height": (c_size_t, [_H]),
    "request_new": (_H, []),
    "request_add_message": (c_int32, [_H, _S, _S, _OUT]),
    "request_set_text": (c_int32, [_H, _S, _OUT]),
    "request_set_tokens": (c_int32, [_H, c_void_p, c_size_t, _OUT]),
    "request_set_image": (c_int32, [_H, _H, _OUT]),
    "request_add_region": (c_int32, [_H, _S, c_double, c_double, c_double, c_double, c_int32, _OUT]),
    "request_render": (c_int32, [_H, _H, _OUT, _OUT]),
    "answer_begin": (c_int32, [_H, _H, _H, _OUT, _OUT]),
    "answer_next": (c_int32, [_H, *_CALLBACKS, _OUT, _OUT]),
    "answer_tokens": (c_int32, [_H, _OUT, _OUT]),
    "answer_describe": (c_int32, [_H, _OUT, _OUT]),
    "logits": (c_int32, [_H, _H, _H, *_CALLBACKS, _OUT, _OUT]),
    "embed_image": (c_int32, [_H, _H, c_void_p, c_void_p, _OUT, _OUT, _OUT]),
    "embed_regions": (c_int32, [_H, _H, c_void_p, c_size_t, c_int32, c_void_p, c_void_p, _OUT, _OUT, _OUT]),
    "perplexity": (c_int32, [_H, _S, c_size_t, _H, *_CALLBACKS, _OUT, _OUT]),
    "tensors_open": (c_int32, [_S, _OUT, _OUT]),
    "tensors_list": (c_int32, [_H, _OUT, _OUT]),
    "tensors_read": (c_int32, [_H, _S, c_void_p, c_void_p, _OUT, _OUT]),
    "tensors_close": (None, [_H]),
    "inspect": (c_int32, [_S, _H, _OUT, _OUT]),
    "merge": (c_int32, [_S, _S, _S, _H, *_CALLBACKS, _OUT]),
    "quantize": (c_int32, [_S, _S, _H, *_CALLBACKS, _OUT, _OUT]),
    "verify": (c_int32, [_S, *_CALLBACKS, _OUT, _OUT]),
    "export": (c_int32, [_S, _S, _H, *_CALLBACKS, _OUT]),
}
_SIGNATURES.update({f"{kind}_free": (None, [_H]) for kind in "error text array options image request answer".split()})


def _load() -> ctypes.CDLL:
    own = pathlib.Path(__file__).parent / "lib" / "libpvit.so.0"
    # A package of the system has the library where the loader looks.
    path = os.environ.get("PVIT_LIBRARY_PATH") or (str(own) if own.exists() else own.name)
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{error}: PVIT_LIBRARY_PATH can name libpvit, which tools/library builds") from None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, f"pvit_{name}")
        function.restype, function.argtypes = result, arguments
    return library


_cdll = _load()


def function(name: str) -> Callable:
    """The function pvit_<name>."""
    return getattr(_cdll, f"pvit_{name}")


_logger = logging.getLogger("pvit")


@Log
def _log(_context: object, level: int, message: bytes) -> None:
    _logger.log(logging.WARNING if level == 2 else logging.INFO, "%s", message.decode())


function("set_log_callback")(_log, None)

_abort_if_set = ctypes.cast(_cdll.pvit_abort_if_set, c_void_p)


class Error(Exception):
    """A failure of pvit. `str(error)` is the line that the command line prints."""

    #: The stable code, such as "file.not-found".
    code: str
    #: What happened.
    what: str
    #: The file at fault, or None.
    file: str | None
    #: The tensor at fault, or None.
    tensor: str | None
    #: What to do next, or None.
    remedy: str | None

    def __init__(self, handle: c_void_p, status: int) -> None:
        def member(name: str) -> str | None:
            value = function(f"error_{name}")(handle)
            return None if value is None else os.fsdecode(value)

        super().__init__(member("message"))
        self.status = status
        self.code = member("code") or ""
        self.what = member("what") or ""
        self.file, self.tensor, self.remedy = member("file"), member("tensor"), member("remedy")
        function("error_free")(handle)


class Cancelled(Error):
    """A call was ended before it was done."""


def check(name: str, *arguments: object) -> None:
    """Calls a function that takes a pvit_error ** last, and raises its error."""
    error = c_void_p()
    status = function(name)(*arguments, ctypes.byref(error))
    if status != 0:
        _fail(error, status)


def _fail(error: c_void_p, status: int) -> None:
    raise (Cancelled if status == 130 else Error)(error, status)


class Handle:
    """Owns a handle, and frees it in the end."""

    def __init__(self, kind: str, value: object, release: str = "free") -> None:
        self.value = value
        self._release = function(f"{kind}_{release}")

    def __del__(self) -> None:
        self.free()

    def free(self) -> None:
        value, self.value = getattr(self, "value", None), None
        if value:
            self._release(value)


class Call:
    """A long call: on the main thread it runs on a helper thread, so that Ctrl-C interrupts it at once."""

    def __init__(self, progress: object | None = None) -> None:
        self._flag = c_int32(0)
        self._failure: BaseException | None = None
        self._progress = None
        if progress is not None:
            # A tqdm bar is moved, anything else is called.
            advance = _bar(progress) if hasattr(progress, "update") else progress

            def report(_context: object, done: int, total: int) -> None:
                if self._failure is None:
                    try:
                        advance(done, total)
                    except BaseException as failure:
                        self._failure = failure
                        self.cancel()

            self._progress = Progress(report)

    def cancel(self) -> None:
        """Ends the call as soon as possible. Any thread may do so."""
        self._flag.value = 1

    def callbacks(self, *, takes_progress: bool = True) -> list:
        """The arguments progress, abort and context."""
        progress = [ctypes.cast(self._progress, c_void_p) if self._progress else None] if takes_progress else []
        return [*progress, _abort_if_set, ctypes.addressof(self._flag)]

    def run(self, name: str, *arguments: object) -> None:
        """Calls a function, and raises its error or that of a callback."""
        self._run(lambda: check(name, *arguments))

    def _run(self, work: Callable[[], object], *, is_brief: bool = False) -> None:
        try:
            if is_brief or threading.current_thread() is not threading.main_thread():
                work()
            else:
                _helper.run(work, self.cancel)
        except Cancelled:
            if self._failure is not None:
                raise self._failure from None
            raise
        if self._failure is not None:
            raise self._failure


class RepeatedCall(Call):
    """A long call that makes a handle, to be made again and again with the same arguments.

    Between two tokens of a model, the weights have displaced everything else from the caches, so that each object and
    each function that is used takes its time. Nothing is made anew here.

    Args:
        name: The function.
        handle: Its first argument, which the caller keeps.
        progress: A callback, or None.
    """

    def __init__(self, name: str, handle: "Handle", progress: object | None = None) -> None:
        super().__init__(progress)
        self.result = c_void_p()
        self._error = c_void_p()
        self._function = function(name)
        self._arguments = (
            handle.value,
            *self.callbacks(),
            ctypes.byref(self.result),
            ctypes.byref(self._error),
        )

    def repeat(self, *, is_brief: bool) -> None:
        """Makes the call, and raises its error or that of a callback.

        Args:
            is_brief: Whether Ctrl-C can wait for the end of the call, which then needs no other thread.
        """
        self._failure = None
        try:
            self._run(self._make, is_brief=is_brief)
        finally:
            self.renew()

    def renew(self) -> None:
        """Makes it possible to repeat a call that was cancelled."""
        self._flag.value = 0

    def _make(self) -> None:
        status = self._function(*self._arguments)
        if status != 0:
            _fail(self._error, status)


def _bar(bar: Any) -> Callable[[int, int], object]:
    def advance(done: int, total: int) -> None:
        bar.total = total or None
        bar.update(done - bar.n)

    return advance


class _Helper:
    """A thread that makes calls for the main thread."""

    def __init__(self) -> None:
        self._process = 0

    def _start(self) -> None:
        self._process = os.getpid()
        self._wanted, self._done = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._serve, args=(self._wanted, self._done), name="pvit", daemon=True).start()

    def _serve(self, wanted: threading.Semaphore, done: threading.Semaphore) -> None:
        while True:
            wanted.acquire()
            self._failure = None
            try:
                self._work()
            except BaseException as failure:
                self._failure = failure
            done.release()

    def run(self, work: Callable[[], object], cancel: Callable[[], object]) -> None:
        if self._process != os.getpid():
            self._start()
        self._work = work
        self._wanted.release()
        try:
            self._done.acquire()
        except BaseException:
            # An exception of a signal handler, such as KeyboardInterrupt.
            cancel()
            self._done.acquire()
            raise
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


_helper = _Helper()


def result() -> c_void_p:
    """A place for a handle."""
    return c_void_p()


def options(values: dict[str, object]) -> Handle:
    """A pvit_options handle. Underscores in names stand for hyphens; None leaves an option out."""
    handle = Handle("options", function("options_new")())
    for key, value in values.items():
        name = key.replace("_", "-").encode()
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            for element in value:
                check("options_add_text", handle.value, name, os.fsencode(element))
        elif isinstance(value, (bool, int)) and -(2**63) <= int(value) < 2**63:
            check("options_set_integer", handle.value, name, int(value))
        elif isinstance(value, float):
            check("options_set_number", handle.value, name, value)
        else:
            check(
                "options_set_text",
                handle.value,
                name,
                os.fsencode(value) if not isinstance(value, int) else b"%d" % value,
            )
    return handle


def take_text(handle: c_void_p) -> str:
    """The content of a pvit_text, which is freed."""
    length = _text_length(handle)
    try:
        return ctypes.string_at(_text_bytes(handle), length).decode()
    finally:
        _text_free(handle)


_text_length, _text_bytes, _text_free = map(function, ("text_length", "text_bytes", "text_free"))
