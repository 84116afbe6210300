#!/usr/bin/env python3
"""Compare pvit's GGUF reader and writer with the gguf library and with llama.cpp on a real model.

  pip install numpy gguf safetensors llama-cpp-python
  compare_gguf_export.py [--pvit .build/release/pvit] [--work DIR] [--types f16,q8_0,q4_0,q4_1,bf16,f32]

1. SmolLM2-135M-Instruct's published GGUF file (Q4_1, Q8_0, F32) is read by `pvit export` and must give the tensors
   that smollm2_checkpoint.py makes of it with the gguf library, bit for bit.
2. The resulting folder is exported in each type. llama.cpp loads every file and answers a question greedily. Its ids
   of some texts must be those of the tokenizer. With F16 the answer must be that of `transformers`.

The exit status is 1 if anything differs.
"""

import argparse
import json
import os
import subprocess
import sys
import time

QUESTION = "What is the capital of France, and why is it famous?"
# transformers 4.33, temperature 0.
ANSWER = (
    "The capital of France is Paris. It's a city steeped in history and culture, and it's also famous for its iconic "
    "landmarks like the Eiffel Tower and the Louvre Museum."
)
TEXTS = [
    "Hello world",
    "  two  spaces ",
    "don't WE'LL 1234567 8.90",
    "a\n\n b\t c",
    "naïve café",
    "日本語 🙂",
    "fn main() { let x = 3; }",
    "<|im_start|>user\nhi<|im_end|>",
]


def compare_tensors(ours, theirs):
    from safetensors import safe_open

    different = []
    with (
        safe_open(os.path.join(ours, "model.safetensors"), "np") as a,
        safe_open(os.path.join(theirs, "model.safetensors"), "np") as b,
    ):
        if set(a.keys()) != set(b.keys()):
            return sorted(set(a.keys()) ^ set(b.keys()))
        for name in a.keys():
            x, y = a.get_tensor(name), b.get_tensor(name)
            if x.dtype != y.dtype or x.shape != y.shape or x.tobytes() != y.tobytes():
                different.append(name)
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pvit", default=".build/release/pvit")
    parser.add_argument("--work", default=".build/compare-gguf")
    parser.add_argument("--types", default="f16,q8_0,q4_0,q4_1,bf16,f32")
    a = parser.parse_args()
    from llama_cpp import Llama
    from tokenizers import Tokenizer

    here = os.path.dirname(os.path.abspath(__file__))
    os.makedirs(a.work, exist_ok=True)
    path = lambda name: os.path.join(a.work, name)
    if not os.path.exists(path("model/config.json")):
        subprocess.check_call(
            [sys.executable, os.path.join(here, "smollm2_checkpoint.py"), path("model"), "--cache", path("cache")]
        )
    published = next(os.path.join(d, f) for d, _, files in os.walk(path("cache")) for f in files if f.endswith(".gguf"))
    failures = []

    if not os.path.exists(path("ours/config.json")):
        subprocess.check_call([a.pvit, "export", published, "--output", path("ours"), "--type", "f16", "--quiet"])
    different = compare_tensors(path("ours"), path("model"))
    print(f"tensors read from {os.path.basename(published)} that differ: {len(different)}", *different[:5])
    failures += different

    tokenizer = Tokenizer.from_file(path("model/tokenizer.json"))
    for kind in a.types.split(","):
        file = path(f"model-{kind}.gguf")
        start = time.monotonic()
        subprocess.check_call([a.pvit, "export", path("model"), "--output", file, "--type", kind, "--quiet"])
        seconds = time.monotonic() - start
        model = Llama(file, n_ctx=512, verbose=False, seed=1)
        for text in TEXTS:
            own = model.tokenize(text.encode(), add_bos=False, special=True)
            if own != tokenizer.encode(text).ids:
                failures.append(f"{kind}: ids of {text!r}")
        reply = model.create_chat_completion([{"role": "user", "content": QUESTION}], temperature=0, max_tokens=100)
        answer = reply["choices"][0]["message"]["content"]
        print(f"{kind}: {os.path.getsize(file) / 1e6:.1f} MB in {seconds:.1f} s: {json.dumps(answer)}")
        if kind == "f16" and answer != ANSWER:
            failures.append("the answer of the F16 file")
        del model
        os.remove(file)
    print("failures:", failures if failures else "none")
    return 1 if failures else 0


sys.exit(main())
