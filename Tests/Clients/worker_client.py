"""Speaks the worker protocol as PVIT's and LLaVA's programs do."""

import json
import urllib.request

# What the requests library sends for them; PVIT's scripts name themselves "PVIT Client".
HEADERS = {
    "User-Agent": "LLaVA Client",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
    "Content-Type": "application/json",
}


def ask(address, body):
    """The response of a worker, to be read."""
    data = json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(address + "/worker_generate_stream", data, HEADERS))


def stream(address, body):
    """The chunks of an answer as they arrive: JSON objects, each followed by a NUL byte."""
    with ask(address, body) as response:
        assert response.status == 200 and "Content-Encoding" not in response.headers
        rest = b""
        while received := response.read1():
            *chunks, rest = (rest + received).split(b"\0")
            yield from map(json.loads, filter(None, chunks))
        assert not rest


def chunks(address, body):
    """All chunks of an answer."""
    return list(stream(address, body))
