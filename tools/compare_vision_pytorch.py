#!/usr/bin/env python3
"""Compares the speed and the results of the vision towers with PyTorch on generated weights. Runs alternate.

    swift build -c release --product time-vision
    python3 tools/compare_vision_pytorch.py [--tower-type f16,q8] [--kernels avx2] [--threads 1,2] [--repetitions 5]

Needs numpy and torch. CLIP is ViT-L/14 at 224 x 224 up to the second to last layer. RegionCLIP is RN50x4 on 1333 x 800
up to layer 3 ("encode"), and layer 4 with attention pooling on two crops ("regions"; torchvision's ROIAlign is not
part of PyTorch's time, nor of the comparison of results). PyTorch computes in float32; the container has the same
weights in float16, which represents them exactly, or in q8. Times are medians in seconds. With --kernels avx2,
PyTorch's libraries may not use newer instructions either.

PyTorch gets its fastest settings: with one thread, OpenMP and OpenBLAS may not start more; with several, the threads
of one library do not spin while those of the other work. Libraries read these settings once, so each number of
threads has its own process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixture_weights as fixtures

SPEC = {
    "seed": "vision-timing",
    "rc_width": 80,
    "clip": {"hidden": 1024, "inter": 4096, "layers": 24, "heads": 16, "patch": 14, "image": 224, "proj": 768},
}
HEIGHT, WIDTH = 800, 1333


def make_checkpoints(folder):
    clip = fixtures.clip_tensors(SPEC)
    region = fixtures.regionclip_tensors(SPEC, 80, "region")
    os.makedirs(os.path.join(folder, "clip"), exist_ok=True)
    if not os.path.exists(os.path.join(folder, "region.pth")):
        fixtures.write_safetensors(os.path.join(folder, "clip", "model.safetensors"), clip)
        fixtures.jdump(
            os.path.join(folder, "clip", "config.json"),
            {
                "vision_config": {
                    "hidden_size": 1024,
                    "intermediate_size": 4096,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 16,
                    "image_size": 224,
                    "patch_size": 14,
                    "hidden_act": "quick_gelu",
                    "layer_norm_eps": 1e-5,
                }
            },
        )
        fixtures.write_torch(os.path.join(folder, "region.pth"), region, wrap="model")
    return ({k: torch.from_numpy(v) for k, v in clip.items()}, {k: torch.from_numpy(v) for k, v in region.items()})


def planes(height, width):
    i = np.arange(3 * height * width, dtype=np.int64)
    return torch.from_numpy((i * 7919 % 1009 / 256 - 2).astype(np.float32).reshape(1, 3, height, width))


def clip_features(w, pixels):
    """hidden_states[-2] without the class token, as transformers' CLIPVisionModel computes it."""
    p = "vision_model."
    x = F.conv2d(pixels, w[p + "embeddings.patch_embedding.weight"], stride=14).flatten(2).transpose(1, 2)
    x = torch.cat([w[p + "embeddings.class_embedding"].expand(1, 1, -1), x], 1)
    x = x + w[p + "embeddings.position_embedding.weight"]
    norm = lambda x, n: F.layer_norm(x, (1024,), w[n + ".weight"], w[n + ".bias"], 1e-5)
    linear = lambda x, n: F.linear(x, w[n + ".weight"], w[n + ".bias"])
    heads = lambda x: x.view(1, -1, 16, 64).transpose(1, 2)
    x = norm(x, p + "pre_layrnorm")
    for layer in range(23):
        l = "%sencoder.layers.%d." % (p, layer)
        h = norm(x, l + "layer_norm1")
        q, k, v = (heads(linear(h, l + "self_attn.%s_proj" % n)) for n in "qkv")
        a = torch.softmax(q * 64**-0.5 @ k.transpose(-1, -2), -1) @ v
        x = x + linear(a.transpose(1, 2).reshape(1, -1, 1024), l + "self_attn.out_proj")
        h = linear(norm(x, l + "layer_norm2"), l + "mlp.fc1")
        x = x + linear(h * torch.sigmoid(1.702 * h), l + "mlp.fc2")
    return x[0, 1:]


def fold_norms(w):
    """scale and shift of each frozen batch norm, as Detectron2's FrozenBatchNorm2d applies them."""
    result = {}
    for name in w:
        if name.endswith(".running_var"):
            n = name[: -len(".running_var")]
            scale = w[n + ".weight"] * (w[name] + 1e-5).rsqrt()
            result[n] = (scale.view(1, -1, 1, 1), (w[n + ".bias"] - w[n + ".running_mean"] * scale).view(1, -1, 1, 1))
    return result


