"""PVIT's and LLaVA's worker protocol, by clients written from its description."""

import base64
import json
import socket
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from content import photo
from server import PHOTOS, Server, ServerTest, run
from worker_client import chunks

SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
REGION = "<Region><L100><L120><L600><L900></Region>"


class WorkerTests(ServerTest):
    def ask(self, prompt, images=(), **parameters):
        pictures = [base64.b64encode(image).decode() for image in images]
        body = {"model": "any", "prompt": prompt, "images": pictures, "temperature": 0, "max_new_tokens": 6}
        return chunks(self.server.address, body | parameters)

    def test_answer_about_a_region(self):
        prompt = f"{SYSTEM} USER: <image>\nWhat is in {REGION}? ASSISTANT:"
        received = self.ask(prompt, [photo()], stop="</s>")
        self.assertEqual(received[0], {"text": prompt, "error_code": 0})
        texts = [chunk["text"] for chunk in received]
        self.assertTrue(all(later.startswith(earlier) for earlier, later in zip(texts, texts[1:], strict=False)))
        expected = run(f"What is in {REGION}?", "--image", PHOTOS / "0024.jpg", "--system", SYSTEM, "--max-tokens", 6)
        self.assertEqual(texts[-1].split("ASSISTANT:")[-1].strip(), expected["text"].strip())

    def test_text_without_images(self):
        received = self.ask(f"{SYSTEM} USER: Why? ASSISTANT:")
        self.assertGreater(len(received), 1)
        self.assertTrue(all(chunk["error_code"] == 0 for chunk in received))

    def test_errors_are_chunks(self):
        for body in [
            {"prompt": "USER: <image>\nWhat? ASSISTANT:", "images": []},
            {"prompt": "USER: What? ASSISTANT:", "images": [base64.b64encode(photo()).decode()]},
            {"prompt": "USER: <image>\nWhat? ASSISTANT:", "images": ["AAAA"]},
            {"prompt": "USER: <image>\nWhat? ASSISTANT:", "images": ["%"]},
            {"images": []},
            {"prompt": "hello", "temperature": "hot"},
        ]:
            received = chunks(self.server.address, body)
            self.assertEqual(received[-1]["error_code"], 1, body)
            self.assertTrue(received[-1]["text"])

    def test_status(self):
        expected = {"model_names": ["pvit"], "speed": 1, "queue_length": 0}
        self.assertEqual(self.server.post("/worker_get_status", {}), (200, expected))
        self.assertEqual(self.server.post("/worker_get_status", b""), (200, expected))

    def test_controller(self):
        post = self.server.post
        self.assertEqual(post("/list_models", {})[1], {"models": ["pvit"]})
        self.assertEqual(post("/get_worker_address", {"model": "pvit"})[1], {"address": self.server.address})
        self.assertEqual(post("/get_worker_address", {"model": "none"})[1], {"address": ""})
        self.assertEqual(
            post("/receive_heart_beat", {"worker_name": "http://w", "queue_length": 1})[1], {"exist": False}
        )
        status = {"model_names": ["other"], "speed": 2, "queue_length": 0}
        body = {"worker_name": "http://w", "check_heart_beat": True, "worker_status": status}
        self.assertEqual(post("/register_worker", body), (200, None))
        self.assertEqual(
            post("/receive_heart_beat", {"worker_name": "http://w", "queue_length": 1})[1], {"exist": True}
        )
        self.assertEqual(post("/list_models", {})[1], {"models": ["other", "pvit"]})
        self.assertEqual(post("/get_worker_address", {"model": "other"})[1], {"address": "http://w"})
        self.assertEqual(post("/refresh_all_workers", {}), (200, None))


class RegistrationTests(ServerTest):
    """LLaVA's `register_worker.py` sends no status: the controller asks the worker for it."""

    def register(self, address, checks_heartbeat=False):
        body = {"worker_name": address, "check_heart_beat": checks_heartbeat, "worker_status": None}
        return self.server.post("/register_worker", body)

    def models(self):
        return self.server.post("/list_models", {})[1]["models"]

    def test_worker_is_asked_for_its_status(self):
        asked = []

        class Worker(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"model_names": ["far"], "speed": 1, "queue_length": 0}')

            def log_message(self, *_):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Worker) as worker:
            threading.Thread(target=worker.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{worker.server_port}"
            self.assertEqual(self.register(address), (200, None))
            self.assertEqual(self.models(), ["far", "pvit"])
            self.assertEqual(self.server.post("/get_worker_address", {"model": "far"})[1], {"address": address})
            self.assertEqual(self.server.post("/refresh_all_workers", {}), (200, None))
            self.assertEqual(self.models(), ["far", "pvit"])
            self.assertEqual(asked, ["/worker_get_status"] * 2)
            # An address cannot add headers to the request.
            self.assertEqual(self.register(f"{address}/x HTTP/1.1\r\nX-Y: ")[0], 400)
            self.assertEqual(len(asked), 2)
            worker.shutdown()
        # It has no heartbeats by which it could be missed.
        self.assertEqual(self.server.post("/refresh_all_workers", {}), (200, None))
        self.assertEqual(self.models(), ["pvit"])

    def test_worker_that_does_not_answer(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for address in [closed, "nonsense", self.server.address + "/nothing"]:
            status, answer = self.register(address)
            self.assertEqual((status, answer["error"]["param"]), (400, "worker_status"))
            self.assertIn(address, answer["error"]["message"])
        self.assertEqual(self.models(), ["pvit"])


class ControllerClientTests(unittest.TestCase):
    def test_registration(self):
        received = []
        arrived = threading.Event()

        class Controller(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.append((self.path, body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"null")
                arrived.set()

            def log_message(self, *_):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Controller) as controller:
            threading.Thread(target=controller.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{controller.server_port}"
            with Server("--controller", address, "--worker-address", "http://me:1"):
                self.assertTrue(arrived.wait(60))
            controller.shutdown()
        path, body = received[0]
        self.assertEqual(
            (path, body["worker_name"], body["check_heart_beat"]), ("/register_worker", "http://me:1", True)
        )
        self.assertEqual(body["worker_status"]["model_names"], ["pvit"])

    def test_address_that_a_controller_cannot_reach(self):
        with self.assertRaisesRegex(RuntimeError, "needs --worker-address"):
            Server("--controller", "http://127.0.0.1:1", "--host", "0.0.0.0", "--port", 8080)

    def test_absent_controller_delays_nothing(self):
        # A port that accepts connections and never answers.
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with Server("--controller", address, "--worker-address", "http://me:1") as server:
                received = chunks(server.address, {"prompt": "Hello", "max_new_tokens": 2})
                self.assertEqual(received[-1]["error_code"], 0)


if __name__ == "__main__":
    unittest.main()
