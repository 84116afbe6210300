"""A stand-in for `pvit serve`, for tests of the page: the same HTTP interface, with answers that the test chooses.

Run by itself, it serves the page with invented answers, for work on the page without a model:

    python3 Tests/Page/mock_server.py [--port 8080] [--text-only | --no-regions] [--key KEY] [--loading SECONDS]
"""

import argparse
import base64
import hashlib
import http.server
import json
import pathlib
import re
import select
import socket
import threading
import time

PAGE = pathlib.Path(__file__).resolve().parents[2] / "Sources/CServicePage/index.html"
ANSWER = (
    "The swimmer in the middle is ahead: <Region><L470><L262><L571><L894></Region> is half a body length in front of "
    "the one on the left, at [0.032, 0.351, 0.204, 0.958].\n\n"
    "- The stroke is **longer**.\n- The wake is narrower.\n\nSo the middle lane is more likely to win."
)


def content_security_policy(page):
    """The header that the server sends: hashes of the only style and the only script."""

    def digest(tag):
        text = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL).group(1)
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; script-src 'sha256-{digest('script')}'; style-src 'sha256-{digest('style')}'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def error(message, kind="invalid_request_error", param=None, code=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Mock:
    """What the server does next, and what it was asked."""

    def __init__(self):
        self.server = None
        self.reset()

    def reset(self):
        self.vision = self.regions = self.ready = True
        self.key = None
        self.answer = ANSWER
        self.chunks = None  # the pieces of the answer, if not words
        self.finish = "stop"
        self.progress = []  # events before the first text
        self.gates = {}  # number of a piece -> event to wait for before it; -1 is before the progress events
        self.failures = []  # (status, body, headers) of the next requests
        self.break_after = None  # number of pieces after which the connection ends
        self.error_after = None  # (number of pieces, body) of an error in the stream
        self.tiny_writes = False  # send single bytes, so that characters and lines arrive in parts
        self.delay = 0
        self.requests = []  # of completions: {"body", "headers", "closed", "done"}
        self.paths = []

    def gate(self, number):
        self.gates[number] = threading.Event()
        return self.gates[number]

    def start(self, port=0):
        mock = self

        class Handler(MockHandler):
            state = mock

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def props(self):
        settings = {"temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0, "max_tokens": None, "seed": None}
        settings |= {"presence_penalty": 0, "frequency_penalty": 0}
        return {
            "model": "pvit-7b",
            "file": "pvit.pvq",
            "version": "0.1.0",
            "context_length": 2048,
            "total_slots": 4,
            "modalities": {"vision": self.vision, "regions": self.regions},
            "image_tokens": 256,
            "chat_template": True,
            "default_generation_settings": settings,
        }

    def problem(self, body):
        """What the server would refuse in a request, or None."""
        names, texts, images = {}, [], 0
        for index, message in enumerate(body["messages"]):
            content = message["content"]
            if isinstance(content, str):
                texts.append(content)
                continue
            for number, part in enumerate(content):
                place = f"messages[{index}].content[{number}]"
                if part["type"] == "text":
                    texts.append(part["text"])
                elif part["type"] == "image_url":
                    images += 1
                    if not re.match(r"data:image/(jpeg|png|webp);base64,[\w+/]+=*$", part["image_url"]["url"]):
                        return error("the image is not a data URL", param=place, code="image")
                elif part["type"] == "region":
                    box = part["box"]
                    if not re.fullmatch(r"[\w-]+", part["name"]) or part["name"] in names:
                        return error(f"the name {part['name']} is not valid or not unique", param=place)
                    if len(box) != 4 or any(type(edge) is not int for edge in box) or box[0] >= box[2]:
                        return error("the box is not valid", param=place, code="prompt.region")
                    names[part["name"]] = place
                else:
                    return error("unknown type of part", param=place)
        for name, place in names.items():
            if not any("{" + name + "}" in text for text in texts):
                return error(f"no text mentions the region {name}", param=place, code="prompt.region")
        if images > 1 or (names and not images):
            return error("a conversation has one image", param="messages")
        return None


class MockHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None

    def log_message(self, *arguments):
        pass

    def send_json(self, status, value, headers=()):
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def is_refused(self):
        """Whether the request lacks the key, or comes before the model is loaded. Answers it in this case."""
        if self.state.key and self.headers.get("Authorization") != f"Bearer {self.state.key}":
            self.send_json(401, error("a key is needed", "authentication_error", code="key"))
        elif not self.state.ready:
            self.send_json(503, error("loading model", "service_unavailable_error", code="loading"))
        else:
            return False
        return True

    def do_GET(self):
        self.state.paths.append(self.path)
        if self.path == "/":
            page = PAGE.read_text(encoding="utf-8")
            data = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", content_security_policy(page))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        elif self.path == "/health":
            if self.state.ready:
                self.send_json(200, {"status": "ok"})
            else:
                self.send_json(503, error("loading model", "service_unavailable_error", code="loading"))
        elif self.path == "/props":
            if not self.is_refused():
                self.send_json(200, self.state.props())
        else:
            self.send_json(404, error("there is nothing here", "not_found_error"))

    def do_POST(self):
        self.state.paths.append(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            return self.send_json(404, error("there is nothing here", "not_found_error"))
        if self.is_refused():
            return None
        body = json.loads(data)
        record = {"body": body, "headers": dict(self.headers), "closed": False, "done": False}
        self.state.requests.append(record)
        if self.state.failures:
            return self.send_json(*self.state.failures.pop(0))
        problem = self.state.problem(body)
        if problem:
            return self.send_json(400, problem)
        try:
            self.stream(body, record)
        except (BrokenPipeError, ConnectionResetError):
            record["closed"] = True
        record["done"] = True
        self.close_connection = True
        return None

    def send_event(self, value):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        self.send_bytes(f"data: {text}\n\n".encode())

    def send_bytes(self, data):
        size = 1 if self.state.tiny_writes else len(data)
        for start in range(0, len(data), size):
            self.wfile.write(data[start : start + size])
            self.wfile.flush()

    def wait(self, gate):
        """Waits until the test opens a gate, or the page closes the connection."""
        while gate and not gate.wait(0.02):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError

    def stream(self, body, record):
        state = self.state
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "pvit-7b"}

        def delta(value, finish=None):
            return chunk | {"choices": [{"index": 0, "delta": value, "logprobs": None, "finish_reason": finish}]}

        self.send_bytes(b": ping\n\n")
        self.wait(state.gates.get(-1))
        if body.get("return_progress"):
            for number, progress in enumerate(state.progress):
                self.wait(state.gates.get(("progress", number)))
                self.send_event(chunk | {"choices": [], "prompt_progress": progress})
        self.wait(state.gates.get(0))
        self.send_event(delta({"role": "assistant", "content": ""}))
        pieces = state.chunks or re.findall(r"\s*\S+", state.answer)
        for number, piece in enumerate(pieces):
            self.wait(state.gates.get(number + 1))
            if state.break_after == number:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if state.error_after and state.error_after[0] == number:
                return self.send_event(state.error_after[1])
            self.send_event(delta({"content": piece}))
            if state.delay:
                self.wait(None)
                time.sleep(state.delay)
        timings = {"cache_n": 35, "prompt_n": 272, "prompt_ms": 1234.5, "vision_ms": 910.0, "predicted_n": len(pieces)}
        timings |= {"predicted_ms": 3300.1, "predicted_per_second": 15.5, "prompt_per_second": 220.3}
        self.send_event(delta({}, state.finish) | {"timings": timings})
        if body.get("stream_options", {}).get("include_usage"):
            usage = {"prompt_tokens": 307, "completion_tokens": len(pieces), "total_tokens": 307 + len(pieces)}
            usage["prompt_tokens_details"] = {"cached_tokens": 35}
            self.send_event(chunk | {"choices": [], "usage": usage})
        self.send_event("[DONE]")
        return None


def main():
    parser = argparse.ArgumentParser(description="Serves the page with invented answers.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--text-only", action="store_true")
    parser.add_argument("--no-regions", action="store_true")
    parser.add_argument("--key")
    parser.add_argument("--loading", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--delay", type=float, default=0.06, metavar="SECONDS", help="between two words")
    options = parser.parse_args()
    mock = Mock()
    mock.vision, mock.regions = not options.text_only, not (options.text_only or options.no_regions)
    mock.key, mock.delay, mock.ready = options.key, options.delay, options.loading == 0
    mock.progress = [{"phase": "queued", "processed": 0, "total": 307, "cached": 0}]
    mock.progress += [{"phase": "image", "processed": 0, "total": 307, "cached": 0}]
    mock.progress += [
        {"phase": "tokens", "processed": done, "total": 307, "cached": 35} for done in (35, 163, 291, 307)
    ]
    print(mock.start(options.port), flush=True)
    time.sleep(options.loading)
    mock.ready = True
    threading.Event().wait()


if __name__ == "__main__":
    main()
