"""Measures for tools/compare_quantize, which sets everything up.

Both programs quantize the same float16 model in a GGUF file: random weights of LLaMA-7B's shapes with fewer layers
(--layers), or any other file (--model). Runs alternate. The file is in the page cache if it fits. Figures are
medians of the rounds; ratios are medians of the rounds' ratios. Each run is a separate process, and so is its peak
memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from compare_llama_cpp import PEERS, write_checkpoint

# The program of the peer's process. Arguments: SOURCE OUTPUT TYPE THREADS.
PEER = """
import ctypes, sys, llama_cpp
source, output, kind, threads = sys.argv[1:]
silence = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(silence, ctypes.c_void_p(0))
options = llama_cpp.llama_model_quantize_default_params()
options.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
options.nthread = int(threads)
sys.exit(llama_cpp.llama_model_quantize(source.encode(), output.encode(), ctypes.byref(options)))
"""


def prepare(arguments):
    """The path of the float16 GGUF file."""
    if arguments.model:
        return arguments.model
    os.makedirs(arguments.work, exist_ok=True)
    base = os.path.join(arguments.work, f"7b-{arguments.layers}-layers")
    whole = f"{base}-f16.gguf"
    if not os.path.exists(whole):
        write_checkpoint(base, arguments.layers)
        subprocess.run([arguments.pvit, "export", base, "--type", "f16", "--output", whole, "--quiet"], check=True)
        os.remove(os.path.join(base, "model.safetensors"))
        os.remove(os.path.join(base, "config.json"))
        os.rmdir(base)
    return whole


def measure(command, output):
    """Wall seconds, processor seconds and peak resident bytes of a command. Its output is deleted."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        sys.exit(f"failed: {' '.join(command[:3])} ...")
    os.remove(output)
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def compare(arguments, source, kind, peer):
    size = os.path.getsize(source)
    output = os.path.join(arguments.work, "output")
    commands = [
        [
            arguments.pvit,
            "quantize",
            source,
            "--type",
            kind,
            "--output",
            output + ".pvq",
            "--threads",
            str(arguments.threads),
            "--quiet",
        ],
        [sys.executable, "-c", PEER, source, output + ".gguf", peer, str(arguments.threads)],
    ]
    rounds = []
    for _ in range(arguments.rounds):
        warm(source)
        rounds.append([measure(command, output + end) for command, end in zip(commands, (".pvq", ".gguf"))])
    median = lambda side, figure: statistics.median(entry[side][figure] for entry in rounds)
    ratios = [theirs[0] / ours[0] for ours, theirs in rounds]
    result = {
        "type": kind,
        "peer": peer,
        "threads": arguments.threads,
        "input_bytes": size,
        "wall_s": median(0, 0),
        "peer_wall_s": median(1, 0),
        "ratio": statistics.median(ratios),
        "ratio_spread": max(ratios) - min(ratios),
        "processor_s": median(0, 1),
        "peer_processor_s": median(1, 1),
        "gb_per_s": size / median(0, 0) / 1e9,
        "peer_gb_per_s": size / median(1, 0) / 1e9,
        "peak_resident_bytes": median(0, 2),
        "peer_peak_resident_bytes": median(1, 2),
    }
    print(
        f"{kind:5}{peer:8}{result['wall_s']:7.1f} s{result['peer_wall_s']:8.1f} s{result['gb_per_s']:8.2f}"
        f"{result['peer_gb_per_s']:8.2f}{result['ratio']:8.2f} ±{result['ratio_spread'] / 2:.2f}"
        f"{result['peak_resident_bytes'] / 1e6:9.0f}{result['peer_peak_resident_bytes'] / 1e6:8.0f}",
        flush=True,
    )
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pvit", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--model", help="a float16 GGUF file instead of random weights")
    parser.add_argument("--layers", type=int, default=8, help="number of layers of the random model")
    parser.add_argument("--types", default="q4,q8", help="pvit's types")
    parser.add_argument("--peers", help="llama.cpp's types; by default all that are comparable to pvit's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default=".build/compare", help="folder for the models")
    parser.add_argument("--json", metavar="FILE", help="also write the results to FILE")
    arguments = parser.parse_args()
    source = prepare(arguments)
    print("type llama.cpp  time  llama.cpp    GB/s  llama.cpp  ratio     peak MB  llama.cpp")
    results = [
        compare(arguments, source, kind, peer)
        for kind in arguments.types.split(",")
        for peer in PEERS[kind]
        if not arguments.peers or peer in arguments.peers.split(",")
    ]
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