class RegionCLIP:
    def __init__(self, weights):
        self.w = {k[len("backbone.") :]: v for k, v in weights.items() if k.startswith("backbone.")}
        self.norms = fold_norms(self.w)

    def conv(self, x, name, norm, stride=1):
        kernel = self.w[name + ".weight"]
        scale, shift = self.norms[norm]
        return F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2) * scale + shift

    def stage(self, x, number):
        block = 0
        while "layer%d.%d.conv1.weight" % (number, block) in self.w:
            p = "layer%d.%d." % (number, block)
            pools = number > 1 and block == 0
            h = F.relu(self.conv(x, p + "conv1", p + "bn1"))
            h = F.relu(self.conv(h, p + "conv2", p + "bn2"))
            if pools:
                h = F.avg_pool2d(h, 2)
            h = self.conv(h, p + "conv3", p + "bn3")
            if block == 0:
                x = self.conv(F.avg_pool2d(x, 2) if pools else x, p + "downsample.0", p + "downsample.1")
            x = F.relu(h + x)
            block += 1
        return x

    def encode(self, x):
        x = F.relu(self.conv(x, "conv1", "bn1", stride=2))
        x = F.relu(self.conv(x, "conv2", "bn2"))
        x = F.avg_pool2d(F.relu(self.conv(x, "conv3", "bn3")), 2)
        for number in (1, 2, 3):
            x = self.stage(x, number)
        return x

    def regions(self, crops):
        x = self.stage(crops, 4)
        w = lambda n: self.w["attnpool." + n]
        x = x.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(0, keepdim=True), x], 0) + w("positional_embedding")[:, None]
        return F.multi_head_attention_forward(
            query=x[:1],
            key=x,
            value=x,
            embed_dim_to_check=2560,
            num_heads=40,
            q_proj_weight=w("q_proj.weight"),
            k_proj_weight=w("k_proj.weight"),
            v_proj_weight=w("v_proj.weight"),
            in_proj_weight=None,
            in_proj_bias=torch.cat([w("q_proj.bias"), w("k_proj.bias"), w("v_proj.bias")]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0,
            out_proj_weight=w("c_proj.weight"),
            out_proj_bias=w("c_proj.bias"),
            use_separate_proj_weight=True,
            training=False,
            need_weights=False,
        )[0][0]


class Ours:
    def __init__(self, options, threads, tower_type):
        command = [options.program, options.folder, "--threads", str(threads), "--tower-type", tower_type]
        if options.kernels:
            command += ["--kernels", options.kernels]
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def memory(self):
        """Current anonymous memory and peak resident memory, in MB."""
        fields = dict(line.split(":", 1) for line in open("/proc/%d/status" % self.process.pid))
        return {k: int(fields[k].split()[0]) // 1024 for k in ("RssAnon", "VmHWM")}


def timed(function):
    """Seconds, after a pause for the threads of the previous run to stop spinning."""
    time.sleep(0.3)
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def settings(threads, kernels):
    """The environment in which PyTorch is fastest with the instructions that it may use."""
    fastest = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} if threads == 1 else {"OMP_WAIT_POLICY": "PASSIVE"}
    if kernels == "avx2":
        fastest |= {
            "ATEN_CPU_CAPABILITY": "avx2",
            "DNNL_MAX_CPU_ISA": "AVX2",
            "OPENBLAS_CORETYPE": "Haswell",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        }
    return {**os.environ, **fastest}


def cosine(a, b):
    return float(
        np.sum(a * b, dtype=np.float64) / np.sqrt(np.sum(a * a, dtype=np.float64) * np.sum(b * b, dtype=np.float64))
    )


def compare(threads, tower_type, options):
    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    clip, region = make_checkpoints(options.folder)
    region = RegionCLIP(region)
    small, large, crops = planes(224, 224), planes(HEIGHT, WIDTH), torch.rand(2, 1280, 18, 18)
    theirs = {
        "clip": lambda: clip_features(clip, small),
        "encode": lambda: region.encode(large),
        "regions": lambda: region.regions(crops),
    }
    ours = Ours(options, threads, tower_type)
    for command in theirs:
        ours(command)
    print(
        "%s, %d thread%s beside PyTorch %s: resident after one run of each: %s"
        % (tower_type, threads, "s" * (threads > 1), torch.__version__, ours.memory())
    )
    for command, function in theirs.items():
        function()
        pairs = []
        for _ in range(options.repetitions):
            time.sleep(0.3)
            pairs.append((ours(command), timed(function)))
        mine, other = (statistics.median(times) for times in zip(*pairs))
        print("  %-8s %6.3f s, PyTorch %6.3f s: %.2f of its time" % (command, mine, other, mine / other), flush=True)
    ours("write")
    mine = np.fromfile(os.path.join(options.folder, "clip.f32"), np.float32).reshape(256, 1024)
    theirs = clip_features(clip, small).numpy()
    print(
        "  largest difference of CLIP features: %.1e, cosine %.6f" % (np.abs(mine - theirs).max(), cosine(mine, theirs))
    )
    print("  memory in MB: %s" % ours.memory(), flush=True)
    ours.process.stdin.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--tower-type", default="f16,q8")
    parser.add_argument("--kernels", help="the instruction set, such as avx2")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--folder", default=".build/vision")
    parser.add_argument("--program", default=".build/release/time-vision")
    parser.add_argument("--here", action="store_true", help="compare in this process, with the current environment")
    options = parser.parse_args()
    for tower_type in options.tower_type.split(","):
        for threads in options.threads.split(","):
            if options.here:
                compare(int(threads), tower_type, options)
            else:
                subprocess.run(
                    [sys.executable, *sys.argv, "--threads", threads, "--tower-type", tower_type, "--here"],
                    env=settings(int(threads), options.kernels),
                    check=True,
                )


if __name__ == "__main__":
    main()
