"""libpvit, its Python package and the examples beside the command line.

Needs tools/fixtures, tools/library --debug .build/library-debug, and the Swift example in .build-example (tools/test).
"""

import asyncio
import importlib.util
import json
import logging
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).parents[2]
LIBRARY = ROOT / ".build/library-debug"
PROGRAM = ROOT / ".build/debug/pvit"
FIXTURES = ROOT / ".build/fixtures"
PHOTOGRAPH = ROOT / "Tests/TestSupport/Fixtures/photos/0001.jpg"

os.environ["PVIT_LIBRARY_PATH"] = str(LIBRARY / "lib/libpvit.so.0")
sys.path.insert(0, str(ROOT / "tools/python"))

import numpy as np  # noqa: E402
import pvit  # noqa: E402

QUESTION = "How do {left} and {right} differ?"
REGIONS = {"left": (0.0, 0.2, 0.5, 0.9), "right": (0.5, 0.2, 1.0, 0.9)}


def run(*arguments: object) -> str:
    """What a command prints."""
    return subprocess.run([str(a) for a in arguments], check=True, capture_output=True, text=True).stdout


def digest(folder: pathlib.Path) -> dict[str, bytes]:
    """The content of all files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class LibraryTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name) / "pvit.pvq"
        cls.progress = []
        pvit.quantize(
            FIXTURES / "mini-llama-base-st",
            cls.path,
            delta=FIXTURES / "mini-pvit-delta-st",
            vision_tower=FIXTURES / "mini-clip",
            region_encoder=FIXTURES / "mini-regionclip/regionclip_narrow.pth",
            type="f32",
            progress=lambda done, total: cls.progress.append((done, total)),
        )
        cls.model = pvit.Model(cls.path, threads=2, context=512)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.model.close()
        cls.folder.cleanup()

    def test_exported_symbols_are_the_listed_ones(self) -> None:
        table = run("objdump", "-T", LIBRARY / "lib/libpvit.so")
        names = sorted(line.split()[-1] for line in table.splitlines() if " PVIT_0 " in line and ".text" in line)
        self.assertEqual(names, (ROOT / "Sources/CPVIT/exported_symbols.txt").read_text().split())

    def test_careless_c_program_gets_errors(self) -> None:
        program = self.compile(ROOT / "Tests/Library/hostile_calls.c", "-Wall", "-Wextra", "-Werror", "-std=c99")
        self.assertEqual(self.run_linked(program, self.path, PHOTOGRAPH), "all as promised\n")

    def test_header_is_cpp_too(self) -> None:
        source = pathlib.Path(self.folder.name) / "header.cpp"
        source.write_text("#include <pvit.h>\nint main() { return pvit_version_number() != PVIT_VERSION_NUMBER; }\n")
        self.run_linked(self.compile(source, "-xc++", "-Wall", "-Wextra", "-Werror"))

    def test_examples_answer_as_the_command_line_does(self) -> None:
        example = self.compile(ROOT / "tools/examples/c/regions.c", "-Wall", "-Wextra", "-Werror")
        regions = [f"--region={name}={','.join(map(str, box))}" for name, box in REGIONS.items()]
        expected = run(
            PROGRAM, "run", self.path, "--image", PHOTOGRAPH, *regions, QUESTION, "--max-tokens", 32, "--no-stdin"
        )
        self.assertEqual(self.run_linked(example, self.path, PHOTOGRAPH), expected)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools/python")}
        command = [sys.executable, ROOT / "tools/examples/python/regions.py", self.path, PHOTOGRAPH]
        python = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        self.assertEqual(python, expected)
        self.assertEqual(run(ROOT / ".build-example/debug/regions", self.path, PHOTOGRAPH), expected)

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "needs matplotlib")
    def test_example_draws_regions_and_answers(self) -> None:
        output = pathlib.Path(self.folder.name) / "answers.png"
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools/python"), "MPLBACKEND": "Agg"}
        command = [sys.executable, ROOT / "tools/examples/python/draw_regions.py", self.path, PHOTOGRAPH, output]
        subprocess.run(command, check=True, env=environment)
        self.assertEqual(output.read_bytes()[:4], b"\x89PNG")

    def test_tokens_and_json_equal_the_command_lines(self) -> None:
        expected = json.loads(
            run(PROGRAM, "run", self.path, "--raw", "One two", "--max-tokens", 6, "--json", "--no-stdin")
        )
        answer = self.model.generate("One two", max_tokens=6)
        self.assertEqual("".join(answer), expected["text"])
        self.assertEqual(answer.tokens.tolist(), expected["tokens"])
        self.assertEqual(answer.statistics["stop_reason"], "length")

    def test_reports_equal_the_command_lines(self) -> None:
        self.assertEqual(pvit.inspect(self.path), json.loads(run(PROGRAM, "inspect", self.path, "--json")))
        other = FIXTURES / "mini-llama-base-st"
        listing = json.loads(run(PROGRAM, "inspect", self.path, "--json", "--tensors", "--compare", other))
        self.assertEqual(pvit.inspect(self.path, tensors=True, compare=other), listing)
        with self.assertRaisesRegex(pvit.Error, "absent"):
            pvit.inspect("absent")

    def test_logits_equal_the_command_lines(self) -> None:
        output = pathlib.Path(self.folder.name) / "logits.npy"
        prompt = "USER: <image> Who? ASSISTANT:"
        run(PROGRAM, "evaluate", "logits", self.path, "--image", PHOTOGRAPH, "--prompt", prompt, "--output", output)
        logits = self.model.logits(prompt, image=PHOTOGRAPH)
        np.testing.assert_array_equal(logits.view(np.int32), np.load(output).view(np.int32))
        last = self.model.logits(prompt, image=PHOTOGRAPH, last=True)
        np.testing.assert_array_equal(last[0].view(np.int32), logits[-1].view(np.int32))

    def test_features_equal_the_command_lines(self) -> None:
        output = pathlib.Path(self.folder.name) / "features.npy"
        options = [f"--region={name}={','.join(map(str, box))}" for name, box in REGIONS.items()]
        results = {(): self.model.embed_image(PHOTOGRAPH)}
        results[tuple(options)] = self.model.embed_regions(PHOTOGRAPH, list(REGIONS.values()))
        for regions, arrays in results.items():
            for flags, array in zip([[], ["--embeddings"]], arrays, strict=True):
                command = ["evaluate", "features", self.path, "--image", PHOTOGRAPH, "--output", output]
                run(PROGRAM, *command, *regions, *flags)
                np.testing.assert_array_equal(array.view(np.int32), np.load(output).view(np.int32))

    def test_image_is_the_same_from_file_bytes_and_pixels(self) -> None:
        from PIL import Image

        with Image.open(PHOTOGRAPH) as picture:
            sources = [PHOTOGRAPH, PHOTOGRAPH.read_bytes(), picture, np.asarray(picture.convert("RGB"))]
            all_features = [self.model.embed_image(source) for source in sources]
        for features, embeddings in all_features:
            np.testing.assert_array_equal(features, all_features[0][0])
            np.testing.assert_array_equal(embeddings, all_features[0][1])
        features, embeddings = self.model.embed_regions(PHOTOGRAPH, list(REGIONS.values()))
        self.assertEqual((len(features), len(embeddings)), (2, 2))
        self.assertFalse(np.array_equal(embeddings[0], embeddings[1]))

    def test_answers_that_take_turns_are_those_that_go_alone(self) -> None:
        prompts = ["One two", "Three"]
        alone = ["".join(self.model.generate(prompt, max_tokens=8)) for prompt in prompts]
        answers = [self.model.generate(prompt, max_tokens=8) for prompt in prompts]
        texts = ["", ""]
        for _ in range(8):
            for number, answer in enumerate(answers):
                texts[number] += next(answer, "")
        self.assertEqual(texts, alone)

    def test_errors_are_exceptions_with_the_code(self) -> None:
        with self.assertRaises(pvit.Error) as caught:
            pvit.Model("/absent.pvq")
        self.assertEqual((caught.exception.code, caught.exception.file), ("file.not-found", "/absent.pvq"))
        with self.assertRaisesRegex(pvit.Error, "takes threads, shard-size|takes shard-size, threads"):
            pvit.merge("a", "b", "c", treads=1)
        with self.assertRaises(ValueError):
            self.model.image(np.zeros((4, 4), np.uint8))
        with self.assertRaises(TypeError):
            pickle.dumps(self.model)

    def test_exception_of_a_callback_ends_the_call(self) -> None:
        class Enough(Exception):
            pass

        def stop(_done: int, _total: int) -> None:
            raise Enough

        with self.assertRaises(Enough):
            pvit.verify(self.path, progress=stop)
        self.assertEqual(self.progress[-1][0], self.progress[-1][1])

    def test_interrupt_ends_a_long_call(self) -> None:
        def interrupt() -> None:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)

        expected = "".join(self.model.generate("One two", max_tokens=6))
        old = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            threading.Thread(target=interrupt).start()
            with self.assertRaises(KeyboardInterrupt):
                while True:
                    self.model.perplexity("one two three four " * 2000, context=256)
        finally:
            signal.signal(signal.SIGINT, old)
        self.assertEqual("".join(self.model.generate("One two", max_tokens=6)), expected)

    def test_asyncio_streams_and_cancels(self) -> None:
        async def collect() -> str:
            return "".join([piece async for piece in self.model.generate("One two", max_tokens=6)])

        expected = "".join(self.model.generate("One two", max_tokens=6))
        self.assertEqual(asyncio.run(collect()), expected)

        async def cancel() -> None:
            async for _piece in self.model.generate("One two", max_tokens=400):
                raise asyncio.CancelledError

        with self.assertRaises(asyncio.CancelledError):
            asyncio.run(cancel())

    def test_an_answer_goes_on_after_a_step_that_was_ended(self) -> None:
        class Enough(Exception):
            pass

        expected = "".join(self.model.generate("One two", max_tokens=6))
        failures = [Enough()]

        def stop_once(_done: int, _total: int) -> None:
            if failures:
                raise failures.pop()

        answer = self.model.generate("One two", max_tokens=6, progress=stop_once)
        with self.assertRaises(Enough):
            next(answer)
        self.assertEqual("".join(answer), expected)

        async def cancel_and_go_on() -> str:
            answer = self.model.generate("One two", max_tokens=6)
            step = asyncio.ensure_future(anext(aiter(answer)))
            await asyncio.sleep(0)
            step.cancel()
            first = ""
            try:
                first = await step
            except asyncio.CancelledError:
                pass
            return first + "".join([piece async for piece in answer])

        # A step that had been computed when it was cancelled is lost.
        rest = asyncio.run(cancel_and_go_on())
        self.assertTrue(rest and expected.endswith(rest), rest)

    def test_child_of_a_fork_gets_an_error_and_can_open_its_own(self) -> None:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                self.model.tokenize("x")
            except pvit.Error as error:
                if error.code == "library.forked":
                    with pvit.Model(self.path, threads=2, context=64) as model:
                        status = 0 if "".join(model.generate("One", max_tokens=2)) else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_fork_during_a_computation_gives_errors_and_no_deadlock(self) -> None:
        stop = threading.Event()

        def compute() -> None:
            while not stop.is_set():
                self.model.perplexity("one two three four " * 100, context=64)

        thread = threading.Thread(target=compute)
        thread.start()
        refused = []
        try:
            for _ in range(10):
                time.sleep(0.05)
                child = os.fork()
                if child == 0:
                    signal.alarm(60)  # Ends a child that waits for a lock.
                    status = 0
                    try:
                        for call in (lambda: self.model.tokenize("x"), lambda: pvit.Model(self.path)):
                            try:
                                call()
                            except pvit.Error as error:
                                status = status + 1 if error.code == "library.forked" else 100
                    finally:
                        os._exit(status)
                refused.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        finally:
            stop.set()
            thread.join()
        # A child that was forked between two computations can open the model again.
        self.assertLessEqual(set(refused), {1, 2})
        self.assertIn(2, refused)

    def test_other_interpreters_are_refused(self) -> None:
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            import _interpreters as interpreters
        code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools/python")!r})
try:
    import pvit
except ImportError as error:
    assert "main interpreter" in str(error), error
else:
    raise AssertionError("imported")
"""
        other = interpreters.create()
        try:
            self.assertIsNone(interpreters.run_string(other, code))
        finally:
            interpreters.destroy(other)

    def test_notes_are_logged(self) -> None:
        with self.assertLogs("pvit", logging.INFO) as log:
            pvit.Model(self.path, threads=2, context=4096).close()
        self.assertRegex(log.output[0], "INFO:pvit:.*context")

    def test_session_is_read_and_written_as_by_the_command_line(self) -> None:
        folder = pathlib.Path(self.folder.name)
        path, words = folder / "notes.session", {"max_tokens": 6}
        first = self.model.chat("One", session=path, **words)
        text = "".join(first)
        expected = run(PROGRAM, "run", self.path, "One", "--session", path, "--max-tokens", 6, "--no-stdin", "--json")
        expected = json.loads(expected)
        self.assertEqual(expected["text"], text)
        self.assertEqual(expected["reused_prompt_tokens"], expected["prompt_tokens"] - 1)
        with pvit.Model(self.path, threads=2, context=512) as model:
            answer = model.chat("One", session=path, **words)
            self.assertEqual("".join(answer), text)
            self.assertEqual(answer.statistics["reused_prompt_tokens"], expected["reused_prompt_tokens"])
        with self.assertRaises(pvit.Error) as caught:
            self.model.chat("One", session=self.path)
        self.assertEqual(caught.exception.code, "file.output-is-input")
        with self.assertRaises(pvit.Error) as caught:
            self.model.chat("One", session=folder / "absent/notes.session")
        self.assertEqual(caught.exception.code, "file.cannot-create")

    def test_draft_model_does_not_change_the_answer(self) -> None:
        expected = "".join(self.model.generate("One two", max_tokens=12))
        with pvit.Model(self.path, threads=2, context=512, draft=self.path) as model:
            answer = model.generate("One two", max_tokens=12)
            self.assertEqual("".join(answer), expected)
            self.assertGreater(answer.statistics["drafted_tokens"], 0)

    def test_session_never_replaces_the_draft_model(self) -> None:
        draft = pathlib.Path(self.folder.name) / "draft.pvq"
        draft.write_bytes(pathlib.Path(self.path).read_bytes())
        with pvit.Model(self.path, threads=2, context=512, draft=draft) as model:
            with self.assertRaises(pvit.Error) as caught:
                model.chat("One", session=draft)
        self.assertEqual(caught.exception.code, "file.output-is-input")

    def test_misspelt_template_is_an_error_and_letters_of_either_case_name_one(self) -> None:
        with self.assertRaises(pvit.Error) as caught:
            pvit.Model(self.path, threads=2, context=512, chat_template="vicunna")
        self.assertEqual(caught.exception.code, "chat.template")
        self.assertIn("vicuna", str(caught.exception))
        with pvit.Model(self.path, threads=2, context=512, chat_template="Vicuna") as model:
            answer = "".join(model.chat("One", max_tokens=4))
        command = [PROGRAM, "run", self.path, "One", "--chat-template", "vicuna", "--max-tokens", 4, "--no-stdin"]
        self.assertEqual(answer + "\n", run(*command, "--context", 512))

    def test_merge_and_export_write_what_the_commands_do(self) -> None:
        folder = pathlib.Path(self.folder.name)
        base, delta = FIXTURES / "mini-llama-base-st", FIXTURES / "mini-pvit-delta-st"
        steps = []
        pvit.merge(base, delta, folder / "merged", progress=lambda done, total: steps.append((done, total)))
        run(PROGRAM, "merge", base, delta, "--output", folder / "expected")
        self.assertEqual(digest(folder / "merged"), digest(folder / "expected"))
        self.assertEqual(steps[-1][0], steps[-1][1])
        pvit.export(base, folder / "model.gguf")
        run(PROGRAM, "export", base, "--output", folder / "expected.gguf")
        self.assertEqual((folder / "model.gguf").read_bytes(), (folder / "expected.gguf").read_bytes())

    def test_progress_bar_of_tqdm_is_moved(self) -> None:
        from tqdm import tqdm

        with open(os.devnull, "w") as nowhere, tqdm(file=nowhere) as bar:
            pvit.verify(self.path, progress=bar)
            self.assertEqual(bar.n, bar.total)
            self.assertGreater(bar.total, 1 << 16)

    @unittest.skipUnless(importlib.util.find_spec("torch"), "needs PyTorch")
    def test_state_dictionary_is_that_of_pytorch(self) -> None:
        import torch

        tensors = pvit.torch_state_dict(self.path)
        with pvit.open(self.path) as expected:
            self.assertEqual(set(tensors), set(expected))
            for name, tensor in tensors.items():
                self.assertTrue(torch.equal(tensor, torch.from_numpy(np.array(expected[name]))))

    def test_opening_and_closing_leaves_nothing(self) -> None:
        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))

        def resident() -> int:
            return int(pathlib.Path("/proc/self/statm").read_text().split()[1])

        for count in range(60):
            pvit.Model(self.path, threads=2, context=64).close()
            if count == 20:
                before = descriptors(), resident()
        self.assertEqual(descriptors(), before[0])
        self.assertLess(resident() - before[1], 2048)  # pages

    def test_tensors_of_a_file_are_a_mapping(self) -> None:
        quantized = pathlib.Path(self.folder.name) / "bf16.pvq"
        pvit.quantize(self.path, quantized, type="bf16")
        name = "model.layers.0.self_attn.q_proj.weight"
        with pvit.open(self.path) as exact, pvit.open(quantized) as rounded:
            self.assertIsInstance(exact[name], np.memmap)
            self.assertEqual(rounded.index[name]["encoding"], "bf16")
            self.assertEqual(rounded[name].dtype, np.float32)
            np.testing.assert_allclose(rounded[name], exact[name], atol=np.abs(exact[name]).max() / 100)
            with self.assertRaises(KeyError):
                exact["absent"]

    def compile(self, source: pathlib.Path, *flags: str) -> pathlib.Path:
        program = pathlib.Path(self.folder.name) / source.stem
        environment = {**os.environ, "PKG_CONFIG_PATH": str(LIBRARY / "lib/pkgconfig")}
        package = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "pvit"], check=True, capture_output=True, text=True, env=environment
        ).stdout.split()
        run("cc", *flags, source, *package, "-lpthread", "-o", program)
        return program

    def run_linked(self, program: pathlib.Path, *arguments: object) -> str:
        environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARY / "lib")}
        return subprocess.run(
            [program, *map(str, arguments)], check=True, capture_output=True, text=True, env=environment
        ).stdout


if __name__ == "__main__":
    unittest.main()
