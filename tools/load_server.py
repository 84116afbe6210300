"""Measures for tools/load_server, which sets everything up.

Every step is bounded in count, and everything stays on the loopback interface. Steps (--steps):
  speed        tokens a second and latency with 1, 4 and 16 clients, beside the peer if there is one
  health       the latency of /health while 4 clients are answered
  disconnects  clients that leave at random times (--disconnects)
  requests     small requests one after another on a few connections (--requests)
  fuzz         mutated bodies; none may give a status of 500 or more but 503 (--bodies)
  slow         clients that read slowly, connections without a request, bodies that are too large
After each step, no slot may be taken, /health must answer, and memory and descriptors must be what they were.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import httpx

PROMPTS = [
    "Name three rivers.",
    "What is the capital of France, and why is it famous?",
    "Write a sentence about the sea.",
    "How do plants grow?",
    "Why is the sky blue?",
    "Tell me about bread.",
    "What does a compiler do?",
    "Describe a forest in autumn.",
]


def chat(number, tokens, **changes):
    messages = [{"role": "user", "content": PROMPTS[number % len(PROMPTS)]}]
    return {"messages": messages, "max_tokens": tokens, "temperature": 0, "stream": True} | changes


def percentile(values, share):
    values = sorted(values)
    return values[min(int(share * len(values)), len(values) - 1)]


class Program:
    """A server as a process, and what the operating system knows of it."""

    def __init__(self, command, ready, log=subprocess.PIPE):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, text=True)
        self.address = ready(self.process)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(40)
        if self.process.poll() is None:
            self.process.kill()

    @property
    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    @property
    def anonymous(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1]) * 1024

    @property
    def cache(self):
        """The size of the keys and values that are kept, in bytes."""
        text = httpx.get(self.address + "/metrics").text
        return float(re.search(r"^pvit_kv_cache_bytes (\S+)$", text, re.MULTILINE)[1])

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def start_pvit(options):
    command = [options.pvit, "serve", options.model, "--port", "0", "--quiet", "--parallel", str(options.parallel)]
    if options.threads:
        command += ["--threads", str(options.threads)]

    def ready(process):
        for line in process.stderr:
            if match := re.match(r"listening on (http://\S+)/$", line):
                break
        else:
            sys.exit("the server did not start")
        while httpx.get(match[1] + "/health").status_code != 200:
            time.sleep(0.1)
        return match[1]

    return Program(command, ready)


def start_peer(options):
    port = 18999
    command = [options.peer_python, "-m", "llama_cpp.server", "--model", options.peer, "--port", str(port)]
    command += ["--n_ctx", "2048", "--n_threads", str(options.threads or os.cpu_count())]
    # By default it ends an answer as soon as the next request comes.
    command += ["--interrupt_requests", "false"]
    # It writes more than a pipe holds.
    log = tempfile.TemporaryFile("w+")

    def ready(process):
        address = f"http://127.0.0.1:{port}"
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(address + "/v1/models").status_code == 200:
                    return address
            time.sleep(0.2)
        log.seek(0)
        sys.exit("the peer did not start: " + log.read())

    return Program(command, ready, log)


class Load:
    """Requests to one server."""

    def __init__(self, address, limit=64):
        limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit)
        self.client = httpx.AsyncClient(base_url=address, timeout=600, limits=limits)

    async def stream(self, body):
        """Returns the text, the number of chunks with text, the time to the first and the whole time."""
        start, first, text, count = time.perf_counter(), None, "", 0
        async with self.client.stream("POST", "/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                for choice in json.loads(line[6:])["choices"]:
                    piece = choice["delta"].get("content")
                    if piece:
                        first = first or time.perf_counter() - start
                        text += piece
                        count += 1
        return text, count, first, time.perf_counter() - start

    async def speed(self, clients, rounds, tokens):
        """Tokens a second over all clients, and the median and the 99th percentile of the time to the first token."""
        firsts, total = [], 0

        async def one(client):
            nonlocal total
            for number in range(rounds):
                _, count, first, _ = await self.stream(chat(client * rounds + number, tokens))
                total += count
                firsts.append(first or 0)

        start = time.perf_counter()
        await asyncio.gather(*(one(client) for client in range(clients)))
        return total / (time.perf_counter() - start), statistics.median(firsts), percentile(firsts, 0.99)

    async def idle(self):
        """Waits until no request is active."""
        while (await self.client.post("/worker_get_status", json={})).json()["queue_length"] > 0:
            await asyncio.sleep(0.05)
        assert (await self.client.get("/health")).status_code == 200


async def measure_speed(options, server, peer):
    ours, theirs = Load(server.address), peer and Load(peer.address)
    await ours.speed(1, 1, 8)
    if theirs:
        await theirs.speed(1, 1, 8)
    single = None
    for clients in (1, 4, 16):
        rates = []
        for _ in range(options.rounds):
            mine = await ours.speed(clients, 2, options.tokens)
            other = await theirs.speed(clients, 2, options.tokens) if theirs else None
            rates.append((mine, other))
        rate = statistics.median(mine[0] for mine, _ in rates)
        single = single or rate
        line = f"{clients:3} clients: {rate:7.1f} tokens/s ({rate / single:.2f} x one)"
        line += f", first token {1000 * statistics.median(mine[1] for mine, _ in rates):.0f} ms"
        line += f", 99 % {1000 * max(mine[2] for mine, _ in rates):.0f} ms"
        if theirs:
            line += f"; peer {statistics.median(other[0] for _, other in rates):7.1f} tokens/s"
            line += f", ratio {statistics.median(mine[0] / other[0] for mine, other in rates):.2f}"
        print(line, flush=True)


def probe_health(address, stop, results):
    """Asks for /health until told to stop; runs in its own process, so that it waits for nobody but the server."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    times = []
    while not stop.wait(0.01):
        start = time.perf_counter()
        connection.request("GET", "/health")
        response = connection.getresponse()
        response.read()
        times.append(1000 * (time.perf_counter() - start))
        assert response.status == 200
    results.put(times)


