"""Measures for tools/compare_memory, which sets everything up.

Runs pvit and llama.cpp (weights mapped, not repacked) on the same model, each in its own memory control group
(version 2 or 1), whose limit is a share of the GGUF file. pvit gets no --memory option and detects the limit. Each
figure is measured after some warm-up tokens. A program has --seconds for its tokens; those that it finished by
then are counted.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time


class MemoryGroup:
    """A memory control group for one program. The caller must be root."""

    def __init__(self, limit):
        number = f"pvit-compare-{os.getpid()}"
        if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.folder, name = f"/sys/fs/cgroup/{number}", "memory.max"
            with open("/sys/fs/cgroup/cgroup.subtree_control", "w") as file:
                file.write("+memory")
        else:
            self.folder, name = f"/sys/fs/cgroup/memory/{number}", "memory.limit_in_bytes"
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(str(limit))

    def run(self, command, seconds):
        """The JSON that a program in the group prints; None if the limit kills it or it takes too long."""
        procs = os.path.join(self.folder, "cgroup.procs")

        def enter():
            with open(procs, "w") as file:
                file.write(str(os.getpid()))

        try:
            outcome = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=enter, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        return json.loads(outcome.stdout) if outcome.returncode == 0 else None

    def close(self):
        for _ in range(50):
            try:
                return os.rmdir(self.folder)
            except OSError:
                time.sleep(0.1)


def evict(path):
    """Drops a file from the page cache, because pages are charged to the group that read them first."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def bytes_read():
    with open("/proc/self/io") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("read_bytes"))


def measure_peer(path, threads, seconds):
    """Decodes with llama.cpp for some time, and prints tokens per second and bytes read per token."""
    import llama_cpp

    silence = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silence, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    options = llama_cpp.llama_model_default_params()
    options.use_extra_bufts = False
    model = llama_cpp.llama_model_load_from_file(path.encode(), options)
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = 128
    settings.n_threads = settings.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, settings)

    def read(token):
        array = (llama_cpp.llama_token * 1)(token)
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, 1)):
            sys.exit("llama.cpp could not decode")
        llama_cpp.llama_get_logits(context)

    read(10)
    start, before, count = time.perf_counter(), bytes_read(), 0
    while count < 100 and time.perf_counter() - start < seconds:
        read(11 + count)
        count += 1
    taken = time.perf_counter() - start
    print(json.dumps({"tokens_per_s": count / taken, "bytes_read_per_token": (bytes_read() - before) / count}))


def ours(group, arguments):
    command = [
        arguments.pvit,
        "bench",
        arguments.pvq,
        "--prompt-tokens",
        "1",
        "--generate-tokens",
        str(arguments.tokens),
        "--runs",
        "1",
        "--threads",
        str(arguments.threads),
        "--json",
    ]
    found = group.run(command, 10 * arguments.seconds)
    return found and next(entry for entry in found if entry["test"] == "decode")


def theirs(group, arguments):
    command = [
        sys.executable,
        os.path.abspath(__file__),
        "--measure-peer",
        "--gguf",
        arguments.gguf,
        "--threads",
        str(arguments.threads),
        "--seconds",
        str(arguments.seconds),
    ]
    return group.run(command, 10 * arguments.seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pvit", default=".build/release/pvit", help=argparse.SUPPRESS)
    parser.add_argument("--pvq", help="the model for pvit")
    parser.add_argument(
        "--gguf",
        required=True,
        help="the same model for llama.cpp, as by pvit export --type q4_0; written if it does not exist",
    )
    parser.add_argument("--shares", default="100,75,50,25", help="limits in percent of the GGUF file's size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=6, help="number of tokens that pvit generates for each figure")
    parser.add_argument("--seconds", type=float, default=10, help="running time of llama.cpp for each figure")
    parser.add_argument("--json", metavar="FILE", help="also write the results to FILE")
    parser.add_argument("--measure-peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure_peer:
        return measure_peer(arguments.gguf, arguments.threads, arguments.seconds)
    if not arguments.pvq:
        parser.error("--pvq is needed")
    if os.geteuid() != 0:
        sys.exit("only root can create a control group")
    if not os.path.exists(arguments.gguf):
        subprocess.run(
            [arguments.pvit, "export", arguments.pvq, "--output", arguments.gguf, "--type", "q4_0", "--quiet"],
            check=True,
        )
    size, results = os.path.getsize(arguments.gguf), []
    print("limit       tokens/s  llama.cpp  ratio   MB read/token  llama.cpp", flush=True)
    for share in [int(part) for part in arguments.shares.split(",")]:
        found = []
        for measure in (ours, theirs):
            evict(arguments.pvq)
            evict(arguments.gguf)
            group = MemoryGroup(size * share // 100)
            try:
                found.append(measure(group, arguments))
            finally:
                group.close()
        entry = {"share": share, "limit_bytes": size * share // 100, "threads": arguments.threads}
        for prefix, result in zip(["", "peer_"], found):
            for key in ["tokens_per_s", "bytes_read_per_token"]:
                entry[prefix + key] = result and result[key]
        results.append(entry)
        text = lambda key, scale, form: format(entry[key] / scale, form) if entry[key] is not None else "-"
        ratio = format(found[0]["tokens_per_s"] / found[1]["tokens_per_s"], ".2f") if all(found) else "-"
        print(
            f"{share:4} % {size * share / 1e11:6.2f} GB{text('tokens_per_s', 1, '.2f'):>8}"
            f"{text('peer_tokens_per_s', 1, '.2f'):>11}{ratio:>7}{text('bytes_read_per_token', 1e6, '.0f'):>16}"
            f"{text('peer_bytes_read_per_token', 1e6, '.0f'):>11}",
            flush=True,
        )
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
