"""Measures for tools/compare_llama_cpp, which sets everything up.

Models: random weights of LLaMA-7B's shapes with fewer layers (--layers; the speed per byte is the same), or a
Hugging Face folder (--model). llama.cpp gets the GGUF that `pvit export` writes, quantized by llama.cpp itself; pvit
gets a .pvq of the same weights. Measurements alternate between the programs, so that changes of the machine's speed
affect both. Figures are medians of the rounds; ratios are medians of the rounds' ratios.

With --busy, both programs decode with as many threads as there are processors while another process keeps one
processor busy. The result is their speed relative to one thread on the idle machine.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time

import llama_cpp
import numpy as np
from gguf import GGUFReader

HIDDEN, INNER, HEADS, VOCABULARY = 4096, 11008, 32, 32000
# pvit's types, and the llama.cpp types to compare each with.
PEERS = {"q4": ["Q4_0", "Q4_K_M"], "q8": ["Q8_0"]}


def write_checkpoint(folder, layers):
    """A Hugging Face folder of LLaMA-7B's shapes with random float16 weights."""
    random = np.random.default_rng(1)
    pool = (random.standard_normal(1 << 25, dtype=np.float32) * 0.02).astype(np.float16)
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        shapes |= {f"{prefix}self_attn.{name}_proj.weight": (HIDDEN, HIDDEN) for name in "qkvo"}
        shapes |= {
            prefix + "mlp.gate_proj.weight": (INNER, HIDDEN),
            prefix + "mlp.up_proj.weight": (INNER, HIDDEN),
            prefix + "mlp.down_proj.weight": (HIDDEN, INNER),
            prefix + "input_layernorm.weight": (HIDDEN,),
            prefix + "post_attention_layernorm.weight": (HIDDEN,),
        }
    shapes |= {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN)}
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            left = int(np.prod(shape))
            if len(shape) == 1:
                file.write(np.ones(left, np.float16).tobytes())
                continue
            while left:
                start = int(random.integers(0, len(pool) // 2))
                part = pool[start : start + min(left, len(pool) // 2)]
                file.write(part.tobytes())
                left -= len(part)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "float16",
    }
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)


def prepare(arguments):
    """The files of each type: {"q4": path of a .pvq, "Q4_0": path of a GGUF, ...}."""
    os.makedirs(arguments.work, exist_ok=True)
    name = os.path.basename(arguments.model.rstrip("/")) if arguments.model else f"7b-{arguments.layers}-layers"
    base = os.path.join(arguments.work, name)
    types = arguments.types.split(",")
    files = {kind: f"{base}-{kind}.pvq" for kind in types}
    files |= {peer: f"{base}-{peer}.gguf" for kind in types for peer in PEERS[kind]}
    if all(os.path.exists(path) for path in files.values()):
        return files
    folder, whole = arguments.model or base, f"{base}-f16.gguf"
    if not arguments.model and not os.path.exists(os.path.join(folder, "config.json")):
        write_checkpoint(folder, arguments.layers)
    run = lambda *command: subprocess.run([arguments.pvit, *command, "--quiet"], check=True)
    for kind in types:
        if not os.path.exists(files[kind]):
            run("quantize", folder, "--type", kind, "--output", files[kind])
    if not os.path.exists(whole):
        run("export", folder, "--type", "f16", "--output", whole)
    for kind in types:
        for peer in PEERS[kind]:
            if not os.path.exists(files[peer]):
                options = llama_cpp.llama_model_quantize_default_params()
                options.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{peer}")
                if llama_cpp.llama_model_quantize(whole.encode(), files[peer].encode(), ctypes.byref(options)):
                    sys.exit(f"llama.cpp could not write {files[peer]}")
    if not arguments.keep:
        os.remove(whole)
        if not arguments.model:
            os.remove(os.path.join(folder, "model.safetensors"))
            os.remove(os.path.join(folder, "config.json"))
    return files


def bytes_of_a_token(path):
    """The bytes of a GGUF file that decoding a token reads: all but the input embeddings, unless the model is tied."""
    sizes = {tensor.name: int(tensor.n_bytes) for tensor in GGUFReader(path).tensors}
    return sum(sizes.values()) - (sizes["token_embd.weight"] if "output.weight" in sizes else 0)


class Peer:
    """llama.cpp with one model and one number of threads."""

    def __init__(self, path, threads, context, repack):
        options = llama_cpp.llama_model_default_params()
        options.use_extra_bufts = repack
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), options)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = context
        settings.n_threads = settings.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def read(self, tokens):
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(array, len(tokens))):
            sys.exit("llama.cpp could not decode")
        llama_cpp.llama_get_logits(self.context)

    def seconds(self, test, count):
        tokens = [int(token) for token in np.random.default_rng(1).integers(3, self.vocabulary, count)]
        llama_cpp.llama_memory_clear(self.memory, True)
        start = time.perf_counter()
        for part in [tokens] if test == "prefill" else [[token] for token in tokens]:
            self.read(part)
        return time.perf_counter() - start


