"""Measures for tools/compare_divergence, which sets everything up.

llama.cpp quantizes the model with its own llama-quantize, without and with an importance matrix that its llama-imatrix
measures on the calibration text. Embeddings and output layer stay f16, so that only the linear matrices of the layers
differ. All models are judged by `pvit evaluate divergence` against the same f16 container, with the weights of each
decoded to f32: rows say what the weights lose, whatever the program computes them with. A .pvq file has a second row
for the file as `pvit run` computes it, with 8-bit activations.

Bits per weight are counted from the tensors of the files. llama.cpp's K types and IQ4_XS need rows of a multiple of
256; for other rows llama-quantize takes another type, which the last column shows.

Before the table, exports of pvit are judged by both programs (--check), every statistic side by side. llama.cpp judges
the file as it is and with its weights decoded to f16, which is what pvit judges.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys

from gguf import GGUFReader

LINEAR = re.compile(r"blk\.\d+\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight")
TYPES = "Q4_0,IQ4_XS,IQ4_NL,Q4_K_S,Q4_K_M,Q5_K_S"
NOTES = """\
Both programs cut the text into the same windows: whole ones of --context tokens, the rest is left out; BOS replaces the
first token of each if the tokenizer puts BOS before texts; the positions from the middle on are scored. The figures
differ a little for these reasons:
- llama.cpp multiplies quantized weights by activations in 8 bits. With the same weights decoded to f16, as in the
  second column, it rounds activations to f16; pvit does not round them.
- llama.cpp keeps the reference's log-probabilities in 16 bits, from 16 nats below the largest on, leaves out terms
  below e^-16, and sums in f32. So its divergence of a token is not quite 0 for equal models, and may be negative.
- The error of pvit's perplexity ratio takes windows as independent, llama.cpp's takes tokens as independent.
"""


def run(*command):
    """Runs a program and returns its output and its errors; ends this one with both if it fails."""
    outcome = subprocess.run(command, capture_output=True)
    output, errors = outcome.stdout.decode(errors="replace"), outcome.stderr.decode(errors="replace")
    if outcome.returncode:
        sys.exit(f"{' '.join(command)}\n{output[-2000:]}{errors[-2000:]}")
    return output, errors


class Judge:
    """Runs pvit and llama.cpp's programs on one model, with files in one folder."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = os.path.join(arguments.work, os.path.basename(os.path.abspath(arguments.model)))
        os.makedirs(self.folder, exist_ok=True)
        self.whole = self.made(
            "f16.gguf", lambda path: self.pvit("export", arguments.model, "--type", "f16", "-o", path)
        )
        self.reference = self.made(
            "f16.pvq", lambda path: self.pvit("quantize", arguments.model, "--type", "f16", "-o", path)
        )

    def file(self, name):
        return os.path.join(self.folder, name)

    def made(self, name, make):
        """A file of the folder, which `make` writes when there is none."""
        path = self.file(name)
        if not os.path.exists(path):
            print(f"writing {path}", file=sys.stderr)
            unfinished = self.file(f"unfinished-{name}")
            make(unfinished)
            os.replace(unfinished, path)
        return path

    def pvit(self, *command):
        return run(self.arguments.program, *command, "--quiet")[0]

    def llama(self, program, *command):
        if program != "llama-quantize" and self.arguments.llama_threads:
            command += ("--threads", str(self.arguments.llama_threads))
        return "\n".join(run(os.path.join(self.arguments.llama, program), *command))

    def imatrix(self):
        """llama.cpp's importance matrix of the calibration text."""
        chunks = ["--chunks", str(self.arguments.chunks)] if self.arguments.chunks else []
        return self.made(
            f"imatrix-{os.path.basename(self.arguments.calibration)}.gguf",
            lambda path: self.llama(
                "llama-imatrix", "-m", self.whole, "-f", self.arguments.calibration, "-o", path, "--no-ppl", *chunks
            ),
        )

    def quantized(self, kind, imatrix=None):
        """The model as llama-quantize writes it, with linear matrices of a type."""
        importance = ["--imatrix", imatrix] if imatrix else []
        f16 = ["--token-embedding-type", "f16", "--output-tensor-type", "f16"]
        return self.made(
            f"{kind}{'-' + os.path.basename(imatrix) if imatrix else '.gguf'}",
            lambda path: self.llama("llama-quantize", *importance, *f16, self.whole, path, kind),
        )

    def divergence(self, container, texts):
        """What `pvit evaluate divergence` finds of a container."""
        options = ["--context", str(self.arguments.context), "--json"]
        for text in texts:
            options += ["--text", text]
        if self.arguments.windows:
            options += ["--windows", str(self.arguments.windows)]
        return json.loads(self.pvit("evaluate", "divergence", container, "--reference", self.reference, *options))

    def divergence_of_weights(self, model, texts):
        """The same of a model's weights alone, decoded to f32."""
        container = self.file("decoded.pvq")
        self.pvit("quantize", model, "--type", "f32", "-o", container)
        try:
            return self.divergence(container, texts)
        finally:
            os.remove(container)

    @property
    def logits(self):
        """The file in which llama-perplexity keeps the reference's logits: 100 kB for each scored token."""
        return self.file("logits.bin")

    def forget_logits(self):
        if os.path.exists(self.logits):
            os.remove(self.logits)

    def theirs(self, model, text):
        """What llama-perplexity finds of a GGUF file: the lines of its statistics as numbers with their errors."""
        window = ["-c", str(self.arguments.context)]
        if self.arguments.windows:
            window += ["--chunks", str(self.arguments.windows)]
        base = ["--kl-divergence-base", self.logits]
        if not os.path.exists(self.logits):
            self.llama("llama-perplexity", "-m", self.whole, "-f", text, *window, *base)
        output = self.llama("llama-perplexity", "-m", model, *window, *base, "--kl-divergence")
        line = re.compile(r"^(\S.*?)\s*:\s*(-?[\d.]+)(?:\s*±\s*([\d.]+))?\s*(%?)\s*$", re.MULTILINE)
        found = {}
        for name, value, error, percent in line.findall(output):
            scale = 0.01 if percent else 1
            found[re.sub(r"\s+", " ", name)] = (float(value) * scale, float(error) * scale if error else None)
        return found


