"""HTTP itself: statuses, keys, origins, limits, disconnects and shutdown."""

import contextlib
import http.client
import json
import os
import signal
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit

from content import image, text, user
from server import Server, ServerTest


def body(**changes):
    return {"messages": [user("Why?")], "max_tokens": 4, "temperature": 0} | changes


class HTTPTests(ServerTest):
    options = ("--parallel", "2", "--queue", "1", "--max-body", "2MB", "--allow-origin", "https://a.example")

    def connection(self):
        return http.client.HTTPConnection(urlsplit(self.server.address).netloc)

    def raw(self, request, until=b"\r\n\r\n"):
        """Sends bytes. Returns what the server answers until a text occurs in it or the connection is closed."""
        address = urlsplit(self.server.address)
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.settimeout(60)
            received = b""
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
                while until not in received and (piece := connection.recv(65536)):
                    received += piece
            return received

    def test_statuses(self):
        request = self.server.request
        for expected, arguments in [
            (404, ("/nothing",)),
            (404, ("/v1/responses", {})),
            (405, ("/v1/chat/completions",)),
            (405, ("/health", {})),
            (415, ("/v1/chat/completions", b"a=b", {"Content-Type": "text/plain"})),
            (415, ("/tokenize", b"{}", {"Content-Encoding": "gzip"})),
            (400, ("/tokenize", b"{")),
            (400, ("/tokenize", b"[]")),
            (400, ("/tokenize", {})),
            (413, ("/tokenize", b" " * 3_000_000)),
            (400, ("/v1/chat/completions", b"\xff\xfe")),
            (400, ("/v1/chat/completions", b"[" * 100_000)),
        ]:
            status, _, answer = request(*arguments)
            self.assertEqual(status, expected, arguments[0])
            self.assertEqual(set(json.loads(answer)["error"]), {"message", "type", "param", "code"})
        self.assertEqual(request("/health", {}, method="PUT")[1]["Allow"], "GET, HEAD")

    def test_head_and_options(self):
        status, headers, content = self.server.request("/health", method="HEAD")
        self.assertEqual((status, content, headers["Content-Length"]), (200, b"", "15"))
        self.assertEqual(self.server.request("/v1/models", method="OPTIONS")[0], 204)

    def test_keep_alive(self):
        connection = self.connection()
        for _ in range(3):
            connection.request("POST", "/v1/chat/completions", json.dumps(body(max_tokens=1)))
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            response.read()
            connection.request("POST", "/v1/chat/completions", json.dumps(body(max_tokens=1, stream=True)))
            self.assertTrue(connection.getresponse().read().endswith(b"data: [DONE]\n\n"))
        connection.close()

    def test_expect_continue(self):
        content = json.dumps({"content": "Hello"})
        head = f"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
        head += "Expect: 100-continue\r\n\r\n"
        self.assertTrue(self.raw(head.encode()).startswith(b"HTTP/1.1 100 Continue\r\n\r\n"))
        self.assertIn(b'{"tokens":[', self.raw(head.encode() + content.encode(), until=b"]}"))
        large = head.replace(f"{len(content)}", "3000000").encode()
        self.assertTrue(self.raw(large).startswith(b"HTTP/1.1 413 "))

    def test_malformed_requests(self):
        for request in [
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"POST /tokenize HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ]:
            self.assertRegex(self.raw(request), rb"^(HTTP/1.1 4\d\d |$)")
        self.assertEqual(self.server.get("/health")[0], 200)

    def test_host_and_origin(self):
        for host, expected in [
            ("localhost:1", 200),
            ("127.0.0.1", 200),
            ("[::1]:80", 200),
            ("evil.example", 403),
            ("localhost.evil", 403),
        ]:
            self.assertEqual(self.server.request("/props", headers={"Host": host})[0], expected, host)
        status, headers, _ = self.server.request("/props", headers={"Origin": "https://a.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://a.example"))
        self.assertEqual(self.server.request("/props", headers={"Origin": "https://b.example"})[0], 403)
        self.assertEqual(self.server.request("/props", headers={"Origin": self.server.address})[0], 200)
        preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        status, headers, _ = self.server.request("/v1/chat/completions", headers=preflight, method="OPTIONS")
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://a.example"))

    def test_page(self):
        status, headers, content = self.server.request("/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertLessEqual(len(content), 100_000)
        self.assertEqual(self.server.request("/", headers={"If-None-Match": headers["ETag"]})[0], 304)

    def test_tokenize(self):
        text = "Hello wörld 🦙"
        tokens = self.server.post("/tokenize", {"content": text})[1]["tokens"]
        self.assertEqual(self.server.post("/detokenize", {"tokens": tokens})[1], {"content": text})
        self.assertEqual(self.server.post("/detokenize", {"tokens": [10**9]})[0], 400)

    def test_full_queue(self):
        held = [self.connection() for _ in range(3)]
        for number, connection in enumerate(held):
            connection.request("POST", "/v1/chat/completions", json.dumps(body(max_tokens=1500, stream=True)))
            connection.getresponse()
        status, headers, answer = self.server.request("/v1/chat/completions", body())
        self.assertEqual((status, json.loads(answer)["error"]["code"]), (429, "queue_full"))
        self.assertGreater(int(headers["Retry-After"]), 0)
        for connection in held:
            connection.close()
        self.wait_until_idle()
        self.assertEqual(self.server.request("/v1/chat/completions", body())[0], 200)

    def wait_until_idle(self):
        self.wait_for(lambda length: length == 0)

    def wait_for(self, condition):
        """Waits until the number of active requests satisfies a condition."""
        for _ in range(6000):
            if condition(self.server.post("/worker_get_status", {})[1]["queue_length"]):
                return
            time.sleep(0.01)
        self.fail("the number of active requests does not change")

    def test_disconnects(self):
        """A client that leaves frees its slot, streamed or not, at any point, and others are not affected."""
        expected = self.server.post("/v1/chat/completions", body(max_tokens=12))[1]["choices"][0]["message"]
        for request in [
            body(max_tokens=1500),
            body(max_tokens=1500, stream=True),
            body(messages=[user("why " * 1500)], stream=True),
            body(max_tokens=1500, messages=[user(image(), text("What?"))]),
        ]:
            answers = []
            other = threading.Thread(
                target=lambda answers=answers: answers.append(
                    self.server.post("/v1/chat/completions", body(max_tokens=12))[1]
                )
            )
            connection = self.connection()
            connection.request("POST", "/v1/chat/completions", json.dumps(request))
            self.wait_for(lambda length: length > 0)
            other.start()
            connection.close()
            other.join()
            self.assertEqual(answers[0]["choices"][0]["message"], expected)
            self.wait_until_idle()

    def test_half_open_connections(self):
        address = urlsplit(self.server.address)
        idle = [socket.create_connection((address.hostname, address.port)) for _ in range(50)]
        for connection in idle[:25]:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Le")
        self.assertEqual(self.server.get("/health")[0], 200)
        for connection in idle:
            connection.close()

    def test_metrics(self):
        before = self.server.metric("pvit_generated_tokens_total")
        self.server.post("/v1/chat/completions", body(max_tokens=5))
        self.assertEqual(self.server.metric("pvit_generated_tokens_total"), before + 5)
        self.assertGreater(self.server.metric("pvit_resident_bytes"), 1e6)

    def test_logs_have_no_prompts(self):
        def logged():
            return sum("path=/v1/chat/completions" in line for line in list(self.server.log))

        before = logged()
        self.server.post("/v1/chat/completions", body(messages=[user("A secret word: xylophone.")], max_tokens=1))
        self.server.post("/v1/chat/completions", body(messages=[user("xylophone")], temperature=9))
        for _ in range(6000):
            if logged() >= before + 2:
                break
            time.sleep(0.01)
        self.assertEqual(logged(), before + 2)
        self.assertNotIn("xylophone", "".join(self.server.log))


class KeyTests(unittest.TestCase):
    def test_keys(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("# keys\nfirst-key\n  second-key \n")
            file.flush()
            with Server("--api-key-file", file.name, "--no-page") as server:
                for headers, expected in [
                    ({}, 401),
                    ({"Authorization": "Bearer first-key"}, 200),
                    ({"X-Api-Key": "second-key"}, 200),
                    ({"Authorization": "Bearer first-ke"}, 401),
                    ({"Authorization": "Bearer # keys"}, 401),
                    ({"Authorization": "Basic first-key"}, 401),
                ]:
                    self.assertEqual(server.get("/v1/models", headers)[0], expected, headers)
                self.assertEqual(server.get("/health")[0], 200)
                self.assertEqual(server.request("/v1/models", method="OPTIONS")[0], 204)
                self.assertEqual(server.get("/")[0], 404)


class ShutdownTests(unittest.TestCase):
    def stream(self, server, count):
        connection = http.client.HTTPConnection(urlsplit(server.address).netloc)
        connection.request("POST", "/v1/chat/completions", json.dumps(body(max_tokens=count, stream=True)))
        response = connection.getresponse()
        response.read(1)
        return connection, response

    def test_answers_end_before_the_server(self):
        server = Server()
        connection, response = self.stream(server, 20)
        server.process.send_signal(signal.SIGTERM)
        self.assertTrue(response.read().endswith(b"data: [DONE]\n\n"))
        connection.close()
        self.assertEqual(server.process.wait(60), 0)
        server.stop()

    def test_second_signal_ends_the_server(self):
        server = Server()
        connection, _ = self.stream(server, 1800)
        # The first signal only stops new requests. Repeat the second until the server listens for it.
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        connection.close()
        self.assertEqual(server.stop(), 128 + signal.SIGTERM)

    def test_addresses_that_cannot_be_used(self):
        with Server() as server:
            port = urlsplit(server.address).port
            for options in [("--port", port), ("--host", "no-such-host.invalid")]:
                with self.assertRaisesRegex(RuntimeError, "pvit: error: the server cannot listen on"):
                    Server(*options)

    def test_model_that_cannot_be_opened(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.pvq"
            for make in [lambda: os.mkfifo(path), lambda: (path.unlink(), path.write_bytes(b"PK"))]:
                make()
                server = Server(file=path, wait=False)
                self.assertEqual(server.process.wait(60) not in (0, None), True)
                server.stop()
                self.assertRegex("".join(server.log), "pvit: error: .*model.pvq")


if __name__ == "__main__":
    unittest.main()