async def measure_health(options, server):
    load = Load(server.address)
    processes = multiprocessing.get_context("spawn")
    stop, results = processes.Event(), processes.Queue()
    prober = processes.Process(target=probe_health, args=(server.address, stop, results))
    prober.start()
    rate = (await load.speed(4, 16, options.tokens))[0]
    stop.set()
    times = results.get()
    prober.join()
    print(
        f"/health beside 4 clients ({rate:.1f} tokens/s): median {statistics.median(times):.2f} ms, "
        f"99 % {percentile(times, 0.99):.2f} ms, longest {max(times):.1f} ms ({len(times)} requests)"
    )


async def disconnect(options, server):
    load = Load(server.address)
    expected = (await load.stream(chat(0, 24)))[0]
    generator = random.Random(options.seed)
    wrong = 0

    async def leave(number):
        body = chat(number, 1000, stream=generator.random() < 0.7)
        if generator.random() < 0.2:
            body["messages"][0]["content"] += " why" * 900
        with contextlib.suppress(asyncio.TimeoutError, httpx.HTTPError):
            await asyncio.wait_for(load.stream(body), generator.uniform(0, 0.6))

    for start in range(0, options.disconnects, 10):
        await asyncio.gather(*(leave(start + number) for number in range(10)))
        if start % 100 == 0:
            wrong += (await load.stream(chat(0, 24)))[0] != expected
    await load.idle()
    wrong += (await load.stream(chat(0, 24)))[0] != expected
    print(f"{options.disconnects} disconnects: {wrong} wrong answers beside and after them")
    return wrong == 0


async def small_requests(options, server):
    load = Load(server.address)
    expected = [(await load.stream(chat(number, 2)))[0] for number in range(len(PROMPTS))]
    numbers = iter(range(options.requests))
    wrong = 0

    async def one():
        nonlocal wrong
        for number in numbers:
            wrong += (await load.stream(chat(number, 2)))[0] != expected[number % len(PROMPTS)]

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(8)))
    rate = options.requests / (time.perf_counter() - start)
    print(f"{options.requests} small requests: {rate:.0f} requests/s, {wrong} wrong answers")
    return wrong == 0


SEEDS = [
    chat(0, 1, stream=False),
    chat(1, 1, stream=True, n=2, logprobs=True, top_logprobs=2, stop=["a", "b"], logit_bias={"5": 3}, seed=4),
    {
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is {a}?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="}},
                    {"type": "region", "name": "a", "box": [0, 0.5, 1, 1]},
                ],
            },
        ],
        "max_tokens": 1,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    },
]
VALUES = [
    None,
    True,
    -1,
    0,
    1e308,
    2**63,
    0.5,
    "",
    "x",
    "<image>",
    "\0",
    [],
    {},
    [[]],
    [None],
    {"type": "text"},
    "é" * 50,
]


def mutate(value, generator):
    """Changes one place of a JSON value."""
    if generator.random() < 0.3 or not isinstance(value, dict | list) or not value:
        return generator.choice(VALUES)
    copy = value.copy()
    key = generator.choice(list(copy)) if isinstance(copy, dict) else generator.randrange(len(copy))
    if generator.random() < 0.2:
        del copy[key]
    else:
        copy[key] = mutate(copy[key], generator)
    return copy


