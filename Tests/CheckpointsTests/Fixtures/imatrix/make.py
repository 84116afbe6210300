"""Writes gguf-library.gguf and expected.json beside this file.

llama-imatrix.gguf and llama-imatrix.dat are from llama.cpp's own tool, run on `pvit export` of the generated checkpoint
mini-llama-gqa (hidden 128, inner 352, 3 layers):
    llama-imatrix -m gqa.gguf -f LICENSE -c 64 --chunks 4 --no-ppl -o llama-imatrix.gguf
    llama-imatrix … --output-format dat -o llama-imatrix.dat
"""

import json
import os
import struct

import numpy as np
from gguf import GGUFReader, GGUFWriter

FOLDER = os.path.dirname(os.path.abspath(__file__))
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def path(name):
    return os.path.join(FOLDER, name)


def write_library_file():
    random = np.random.default_rng(3)
    writer = GGUFWriter(path("gguf-library.gguf"), "")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["text.txt"])
    writer.add_uint32("imatrix.chunk_count", 5)
    writer.add_uint32("imatrix.chunk_size", 512)
    for layer, name, columns, count in [(0, "attn_q", 32, 2560), (0, "ffn_down", 96, 2560), (11, "attn_output", 64, 1)]:
        sums = (random.standard_normal((1, columns)) ** 2 * 1e3).astype(np.float32)
        writer.add_tensor(f"blk.{layer}.{name}.weight.in_sum2", sums)
        writer.add_tensor(f"blk.{layer}.{name}.weight.counts", np.full((1, 1), count, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def from_gguf(name):
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(path(name)).tensors}
    ends = ".in_sum2"
    return {
        matrix[: -len(ends)]: sums.reshape(-1) / tensors[matrix[: -len(ends)] + ".counts"].reshape(-1)[0]
        for matrix, sums in tensors.items()
        if matrix.endswith(ends)
    }


def from_data(name):
    with open(path(name), "rb") as file:
        integer = lambda: struct.unpack("<i", file.read(4))[0]
        means = {}
        for _ in range(integer()):
            matrix = file.read(integer()).decode()
            calls, columns = integer(), integer()
            means[matrix] = np.frombuffer(file.read(4 * columns), np.float32) / np.float32(calls)
    return means


def translated(means):
    result = {}
    for matrix, values in means.items():
        if matrix.startswith("blk."):
            _, layer, name, _ = matrix.split(".")
            result[f"model.layers.{layer}.{NAMES[name]}.weight"] = [float(value) for value in values]
    return result


write_library_file()
expected = {name: translated(from_gguf(name)) for name in ["llama-imatrix.gguf", "gguf-library.gguf"]}
expected["llama-imatrix.dat"] = translated(from_data("llama-imatrix.dat"))
with open(path("expected.json"), "w") as file:
    json.dump(expected, file)