def storage_of_gguf(path):
    """Bits per weight of the linear matrices and of the file, and the types of the linear matrices."""
    reader = GGUFReader(path)
    linear = [tensor for tensor in reader.tensors if LINEAR.fullmatch(tensor.name)]
    weights = sum(int(tensor.n_elements) for tensor in linear)
    shares = collections.Counter()
    for tensor in linear:
        shares[tensor.tensor_type.name] += int(tensor.n_elements) / weights
    return (
        8 * sum(int(tensor.n_bytes) for tensor in linear) / weights,
        8 * os.path.getsize(path) / sum(int(tensor.n_elements) for tensor in reader.tensors),
        ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in shares.most_common()),
    )


def estimate(value, error, decimals, scale=1):
    return f"{value * scale:.{decimals}f}" + ("" if error is None else f" ± {error * scale:.{decimals}f}")


def check(judge, kind):
    """One export of pvit, judged by both programs."""
    model = judge.made(
        f"pvit-{kind}.gguf", lambda path: judge.pvit("export", judge.arguments.model, "--type", kind, "-o", path)
    )
    text = judge.arguments.text[0]
    ours, theirs = judge.divergence_of_weights(model, [text]), judge.theirs(model, text)
    decoded = judge.file("decoded.gguf")
    judge.pvit("export", model, "--type", "f16", "-o", decoded)
    try:
        theirs_decoded = judge.theirs(decoded, text)
    finally:
        os.remove(decoded)
    scored = f"{ours['tokens']} tokens of {os.path.basename(text)} in {ours['windows']} windows"
    print(f"\n`pvit export --type {kind}`, {scored}\n")
    print("| | pvit, weights in f32 | llama.cpp, weights in f16 | llama.cpp as it runs |\n|---|---|---|---|")
    for label, key, name, decimals, scale, unit in [
        ("perplexity", "perplexity", "Mean PPL(Q)", 4, 1, ""),
        ("perplexity of the reference", "reference_perplexity", "Mean PPL(base)", 4, 1, ""),
        ("ratio of both", "perplexity_ratio", "Mean PPL(Q)/PPL(base)", 6, 1, ""),
        ("mean KL divergence", "mean_kl", "Mean KLD", 6, 1, ""),
        ("median", "median_kl", "Median KLD", 6, 1, ""),
        ("95th percentile", "p95_kl", "95.0% KLD", 6, 1, ""),
        ("99th percentile", "p99_kl", "99.0% KLD", 6, 1, ""),
        ("99.9th percentile", "p999_kl", "99.9% KLD", 6, 1, ""),
        ("maximum", "max_kl", "Maximum KLD", 6, 1, ""),
        ("right token, mean change of probability", "mean_probability_change", "Mean Δp", 3, 100, " %"),
        ("right token, root mean square", "rms_probability_change", "RMS Δp", 3, 100, " %"),
        ("same top token", "top1_agreement", "Same top p", 3, 100, " %"),
    ]:
        if name not in theirs:
            sys.exit(f'llama-perplexity printed no "{name}"; it needs at least 100 scored tokens')
        figures = [(ours[key], ours.get(f"{key}_standard_error")), theirs_decoded[name], theirs[name]]
        columns = [estimate(*figure, decimals, scale) + unit for figure in figures]
        print(f"| {label} | {' | '.join(columns)} |", flush=True)


