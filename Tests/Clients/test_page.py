"""The page, served by the program itself: the part of its tests that needs no stand-in."""

import os
import subprocess
import sys
import unittest

from server import ROOT, Server


class PageTests(unittest.TestCase):
    def test_page_of_a_real_server(self):
        with Server() as server:
            command = [sys.executable, "-m", "unittest", "discover", ROOT / "Tests/Page"]
            environment = os.environ | {"PVIT_PAGE_URL": server.address + "/"}
            tests = subprocess.run(command, env=environment, capture_output=True, text=True)
            self.assertEqual(tests.returncode, 0, tests.stderr)


if __name__ == "__main__":
    unittest.main()
