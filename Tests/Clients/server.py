"""Starts `pvit serve` with a small generated model, for the tests of clients."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PVIT = Path(os.environ.get("PVIT", ROOT / ".build/debug/pvit"))
FIXTURES = ROOT / ".build/fixtures"
PHOTOS = ROOT / "Tests/TestSupport/Fixtures/photos"


@cache
def model(kind="pvit"):
    """A container of the generated PVIT model with its towers, or of its language model alone."""
    path = ROOT / f".build/client-tests/{kind}.pvq"
    path.parent.mkdir(parents=True, exist_ok=True)
    arguments = ["quantize", FIXTURES / "mini-llama-base-st", "--type", "f32", "--quiet", "--output", path]
    if kind == "pvit":
        arguments += ["--delta", FIXTURES / "mini-pvit-delta-st", "--vision-tower", FIXTURES / "mini-clip"]
        arguments += ["--region-encoder", FIXTURES / "mini-regionclip/regionclip_narrow.pth"]
    subprocess.run([PVIT, *map(str, arguments)], check=True)
    return path


def run(prompt, *options, file=None):
    """The answer of `pvit run`."""
    command = [PVIT, "run", file or model(), *options, "--no-stdin", "--json", "--", prompt]
    return json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout)


class Server:
    """A running server. It listens on a free port of the loopback interface."""

    def __init__(self, *options, file=None, wait=True):
        # The last of equal options counts.
        command = [PVIT, "serve", file or model(), "--port", "0", *options]
        self.process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        self.log = []
        address = None
        for line in self.process.stderr:
            self.log.append(line)
            if match := re.match(r"listening on (http://\S+)/$", line):
                address = match[1]
                break
        if address is None:
            self.process.wait()
            self.process.stderr.close()
            raise RuntimeError("the server did not start: " + "".join(self.log))
        self.address = address
        # The pipe must not fill up.
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()
        while wait and self.get("/health")[0] == 503:
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the server and returns its status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        status = self.process.wait()
        self.reader.join()
        self.process.stderr.close()
        return status

    def request(self, path, body=None, headers=None, method=None):
        """Sends a request. Returns the status, the headers and the body."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (headers or {}) if body is not None else headers or {}
        request = urllib.request.Request(self.address + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def get(self, path, headers=None):
        """Sends a GET request. Returns the status and the body, parsed if it is JSON."""
        status, received, body = self.request(path, headers=headers)
        return status, json.loads(body) if "json" in received.get("Content-Type", "") else body

    def post(self, path, body, headers=None):
        """Sends JSON. Returns the status and the JSON of the answer."""
        status, _, answer = self.request(path, body, headers)
        return status, json.loads(answer)

    def metric(self, name):
        """The value of a metric."""
        text = self.get("/metrics")[1].decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


class ServerTest(unittest.TestCase):
    """Tests that share a server with `options`."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