def row(name, bits, file_bits, result, stored):
    figures = [
        f"{bits:.3f}",
        f"{file_bits:.2f}",
        estimate(result["mean_kl"], result["mean_kl_standard_error"], 4),
        f"{result['p99_kl']:.3f}",
        estimate(result["top1_agreement"], result["top1_agreement_standard_error"], 1, 100) + " %",
        f"{result['perplexity_ratio']:.4f}",
    ]
    return f"| {name} | {' | '.join(figures)} | {stored} |"


def table(judge):
    """The quality of every model: a Markdown table for all texts, and one for each if there are several."""
    arguments = judge.arguments
    rows = []

    def add(name, bits, file_bits, result, stored):
        rows.append((name, bits, file_bits, result, stored))
        print(row(*rows[-1]), flush=True)

    print(f"\nContext {arguments.context}; all texts: {', '.join(os.path.basename(text) for text in arguments.text)}\n")
    titles = ["", "bits per weight", "in the file", "mean KL divergence", "p99", "same top token", "perplexity ratio"]
    head = f"| {' | '.join([*titles, 'stored as'])} |\n" + "|---" * (len(titles) + 1) + "|"
    print(head, flush=True)
    weights = sum(int(tensor.n_elements) for tensor in GGUFReader(judge.whole).tensors)
    for path in arguments.pvit:
        name, file_bits = os.path.basename(path), 8 * os.path.getsize(path) / weights
        as_run = judge.divergence(path, arguments.text)
        bits = as_run["bits_per_weight"]
        add(name, bits, file_bits, judge.divergence_of_weights(path, arguments.text), "")
        add(f"{name}, as it runs", bits, file_bits, as_run, "")
    for kind in [kind for kind in arguments.types.split(",") if kind]:
        for imatrix in [None, judge.imatrix()] if arguments.calibration else [None]:
            path = judge.quantized(kind, imatrix)
            bits, file_bits, stored = storage_of_gguf(path)
            result = judge.divergence_of_weights(path, arguments.text)
            add(f"{kind}{', imatrix' if imatrix else ''}", bits, file_bits, result, stored)
    if len(arguments.text) > 1:
        for index, text in enumerate(arguments.text):
            print(f"\n{os.path.basename(text)}\n\n{head}")
            for name, bits, file_bits, result, stored in rows:
                print(row(name, bits, file_bits, result["texts"][index], stored))
    if arguments.json:
        with open(arguments.json, "w") as file:
            keys = ["name", "bits_per_weight", "bits_per_weight_of_file", "result", "stored"]
            json.dump([dict(zip(keys, entry)) for entry in rows], file, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--llama", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--model", required=True, help="a Hugging Face folder")
    parser.add_argument("--calibration", metavar="TEXT", help="the text for llama.cpp's importance matrix")
    parser.add_argument("--text", required=True, action="append", help="a text to evaluate on; can be repeated")
    parser.add_argument("--pvit", nargs="+", default=[], metavar="FILE.pvq", help="containers of the same model")
    parser.add_argument("--types", default=TYPES, help="llama.cpp's types, separated by commas; empty for none")
    parser.add_argument("--check", default="q8_0,q4_0", help="exports to judge by both programs; empty for none")
    parser.add_argument("--context", type=int, default=512, help="the length of a window")
    parser.add_argument("--windows", type=int, help="only the first windows of each text")
    parser.add_argument("--chunks", type=int, help="only the first chunks of the calibration text")
    parser.add_argument(
        "--llama-threads", type=int, metavar="N", help="threads of llama.cpp's programs; on a busy machine 1 is fastest"
    )
    parser.add_argument("--work", default=".build/compare-divergence", help="folder for models; kept for the next run")
    parser.add_argument("--json", metavar="FILE", help="also write the table to FILE")
    arguments = parser.parse_args()
    judge = Judge(arguments)
    kinds = [kind for kind in arguments.check.split(",") if kind]
    if kinds:
        judge.forget_logits()
        try:
            for kind in kinds:
                check(judge, kind)
        finally:
            judge.forget_logits()
        print(f"\n{NOTES}", flush=True)
    if arguments.types or arguments.pvit:
        table(judge)


main()
