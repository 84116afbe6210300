#!/usr/bin/env python3
"""Compares the time of a token through the Python package with that of `pvit run`, in alternating rounds.

tools/measure_python.py MODEL.pvq [--program .build/release/pvit] [--tokens 200] [--rounds 7] [--threads N]

Both continue the same text greedily. The time of a token is that of the decode steps: for the program as it reports
it, for Python from the first to the last piece of the loop. On a busy machine, the processor time that a step takes
beside the computation tells more. Also prints how long the processor still works after a loop is left, and what 1,000
openings leave behind. PVIT_LIBRARY_PATH names the library.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "python"))

import pvit  # noqa: E402

PROMPT = "Once upon a time, there was a king who"


def processor_time() -> float:
    times = os.times()
    return times.user + times.system


def time_of_program(options: argparse.Namespace) -> tuple[float, str]:
    command = [options.program, "run", options.model, "--raw", PROMPT, "--max-tokens", str(options.tokens), "--json"]
    command += ["--no-stdin", "--threads", str(options.threads), "--context", "1024"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer["timings"]["decode_s"] / (len(answer["tokens"]) - 1), answer["text"]


def time_of_package(model: pvit.Model, options: argparse.Namespace) -> tuple[float, float, str]:
    answer = model.generate(PROMPT, max_tokens=options.tokens)
    pieces = [next(answer)]
    first = len(answer.tokens)
    start = time.perf_counter()
    pieces += answer
    elapsed = time.perf_counter() - start
    count = len(answer.tokens)
    inside = answer.statistics["timings"]["decode_s"] / (count - 1)
    return elapsed / (count - first), inside, "".join(pieces)


def time_after_leaving(model: pvit.Model) -> float:
    for number, _piece in enumerate(model.generate(PROMPT, max_tokens=400)):
        if number == 3:
            break
    start = processor_time()
    time.sleep(0.5)
    return processor_time() - start


def time_beside_computation(model: pvit.Model) -> float:
    answer = model.generate(PROMPT, max_tokens=2)
    "".join(answer)
    # The answer has ended, so the library returns at once.
    start, count = time.process_time(), 2000
    for _ in range(count):
        next(answer, None)
    return (time.process_time() - start) / count


def open_and_close(path: str) -> tuple[int, int]:
    def state() -> tuple[int, int]:
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096, len(os.listdir("/proc/self/fd"))

    for count in range(1000):
        pvit.Model(path, threads=2, context=64).close()
        if count == 19:
            before = state()
    after = state()
    return after[0] - before[0], after[1] - before[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--program", default=".build/release/pvit")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    ratios, calls = [], []
    with pvit.Model(options.model, threads=options.threads, context=1024) as model:
        time_of_package(model, options)
        for number in range(options.rounds):
            program, text = time_of_program(options)
            package, inside, same = time_of_package(model, options)
            assert text == same, (text, same)
            ratios.append(package / program)
            calls.append(package / inside - 1)
            print(
                f"round {number + 1}: program {program * 1e3:.3f} ms/token, Python {package * 1e3:.3f} ms/token, "
                f"ratio {ratios[-1]:.4f}; the calls alone add {calls[-1] * 100:.2f} %"
            )
        print(f"median ratio {statistics.median(ratios):.4f}, calls add {statistics.median(calls) * 100:.2f} %")
        print(f"processor time of a step beside the computation: {time_beside_computation(model) * 1e6:.1f} us")
        print(f"processor time in the half second after leaving a loop: {time_after_leaving(model) * 1e3:.0f} ms")
    memory, descriptors = open_and_close(options.model)
    print(f"opened and closed 1,000 times: {memory / 1e6:+.2f} MB, {descriptors:+d} descriptors since the 20th")


if __name__ == "__main__":
    main()