async def fuzz(options, server):
    load = Load(server.address)
    generator = random.Random(options.seed)
    paths = ["/v1/chat/completions"] * 5 + ["/v1/completions", "/worker_generate_stream", "/tokenize", "/detokenize"]
    paths += ["/register_worker", "/get_worker_address"]
    statuses, bad = {}, []

    def body():
        value = generator.choice(SEEDS)
        for _ in range(generator.randint(1, 4)):
            value = mutate(value, generator)
        # An answer should be short, whatever the mutation did.
        if isinstance(value, dict):
            value = value | {"max_tokens": 1} if "max_tokens" not in value else value
            for name in ("max_tokens", "max_completion_tokens"):
                if isinstance(value.get(name), int | float) and value[name] > 4:
                    value = value | {name: 1}
            if value.get("max_tokens") is None:
                value = value | {"max_tokens": 1}
        encoded = bytearray(json.dumps(value, ensure_ascii=generator.random() < 0.5).encode(errors="replace"))
        while encoded and generator.random() < 0.3:
            encoded[generator.randrange(len(encoded))] = generator.randrange(256)
        return bytes(encoded)

    count = iter(range(options.bodies))

    async def one():
        for _ in count:
            content, path = body(), generator.choice(paths)
            headers = {"Content-Type": "application/json"}
            try:
                response = await load.client.post(path, content=content, headers=headers)
                status = response.status_code
            except httpx.HTTPError as error:
                status = repr(error)
            statuses[status] = statuses.get(status, 0) + 1
            if not isinstance(status, int) or (status >= 500 and status != 503):
                bad.append((path, content, status))

    await asyncio.gather(*(one() for _ in range(16)))
    await load.idle()
    print(f"{options.bodies} mutated bodies: {dict(sorted(statuses.items(), key=str))}")
    for path, content, status in bad[:5]:
        print(f"  {status} at {path}: {content[:300]!r}")
    return not bad


async def slow_clients(options, server):
    load = Load(server.address)
    host, port = server.address.removeprefix("http://").split(":")
    connections = [await asyncio.open_connection(host, port) for _ in range(100)]
    body = json.dumps(chat(3, 400)).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    for number, (_, writer) in enumerate(connections[:60]):
        # Nothing, half a head, half a body, or a request whose answer is not read.
        writer.write([b"", head[:30], head % 10_000 + body[:50], head % len(body) + body][number % 4])
    for _, writer in connections[60:70]:
        writer.write(head % 10**12)
    start = time.perf_counter()
    answers = [await load.stream(chat(number, 16)) for number in range(4)]
    print(f"100 slow or silent connections: {len(answers)} answers beside them in {time.perf_counter() - start:.1f} s")
    for _, writer in connections:
        writer.close()
    await load.idle()
    return all(text for text, *_ in answers)


async def main(options):
    server, peer = start_pvit(options), options.peer and start_peer(options)
    sound = True
    try:
        load = Load(server.address)
        await load.speed(2 * options.parallel, 1, 16)
        await load.client.aclose()
        for step in options.steps.split(","):
            before = (server.anonymous, server.descriptors, server.cache)
            if step == "speed":
                await measure_speed(options, server, peer)
            elif step == "health":
                await measure_health(options, server)
            else:
                check = {"disconnects": disconnect, "requests": small_requests, "fuzz": fuzz, "slow": slow_clients}[
                    step
                ]
                sound = await check(options, server) and sound
            await asyncio.sleep(1)
            after = (server.anonymous, server.descriptors, server.cache)
            print(
                f"  anonymous memory {before[0] / 1e6:.0f} -> {after[0] / 1e6:.0f} MB, "
                f"of which keys and values {before[2] / 1e6:.0f} -> {after[2] / 1e6:.0f} MB, "
                f"descriptors {before[1]} -> {after[1]}",
                flush=True,
            )
    finally:
        server.stop()
        if peer:
            peer.stop()
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a .pvq file")
    parser.add_argument("--pvit", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peer", metavar="FILE", help="a GGUF file of the same model for llama-cpp-python's server")
    parser.add_argument("--peer-python", default=sys.executable, help="the Python with llama_cpp.server")
    parser.add_argument("--steps", default="speed,health,disconnects,requests,fuzz,slow")
    parser.add_argument("--threads", type=int, help="threads of both servers")
    parser.add_argument("--parallel", type=int, default=4, help="slots of pvit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--disconnects", type=int, default=500)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(main(parser.parse_args()))
