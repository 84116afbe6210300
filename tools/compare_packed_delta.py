"""Measures for tools/compare_packed_delta, which sets everything up.

The base is the trained model SmolLM2-135M in f16 or bf16. Fine-tunes of it are made in two ways. `lora` adds a product
of two matrices of rank 16 to every linear matrix, which is what merging a LoRA adapter does. `full` adds noise with
heavy tails to every number, of about the same size in a row, which is what Adam's updates look like. The strength is
the norm of the change over that of the base. Sums are rounded to the type.

    zstd         the target's file
    float delta  the file of `pvit delta`, which is rounded to float16, in zstd: not lossless for bf16
    ZipNN        the smallest of: the target, target XOR base, and the float delta
    reminis      the pack of `reminis diff`
    packed       `pvit delta --packed`; merging is compared with the target bit for bit
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np

STRENGTHS = [("lora", 0.003), ("lora", 0.03), ("full", 0.0003), ("full", 0.003), ("full", 0.03)]
RANK = 16


def read(path):
    """The tensors of a safetensors file as patterns: {name: (type, shape, uint16 array)}."""
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: (
            entry["dtype"],
            entry["shape"],
            np.frombuffer(data, np.uint16, (entry["data_offsets"][1] - entry["data_offsets"][0]) // 2,
                          8 + size + entry["data_offsets"][0]),
        )
        for name, entry in header.items()
    }  # fmt: skip


def write(folder, tensors, config):
    os.makedirs(folder, exist_ok=True)
    header, place = {}, 0
    for name, (kind, shape, patterns) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, place + patterns.nbytes]}
        place += patterns.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, _, patterns in tensors.values():
            file.write(patterns.tobytes())
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file, indent=2)


def widen(kind, patterns):
    if kind == "F16":
        return patterns.view(np.float16).astype(np.float32)
    return (patterns.astype(np.uint32) << 16).view(np.float32)


def narrow(kind, numbers):
    """Patterns of numbers that are rounded to nearest even."""
    if kind == "F16":
        return numbers.astype(np.float16).view(np.uint16)
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def fine_tune(base, method, strength, random):
    result = {}
    for name, (kind, shape, patterns) in base.items():
        numbers = widen(kind, patterns).reshape(shape)
        if method == "full":
            change = random.standard_t(6, shape).astype(np.float32)
            if len(shape) == 2:
                change *= np.exp(0.3 * random.standard_normal((shape[0], 1))).astype(np.float32)
        elif "_proj" in name:
            # Rows and columns of an adapter have different sizes.
            left, right = (
                random.standard_normal(size).astype(np.float32) for size in ((shape[0], RANK), (RANK, shape[1]))
            )
            left *= np.exp(0.5 * random.standard_normal((shape[0], 1))).astype(np.float32)
            right *= np.exp(0.5 * random.standard_normal((1, shape[1]))).astype(np.float32)
            change = left @ right
        else:
            result[name] = kind, shape, patterns
            continue
        change *= strength * np.sqrt((numbers**2).mean() / (change**2).mean())
        result[name] = kind, shape, narrow(kind, (numbers + change).ravel())
    return result


def run(*command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def zstd(data, level):
    import zstandard

    start = time.perf_counter()
    size = len(zstandard.ZstdCompressor(level=level).compress(data))
    return size, time.perf_counter() - start


def zipnn(data, kind):
    from zipnn import ZipNN

    coder = ZipNN(input_format="byte", bytearray_dtype={"F16": "float16", "BF16": "bfloat16"}[kind])
    copy = bytearray(data)  # ZipNN changes its input
    start = time.perf_counter()
    return len(coder.compress(copy)), time.perf_counter() - start


def weights(tensors):
    return b"".join(patterns.tobytes() for _, _, patterns in tensors.values())


def compare(arguments, base_folder, target_folder, kind):
    path = lambda name: os.path.join(arguments.work, name)
    model = lambda folder: os.path.join(folder, "model.safetensors")
    base, target = read(model(base_folder)), read(model(target_folder))
    result = {"target": (os.path.getsize(model(target_folder)), 0)}

    result["packed"] = None
    seconds = run(arguments.pvit, "delta", base_folder, target_folder, "--packed", "--output", path("delta.pvq"))
    result["packed"] = os.path.getsize(path("delta.pvq")), seconds
    shutil.rmtree(path("merged"), ignore_errors=True)
    result["merge"] = 0, run(arguments.pvit, "merge", base_folder, path("delta.pvq"), "--output", path("merged"))
    merged = read(model(path("merged")))
    same = merged.keys() == target.keys() and all(
        merged[name][:2] == target[name][:2] and np.array_equal(merged[name][2], target[name][2]) for name in target
    )
    if not same:
        sys.exit("the merged model differs from the target")

    shutil.rmtree(path("float"), ignore_errors=True)
    seconds = run(arguments.pvit, "delta", base_folder, target_folder, "--output", path("float"))
    with open(model(path("float")), "rb") as file:
        float_delta = file.read()
    data = weights(target)
    result["zstd"] = zstd(data, arguments.level)
    size, more = zstd(float_delta, arguments.level)
    result["float delta"] = size, seconds + more
    xor = b"".join((base[name][2] ^ target[name][2]).tobytes() for name in target)
    choices = {"target": zipnn(data, kind), "XOR": zipnn(xor, kind), "float delta": zipnn(float_delta, "F16")}
    best = min(choices, key=lambda name: choices[name][0])
    result["ZipNN"] = choices[best]
    result["ZipNN of"] = best, 0

    reminis = os.path.join(os.path.dirname(sys.executable), "reminis")
    for name, folder in (("base", base_folder), ("target", target_folder)):
        database = path(name + ".db")
        if os.path.exists(database):
            os.remove(database)
        run(reminis, "convert", model(folder), "-o", database)
    if os.path.exists(path("pack")):
        os.remove(path("pack"))
    seconds = run(reminis, "diff", path("base.db"), path("target.db"), "-o", path("pack"))
    result["reminis"] = os.path.getsize(path("pack")), seconds
    for name in ("base.db", "target.db", "pack"):
        os.remove(path(name))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pvit", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--model", help="a folder with the base in float16; by default SmolLM2-135M")
    parser.add_argument("--cache", default=".build/download", help="where the model's package is kept")
    parser.add_argument("--types", default="F16,BF16")
    parser.add_argument("--level", type=int, default=3, help="the level of zstd")
    parser.add_argument("--only", help="one kind and strength, such as lora-0.03")
    parser.add_argument("--work", default=".build/compare-delta", help="folder for the models")
    parser.add_argument("--json", metavar="FILE", help="also write the results to FILE")
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    model = arguments.model or os.path.join(arguments.work, "model")
    if not os.path.exists(os.path.join(model, "config.json")):
        script = os.path.join(os.path.dirname(__file__), "smollm2_checkpoint.py")
        subprocess.run([sys.executable, script, model, "--cache", arguments.cache], check=True, stdout=sys.stderr)
    source = read(os.path.join(model, "model.safetensors"))
    with open(os.path.join(model, "config.json")) as file:
        config = json.load(file)

    columns = ["zstd", "float delta", "ZipNN", "reminis", "packed"]
    print(f"| type, update | {' | '.join(columns)} | pack | merge |")
    print("|---" * (len(columns) + 3) + "|")
    results = []
    for kind in arguments.types.split(","):
        base = {
            name: (kind, shape, narrow(kind, widen(kind_before, patterns)))
            for name, (kind_before, shape, patterns) in source.items()
        }
        config["torch_dtype"] = {"F16": "float16", "BF16": "bfloat16"}[kind]
        folders = [os.path.join(arguments.work, name) for name in ("base", "target")]
        write(folders[0], base, config)
        for method, strength in STRENGTHS:
            if arguments.only and arguments.only != f"{method}-{strength}":
                continue
            write(folders[1], fine_tune(base, method, strength, np.random.default_rng(7)), config)
            result = compare(arguments, *folders, kind)
            sizes = [result[column][0] / 1e6 for column in columns]
            mark = lambda size: f"**{size:.1f}**" if size == min(sizes) else f"{size:.1f}"
            print(
                f"| {kind.lower()}, {method} {strength * 100:g}% | {' | '.join(map(mark, sizes))} "
                f"| {result['packed'][1]:.1f} s | {result['merge'][1]:.1f} s |",
                flush=True,
            )
            results.append({"type": kind, "method": method, "strength": strength, **result})
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
