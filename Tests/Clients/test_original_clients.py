"""Requests with the fields, values and headers that LLaVA 1.2.2 and PVIT send, and their way of reading answers."""

import base64
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from content import photo
from PIL import Image
from server import PHOTOS, ServerTest, run
from worker_client import ask, chunks, stream

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
REGIONS = "<Region><L98><L94><L398><L494></Region> and in <Region><L498><L394><L898><L894></Region>"


def encoded(file_format, mode="RGB"):
    """A photo in base64, encoded as the clients do it with Pillow."""
    with Image.open(io.BytesIO(photo())) as picture:
        file = io.BytesIO()
        picture.convert(mode).save(file, format=file_format)
    return base64.b64encode(file.getvalue()).decode()


class LLaVAPageTests(ServerTest):
    """`gradio_web_server.py`."""

    def answer(self, prompt, image=None, stop="</s>", max_new_tokens=6, temperature=0.0, top_p=0.7):
        """The answer as the page shows it."""
        body = {
            "model": "pvit",
            "prompt": prompt,
            "temperature": temperature,
            "top_p": top_p,
            "max_new_tokens": max_new_tokens,
            "stop": stop,
            "images": [image] if image else [],
        }
        shown = []
        for chunk in chunks(self.server.address, body):
            self.assertEqual(chunk["error_code"], 0, chunk)
            self.assertEqual(chunk["text"][: len(prompt)], prompt)
            shown.append(chunk["text"][len(prompt) :].strip())
        self.assertEqual(shown[0], "")
        return shown[-1]

    def test_way_to_the_worker(self):
        # The page sends no body to these paths, and so no Content-Type.
        for path, expected in [("/refresh_all_workers", b"null"), ("/list_models", b'{"models":["pvit"]}')]:
            status, _, body = self.server.request(path, method="POST", headers={"Content-Length": "0"})
            self.assertEqual((status, body), (200, expected))
        found = self.server.post("/get_worker_address", {"model": "pvit"}, {"User-Agent": "python-requests/2.31.0"})
        self.assertEqual(found, (200, {"address": self.server.address}))

    def test_conversation_about_an_image(self):
        image = encoded("PNG")
        prompt = f"{SYSTEM} USER: <image>\nWhat is this? ASSISTANT:"
        first = self.answer(prompt, image)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "picture.png"
            file.write_bytes(base64.b64decode(image))
            expected = run("What is this?", "--image", file, "--system", SYSTEM, "--max-tokens", 6)
        self.assertEqual(first, expected["text"].strip())
        self.assertTrue(first)
        self.assertEqual(self.answer(prompt, image), first, "regenerated")
        self.assertTrue(self.answer(f"{prompt} {first}</s>USER: Why? ASSISTANT:", image))

    def test_templates(self):
        # The page derives a template from the model's name: v0, v1, mmtag, MPT, LLaMA 2, Mistral, ChatML and plain.
        image = encoded("PNG")
        for prompt, stop in [
            (f"{SYSTEM}###Human: <image>\nWhat?###Assistant:", "###"),
            (f"{SYSTEM} USER: <Image><image></Image> ASSISTANT: Received.</s>USER: What? ASSISTANT:", "</s>"),
            ("<|im_start|>system\nAnswer.<|im_end|><|im_start|>user\n<image>\nWhat?<|im_end|><|im_start|>assistant\n",
             "<|im_end|>"),
            ("[INST] <<SYS>>\nAnswer.\n<</SYS>>\n\n<image>\nWhat? [/INST]", "</s>"),
            ("[INST] <image>\nWhat? [/INST]", ""),
            ("<image>\nWhat?\n", None),
        ]:  # fmt: skip
            self.assertTrue(self.answer(prompt, image, stop, temperature=0.2), prompt)

    def test_ends_of_the_sliders(self):
        prompt = "USER: Why? ASSISTANT:"
        self.assertEqual(self.answer(prompt, max_new_tokens=0), "")
        self.assertTrue(self.answer(prompt, top_p=0.0, temperature=1.0))
        self.assertTrue(self.answer(prompt, top_p=1.0, temperature=1.0))
        # The page allows 1536 tokens, the worker gives 1024. The word ends the answer before.
        whole = self.answer(prompt, max_new_tokens=4)
        end = whole.split()[-1]
        self.assertEqual(self.answer(prompt, stop=end, max_new_tokens=1536), whole[: whole.index(end)].strip())

    def test_encodings_of_images(self):
        prompt = f"{SYSTEM} USER: <image>\nWhat is this? ASSISTANT:"
        expected = self.answer(prompt, encoded("PNG"))
        self.assertEqual(self.answer(prompt, encoded("PNG", "RGBA")), expected)
        for file_format, mode in [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "P"), ("WEBP", "RGB")]:
            self.assertTrue(self.answer(prompt, encoded(file_format, mode)), (file_format, mode))