def ours(pvit, path, test, count, threads):
    """Tokens and weight bytes per second of one run, after a warm-up run, and the instruction set of its kernels."""
    options = ["--prompt-tokens", str(count), "--generate-tokens", "0"]
    if test == "decode":
        options = ["--prompt-tokens", "0", "--generate-tokens", str(count)]
    output = subprocess.run(
        [pvit, "bench", path, *options, "--threads", str(threads), "--runs", "1", "--json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = next(entry for entry in json.loads(output) if entry["test"] == test and entry["tokens"] == count)
    return found["tokens_per_s"], found["weight_gb_per_s"], found["instruction_set"]


def compare(arguments, files, kind, peer, threads, repack):
    rival = Peer(files[peer], threads, max(arguments.prompt_tokens + [arguments.generate_tokens]) + 8, repack)
    peer_bytes = bytes_of_a_token(files[peer])
    results = []
    tests = [("prefill", count) for count in arguments.prompt_tokens] + [("decode", arguments.generate_tokens)]
    for test, count in tests:
        rival.seconds(test, count)
        rounds = []
        for _ in range(arguments.rounds):
            speed, bandwidth, instructions = ours(arguments.pvit, files[kind], test, count, threads)
            theirs = count / rival.seconds(test, count)
            rounds.append((speed, theirs, bandwidth, theirs * peer_bytes / 1e9))
        median = lambda values: statistics.median(list(values))
        results.append(
            {
                "test": test,
                "tokens": count,
                "threads": threads,
                "type": kind,
                "peer": peer,
                "repacked": repack,
                "instruction_set": instructions,
                "tokens_per_s": median(r[0] for r in rounds),
                "peer_tokens_per_s": median(r[1] for r in rounds),
                "ratio": median(r[0] / r[1] for r in rounds),
                "ratio_spread": max(r[0] / r[1] for r in rounds) - min(r[0] / r[1] for r in rounds),
                "weight_gb_per_s": median(r[2] for r in rounds) if test == "decode" else None,
                "peer_weight_gb_per_s": median(r[3] for r in rounds) if test == "decode" else None,
                "ratio_by_bytes": median(r[2] / r[3] for r in rounds) if test == "decode" else None,
            }
        )
        show(results[-1])
    rival.close()
    return results


class BusyProcess:
    """A process of normal priority that keeps one processor busy."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        time.sleep(0.2)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def compare_busy(arguments, files, kind, peer):
    """Compares decoding with all processors, one of them kept busy, with one thread on the idle machine."""
    count, processors = arguments.generate_tokens, len(os.sched_getaffinity(0))
    rivals = {threads: Peer(files[peer], threads, count + 8, True) for threads in [1, processors]}
    decoders = {
        "pvit": lambda threads: ours(arguments.pvit, files[kind], "decode", count, threads)[0],
        "llama.cpp": lambda threads: count / rivals[threads].seconds("decode", count),
    }
    results = []
    for program, decode in decoders.items():
        decode(1)
        rounds = []
        for _ in range(arguments.rounds):
            alone = decode(1)
            with BusyProcess():
                rounds.append((alone, decode(processors)))
        alone, busy = (statistics.median(values) for values in zip(*rounds))
        ratio = statistics.median(busy / alone for alone, busy in rounds)
        results.append(
            {
                "test": "busy",
                "program": program,
                "type": kind if program == "pvit" else peer,
                "tokens": count,
                "threads": processors,
                "tokens_per_s_one_thread": alone,
                "tokens_per_s_busy": busy,
                "ratio": ratio,
            }
        )
        print(
            f"{results[-1]['type']:8}{program:10} 1 thread, idle {alone:7.1f}   {processors} threads, busy {busy:7.1f}"
            f"   ratio {ratio:5.2f}",
            flush=True,
        )
    for rival in rivals.values():
        rival.close()
    return results


def show(entry):
    line = (
        f"{entry['instruction_set']:13}{entry['type']:4} {entry['peer']:7} "
        f"{'repacked' if entry['repacked'] else 'mapped':9}"
        f"{entry['test']:8}{entry['tokens']:5}{entry['threads']:4}  {entry['tokens_per_s']:9.1f}"
        f"{entry['peer_tokens_per_s']:10.1f}{entry['ratio']:8.2f} ±{entry['ratio_spread'] / 2:.2f}"
    )
    if entry["ratio_by_bytes"]:
        line += f"{entry['weight_gb_per_s']:10.1f}{entry['peer_weight_gb_per_s']:8.1f}{entry['ratio_by_bytes']:8.2f}"
    print(line, flush=True)


def main():
    numbers = lambda text: [int(part) for part in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pvit", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--model", help="a Hugging Face folder instead of random weights")
    parser.add_argument("--layers", type=int, default=8, help="number of layers of the random model")
    parser.add_argument("--types", default="q4,q8", help="pvit's types")
    parser.add_argument("--threads", type=numbers, default=[2, 1])
    parser.add_argument("--prompt-tokens", type=numbers, default=[128, 512])
    parser.add_argument("--generate-tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mapped", action="store_true", help="also run llama.cpp without repacking weights at load")
    parser.add_argument("--busy", action="store_true", help="compare decoding on a busy machine instead")
    parser.add_argument("--work", default=".build/compare", help="folder for the models")
    parser.add_argument("--keep", action="store_true", help="keep the float16 models")
    parser.add_argument("--json", metavar="FILE", help="also write the results to FILE")
    arguments = parser.parse_args()
    silence = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silence, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    files = prepare(arguments)
    results = []
    if arguments.busy:
        for kind in arguments.types.split(","):
            results += compare_busy(arguments, files, kind, PEERS[kind][0])
    else:
        print("llama.cpp:", llama_cpp.llama_print_system_info().decode().strip())
        print(
            "instructions type peer    weights  test   tokens  threads  tokens/s  llama.cpp  ratio       GB/s"
            "  llama.cpp  ratio"
        )
    for threads in [] if arguments.busy else arguments.threads:
        for kind in arguments.types.split(","):
            for peer in PEERS[kind]:
                for repack in [True, False] if arguments.mapped else [True]:
                    results += compare(arguments, files, kind, peer, threads, repack)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
