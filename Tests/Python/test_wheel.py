"""The wheel in a clean virtual environment. Needs tools/wheel --debug .build/wheel-debug, and tools/fixtures."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / ".build/debug/pvit"
FIXTURES = ROOT / ".build/fixtures"
PHOTOGRAPH = ROOT / "Tests/TestSupport/Fixtures/photos/0001.jpg"

FIVE_LINES = """
import pvit, sys
model = pvit.Model(sys.argv[1], context=512)
for piece in model.chat("What is {left}?", image=sys.argv[2], regions={"left": (0.1, 0.1, 0.5, 0.5)}, max_tokens=8):
    print(piece, end="", flush=True)
print()
"""


class WheelTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        (cls.wheel,) = (ROOT / ".build/wheel-debug").glob("pvit-*.whl")
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        cls.python = folder / "venv/bin/python3"
        subprocess.run([cls.python, "-m", "pip", "install", "--quiet", cls.wheel], check=True)
        cls.model = folder / "pvit.pvq"
        quantize = [PROGRAM, "quantize", FIXTURES / "mini-llama-base-st", "--delta", FIXTURES / "mini-pvit-delta-st"]
        quantize += ["--vision-tower", FIXTURES / "mini-clip", "--type", "f32", "--output", cls.model]
        quantize += ["--region-encoder", FIXTURES / "mini-regionclip/regionclip_narrow.pth"]
        subprocess.run(quantize, check=True, capture_output=True)
        # Nothing of this machine but the system's own libraries.
        cls.environment = {"PATH": "/usr/bin:/bin", "PVIT_PROGRAM_PATH": str(PROGRAM)}

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def run_python(self, *arguments: object) -> subprocess.CompletedProcess:
        command = [str(self.python), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment)

    def test_name_promises_glibc_2_34_and_every_python(self) -> None:
        self.assertRegex(self.wheel.name, r"^pvit-\d+\.\d+\.\d+-py3-none-manylinux_2_34_x86_64\.whl$")
        names = zipfile.ZipFile(self.wheel).namelist()
        self.assertIn("pvit/py.typed", names)
        self.assertTrue(any(name.startswith("pvit.libs/libwebp") for name in names))
        self.assertFalse(any("blas" in name for name in names))
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        needs = [
            line
            for line in zipfile.ZipFile(self.wheel).read(metadata).decode().splitlines()
            if line.startswith("Requires-Dist")
        ]
        self.assertEqual(needs, ["Requires-Dist: numpy>=1.24"])

    def test_five_lines_answer_a_question_about_a_region(self) -> None:
        answer = self.run_python("-c", FIVE_LINES, self.model, PHOTOGRAPH)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        command = [PROGRAM, "run", self.model, "What is {left}?", "--image", PHOTOGRAPH, "--max-tokens", "8"]
        command += ["--region", "left=0.1,0.1,0.5,0.5", "--context", "512", "--no-stdin"]
        expected = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        self.assertEqual(answer.stdout, expected)

    def test_module_is_the_command_line(self) -> None:
        for arguments in [["inspect", self.model], ["--version"], ["inspect", "/absent"], ["run"], ["no-such-command"]]:
            expected = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
            for start in (["-m", "pvit"], [self.python.parent / "pvit"]):
                result = self.run_python(*start, *arguments)
                self.assertEqual(
                    (result.returncode, result.stdout, result.stderr),
                    (expected.returncode, expected.stdout, expected.stderr),
                )

    def test_missing_program_is_an_error(self) -> None:
        environment = {**os.environ, "PVIT_PROGRAM_PATH": "/absent"}
        result = subprocess.run([self.python, "-m", "pvit"], capture_output=True, text=True, env=environment)
        self.assertEqual(result.returncode, 127)
        self.assertIn("pvit: error: the program cannot be started", result.stderr)


if __name__ == "__main__":
    unittest.main()