class PVITClientTests(ServerTest):
    """`demo/home.py`, `run_cli.py` and `run_fine_eval.py`. Their requests name no model."""

    def body(self, prompt):
        image = base64.b64encode(photo()).decode()
        return {"prompt": prompt, "images": [image], "max_new_tokens": 6, "temperature": 0.0, "stop": "</s>"}

    def answer(self, prompt, address=None):
        received = chunks(address or self.server.address, self.body(prompt))
        self.assertTrue(all(chunk["error_code"] == 0 for chunk in received), received[-1])
        return received[-1]["text"].split("ASSISTANT:")[-1]

    def test_conversation_about_regions(self):
        question = f"What is in {REGIONS}"
        prompt = f"{SYSTEM} USER: <image>\n{question} ASSISTANT:"
        first = self.answer(prompt)
        expected = run(question, "--image", PHOTOS / "0024.jpg", "--system", SYSTEM, "--max-tokens", 6)
        self.assertEqual(first.strip(), expected["text"].strip())
        # The demo keeps the space at the beginning of an answer, and writes one before it.
        second = self.answer(f"{prompt} {first}</s>USER: And {REGIONS}? ASSISTANT:")
        self.assertTrue(second.strip())

    def test_address_in_the_documentation(self):
        # PVIT's README has MODEL_ADDR=http://0.0.0.0:40004.
        address = self.server.address.replace("127.0.0.1", "0.0.0.0")
        prompt = f"{SYSTEM} USER: <image>\nWhat? ASSISTANT:"
        self.assertEqual(self.answer(prompt, address), self.answer(prompt))

    def test_error_is_shown_as_the_answer(self):
        # The demo does not look at the code of an error: it shows the text.
        prompt = f"{SYSTEM} USER: <image>\nWhat is in <Region><L500><L0><L1030><L900></Region>? ASSISTANT:"
        received = chunks(self.server.address, self.body(prompt))
        self.assertEqual(received[-1]["error_code"], 1)
        self.assertIn("beyond the image", received[-1]["text"].split("ASSISTANT:")[-1])


class TestMessageTests(ServerTest):
    """LLaVA's `test_message.py`. It sends no images, does not ask the assistant, and stops at a space."""

    def test_message(self):
        prompt = f"{SYSTEM} USER: Tell me a story with more than 1000 words. "
        body = {"model": "facebook/opt-350m", "prompt": prompt, "max_new_tokens": 32, "temperature": 0.7, "stop": " "}
        received = chunks(self.server.address, body)
        self.assertEqual(received[0], {"text": prompt, "error_code": 0})
        self.assertTrue(all(chunk["error_code"] == 0 for chunk in received))
        self.assertNotIn(" ", received[-1]["text"].removeprefix(prompt))


class WaitingTests(ServerTest):
    """LLaVA's page gives up after 10 s without a byte, and the proxy of its controller after 5 s."""

    options = ("--parallel", "1", "--threads", "1")

    def test_chunk_is_repeated_while_a_request_waits(self):
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                long = {"prompt": "Hello", "max_new_tokens": 1024, "temperature": 0}
                stack.enter_context(ask(self.server.address, long))
            waiting = stack.enter_context(contextlib.closing(stream(self.server.address, {"prompt": "Why?"})))
            received = [next(waiting) for _ in range(3)]
        self.assertEqual(received, [{"text": "Why?", "error_code": 0}] * 3)


if __name__ == "__main__":
    unittest.main()
