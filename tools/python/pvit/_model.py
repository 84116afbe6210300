"""Models, answers and embeddings."""

import asyncio
import json
import os
import threading
import time
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from ctypes import byref

import numpy as np

from ._arrays import as_pointer, take_array
from ._library import Call, Handle, RepeatedCall, check, function, options, result, take_text

#: An image: a path, the bytes of a JPEG, PNG or WebP file, a PIL image, an array [height, width, 3] of uint8, or an
#: image that `Model.image` has made.
ImageLike = typing.Any
#: Left, upper, right and lower edge: four ints in pixels, or floats in fractions of the image's sides.
Box = Sequence[float]
#: A text of the user, or messages {"role": ..., "content": ...}.
Messages = str | Sequence[Mapping[str, str]]
#: Called with what is done and what there is to do, or a progress bar of tqdm.
Progress = Callable[[int, int], object] | typing.Any


class Image:
    """An image that is scaled for one model. Further requests about it do not encode it again."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @property
    def size(self) -> tuple[int, int]:
        """The width and height of the original in pixels."""
        return function("image_width")(self._handle.value), function("image_height")(self._handle.value)

    def __reduce__(self) -> typing.NoReturn:
        raise TypeError("an image of a pvit model cannot be pickled: make it again in the other process")


class Answer(Iterator[str]):
    """An answer, in pieces of text that are computed when they are asked for. Leaving a loop over it stops the work.

    `async for` works, too: the event loop goes on while the model computes.
    """

    #: A step that takes less than this many seconds need not be interrupted. Two changes of threads would take a
    #: noticeable share of its time.
    _BRIEF = 0.03

    def __init__(self, handle: Handle, progress: Progress | None) -> None:
        self._handle = handle
        self._step = RepeatedCall("answer_next", handle, progress)
        # For threads that read one answer together.
        self._turn = threading.Lock()
        # The first step reads the prompt.
        self._is_brief = False

    def __next__(self) -> str:
        with self._turn:
            while True:
                start = time.perf_counter()
                self._step.repeat(is_brief=self._is_brief)
                self._is_brief = time.perf_counter() - start < self._BRIEF
                piece = self._step.result
                if not piece:
                    raise StopIteration
                if text := take_text(piece):
                    return text

    def __aiter__(self) -> AsyncIterator[str]:
        return self._stream()

    async def _stream(self) -> AsyncIterator[str]:
        while True:
            work = asyncio.get_running_loop().run_in_executor(None, next, self, None)
            try:
                piece = await asyncio.shield(work)
            except asyncio.CancelledError:
                self._step.cancel()
                await asyncio.gather(work, return_exceptions=True)
                self._step.renew()
                raise
            if piece is None:
                return
            yield piece

    @property
    def tokens(self) -> np.ndarray:
        """The tokens drawn so far, the one that ended the answer included: int32 [tokens]."""
        array = result()
        check("answer_tokens", self._handle.value, byref(array))
        return take_array(array)

    @property
    def statistics(self) -> dict:
        """The answer so far, with stop reason and timings, as `pvit run --json` prints it."""
        text = result()
        check("answer_describe", self._handle.value, byref(text))
        return json.loads(take_text(text))

    def __reduce__(self) -> typing.NoReturn:
        raise TypeError("an answer of a pvit model cannot be pickled")


class Model:
    """An open model. Calls from several threads take turns.

    Args:
        path: The .pvq file.
        memory: The limit for the whole process, such as "2GiB"; by default what the machine has free.
        threads: The number of threads; by default one for each processor.
        context: The maximum number of positions for prompt and answer together.
        settings: The other options of pvit_model_open in pvit.h: kv_cache, images, chat_template, parse_special, draft
            (the file of a small model that guesses how answers continue).
    Raises:
        Error: The file is missing or damaged, or does not fit into memory.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        memory: str | int | None = None,
        threads: int | None = None,
        context: int | None = None,
        **settings: object,
    ) -> None:
        values = {"memory": memory, "threads": threads, "context": context, **settings}
        handle, call, setting = result(), Call(), options(values)
        call.run("model_open", os.fsencode(path), setting.value, *call.callbacks(takes_progress=False), byref(handle))
        self._handle = Handle("model", handle, "close")

    def close(self) -> None:
        """Frees the model's memory and threads. Its answers then raise errors."""
        self._handle.free()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __reduce__(self) -> typing.NoReturn:
        raise TypeError("a pvit model cannot be pickled: open the file again in the other process")

    @property
    def description(self) -> dict:
        """Sizes, context, threads and memory plan, and what the model can read."""
        text = result()
        check("model_describe", self._handle.value, byref(text))
        return json.loads(take_text(text))

    def tokenize(self, text: str | bytes, *, plain: bool = False, beginning: bool = True) -> np.ndarray:
        """The tokens of a text: int32 [tokens].

        Args:
            plain: Whether special tokens in the text are text.
            beginning: Whether BOS goes in front.
        """
        content = text.encode() if isinstance(text, str) else text
        setting, array = options({"plain": plain, "no_beginning": not beginning}), result()
        check("tokenize", self._handle.value, content, len(content), setting.value, byref(array))
        return take_array(array)

    def detokenize(self, tokens: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of tokens."""
        numbers = np.ascontiguousarray(tokens, dtype=np.int32)
        setting, text = options({"skip_special": skip_special}), result()
        check("detokenize", self._handle.value, as_pointer(numbers), numbers.size, setting.value, byref(text))
        return take_text(text)

    def image(self, image: ImageLike) -> Image:
        """Decodes an image and scales it for this model."""
        if isinstance(image, Image):
            return image
        handle = result()
        if isinstance(image, (str, os.PathLike)):
            check("image_from_file", self._handle.value, os.fsencode(image), byref(handle))
        elif isinstance(image, (bytes, bytearray, memoryview)):
            content = bytes(image)
            check("image_from_bytes", self._handle.value, content, len(content), byref(handle))
        else:
            pixels = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
            if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
                raise ValueError(
                    f"an image is an array [height, width, 3] of uint8, not {pixels.shape} of {pixels.dtype}"
                )
            pixels = np.ascontiguousarray(pixels)
            height, width = pixels.shape[:2]
            check("image_from_rgb", self._handle.value, as_pointer(pixels), width, height, 3 * width, byref(handle))
        return Image(Handle("image", handle))

    def chat(
        self,
        messages: Messages,
        *,
        image: ImageLike | None = None,
        regions: Mapping[str, Box] | None = None,
        progress: Progress | None = None,
        **settings: object,
    ) -> Answer:
        """Answers a conversation, which may be about an image; messages mention its regions as {name}.

        Args:
            progress: Called with the number of prompt tokens that are read, and of all.
            settings: The options of pvit_answer_begin in pvit.h: max_tokens, temperature, stop, seed, session, ...
        """
        return self._begin(self._request(messages, None, None, image, regions), progress, settings)

    def generate(
        self,
        prompt: str | Sequence[int],
        *,
        image: ImageLike | None = None,
        regions: Mapping[str, Box] | None = None,
        progress: Progress | None = None,
        **settings: object,
    ) -> Answer:
        """Continues a text or tokens without a chat template. <image> in a text stands for the image."""
        return self._begin(self._continuation(prompt, image, regions), progress, settings)

    def logits(
        self,
        prompt: str | Sequence[int],
        *,
        image: ImageLike | None = None,
        regions: Mapping[str, Box] | None = None,
        last: bool = False,
        kv_cache: str = "f32",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """The logits at every position of a text or of tokens, or at the last one: float32 [positions, vocabulary]."""
        request = self._continuation(prompt, image, regions)
        setting, array, call = options({"last": last, "kv_cache": kv_cache}), result(), Call(progress)
        call.run("logits", self._handle.value, request.value, setting.value, *call.callbacks(), byref(array))
        return take_array(array)

    def embed_image(self, image: ImageLike) -> tuple[np.ndarray, np.ndarray]:
        """The features of an image: float32 [patches, width], and their projections [patches, hidden size]."""
        prepared, features, embeddings, call = self.image(image), result(), result(), Call()
        call.run(
            "embed_image",
            self._handle.value,
            prepared._handle.value,
            *call.callbacks(takes_progress=False),
            byref(features),
            byref(embeddings),
        )
        return take_array(features), take_array(embeddings)

    def embed_regions(self, image: ImageLike, boxes: Sequence[Box]) -> tuple[np.ndarray, np.ndarray]:
        """The features of regions: float32 [regions, width], and what the decoder reads [regions, hidden size]."""
        prepared, features, embeddings, call = self.image(image), result(), result(), Call()
        edges = np.ascontiguousarray(boxes, dtype=np.float64)
        if edges.ndim != 2 or edges.shape[1] != 4:
            raise ValueError(f"boxes are an array [regions, 4], not {edges.shape}")
        call.run(
            "embed_regions",
            self._handle.value,
            prepared._handle.value,
            as_pointer(edges),
            len(edges),
            min(_unit(box) for box in boxes),
            *call.callbacks(takes_progress=False),
            byref(features),
            byref(embeddings),
        )
        return take_array(features), take_array(embeddings)

    def perplexity(self, text: str, *, progress: Progress | None = None, **settings: object) -> dict:
        """How well the model predicts a text. Settings: context, windows, kv_cache."""
        content, setting, report, call = text.encode(), options(settings), result(), Call(progress)
        call.run(
            "perplexity", self._handle.value, content, len(content), setting.value, *call.callbacks(), byref(report)
        )
        return json.loads(take_text(report))

    def _begin(self, request: Handle, progress: Progress | None, settings: dict[str, object]) -> Answer:
        setting, answer = options(settings), result()
        check("answer_begin", self._handle.value, request.value, setting.value, byref(answer))
        return Answer(Handle("answer", answer), progress)

    def _continuation(
        self, prompt: str | Sequence[int], image: ImageLike | None, regions: Mapping[str, Box] | None
    ) -> Handle:
        if isinstance(prompt, str):
            return self._request(None, prompt, None, image, regions)
        return self._request(None, None, prompt, image, regions)

    def _request(
        self,
        messages: Messages | None,
        text: str | None,
        tokens: Sequence[int] | None,
        image: ImageLike | None,
        regions: Mapping[str, Box] | None,
    ) -> Handle:
        request = Handle("request", function("request_new")())
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        for message in messages or []:
            check("request_add_message", request.value, message["role"].encode(), message["content"].encode())
        if text is not None:
            check("request_set_text", request.value, text.encode())
        if tokens is not None:
            numbers = np.ascontiguousarray(tokens, dtype=np.int32)
            check("request_set_tokens", request.value, as_pointer(numbers), numbers.size)
        if image is not None:
            prepared = self.image(image)
            check("request_set_image", request.value, prepared._handle.value)
        for name, box in (regions or {}).items():
            if len(box) != 4:
                raise ValueError(f"the region {name} has {len(box)} numbers, not 4")
            check("request_add_region", request.value, name.encode(), *map(float, box), _unit(box))
        return request


def _unit(box: Box) -> int:
    """PVIT_PIXELS for whole numbers, PVIT_FRACTIONS otherwise."""
    return 0 if all(isinstance(edge, (int, np.integer)) for edge in box) else 1
