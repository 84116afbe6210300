"""libpvit and its Python package beside the command line. Needs tools/library --debug and tools/fixtures."""

import asyncio
import json
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

    def test_tokens_and_json_equal_the_command_lines(self) -> None:
        expected = json.loads(
            run(PROGRAM, "run", self.path, "--raw", "One two", "--max-tokens", 6, "--json", "--no-stdin")
        )
        answer = self.model.generate("One two", max_tokens=6)
        self.assertEqual("".join(answer), expected["text"])
        self.assertEqual(answer.tokens.tolist(), expected["tokens"])
        self.assertEqual(answer.statistics["stop_reason"], "length")

    def test_logits_equal_the_command_lines(self) -> None:
        output = pathlib.Path(self.folder.name) / "logits.npy"
        prompt = "USER: <image> Who? ASSISTANT:"
        run(PROGRAM, "evaluate", "logits", self.path, "--image", PHOTOGRAPH, "--prompt", prompt, "--output", output)
        logits = self.model.logits(prompt, image=PHOTOGRAPH)
        np.testing.assert_array_equal(logits.view(np.int32), np.load(output).view(np.int32))
        last = self.model.logits(prompt, image=PHOTOGRAPH, last=True)
        np.testing.assert_array_equal(last[0].view(np.int32), logits[-1].view(np.int32))

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
