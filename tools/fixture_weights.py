#!/usr/bin/env python3
"""Deterministic fixture checkpoints, numpy + stdlib only.

    python3 fixture_weights.py --out DIR [--only NAME[,NAME...]] [--spec fixture_spec.json]

Every number comes from one counter-based generator:

    h  = FNV-1a-64 of the UTF-8 bytes of KEY          KEY = seed + "|" + model + "|" + tensor
    z  = splitmix64(h + i mod 2^64)                   i = flat C-order element index
    u  = (z >> 11) * 2^-53 * 2 - 1                    float64, in [-1, 1)
    x  = offset + scale * u                           float64, then rounded to the storage type

Names for --only: base-bin base-st meta meta-mp2 delta delta-st merged target clip regionclip gqa regionclip-full
(default: all but delta-st, target and regionclip-full). delta-st is delta as safetensors.
"""

import argparse
import json
import math
import os
import shutil
import struct
import zlib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(HERE, "..", "Tests", "TokenizationTests", "Fixtures", "tokenizer.model")
M64 = (1 << 64) - 1


# ------------------------------------------------------------------ generator
def fnv1a64(s):
    h = 0xCBF29CE484222325
    for b in s.encode("utf-8"):
        h = ((h ^ b) * 0x100000001B3) & M64
    return h


def uniform(key, n, start=0):
    """n float64 values in [-1, 1) for elements start .. start+n-1 of KEY."""
    x = np.uint64(fnv1a64(key)) + np.arange(start, start + n, dtype=np.uint64)  # wraps mod 2^64
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53 * 2.0 - 1.0


def values(key, shape, offset, scale):
    n = int(np.prod(shape)) if len(shape) else 1
    return (offset + scale * uniform(key, n)).reshape(shape)


def to_bf16_bits(x):
    """float -> bfloat16 bit pattern (uint16), via float32, round to nearest even."""
    b = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((b + 0x7FFF + ((b >> 16) & 1)) >> 16).astype(np.uint16)


# ------------------------------------------------------------------ LLaMA
def rule_llama(name, H, I):
    """(offset, scale) of one LLaMA tensor (scale is the half-width of the uniform)."""
    if "norm" in name:
        return 1.0, 0.1
    if "embed_tokens" in name:
        return 0.0, 1.0
    if "lm_head" in name:
        return 0.0, 2.0 * math.sqrt(3.0 / H)
    if "q_proj" in name or "k_proj" in name:
        return 0.0, 1.5 * math.sqrt(3.0 / H)
    if "down_proj" in name:
        return 0.0, 1.5 * math.sqrt(3.0 / I)
    return 0.0, math.sqrt(3.0 / H)  # v, o, gate, up


def llama_shapes(H, I, L, heads, kv, V, tied=False):
    d = H // heads
    out = {"model.embed_tokens.weight": (V, H)}
    for l in range(L):
        p = "model.layers.%d." % l
        out[p + "self_attn.q_proj.weight"] = (H, H)
        out[p + "self_attn.k_proj.weight"] = (kv * d, H)
        out[p + "self_attn.v_proj.weight"] = (kv * d, H)
        out[p + "self_attn.o_proj.weight"] = (H, H)
        out[p + "mlp.gate_proj.weight"] = (I, H)
        out[p + "mlp.up_proj.weight"] = (I, H)
        out[p + "mlp.down_proj.weight"] = (H, I)
        out[p + "input_layernorm.weight"] = (H,)
        out[p + "post_attention_layernorm.weight"] = (H,)
    out["model.norm.weight"] = (H,)
    if not tied:
        out["lm_head.weight"] = (V, H)
    return out


def base_tensors(S):
    H, I = S["hidden"], S["inter"]
    return {
        n: values("%s|mini-llama-base|%s" % (S["seed"], n), s, *rule_llama(n, H, I)).astype(np.float16)
        for n, s in llama_shapes(H, I, S["layers"], S["heads"], S["heads"], S["vocab"]).items()
    }


def target_tensors(S, base):
    """Fine-tuned target: base + 5 % noise; new embedding rows; projectors. float16."""
    H, I, seed = S["hidden"], S["inter"], S["seed"]
    out = {}
    for n, b in base.items():
        off, sc = rule_llama(n, H, I)
        rows = b.shape[0] + (S["new_tokens"] if n in ("model.embed_tokens.weight", "lm_head.weight") else 0)
        shape = (rows,) + b.shape[1:]
        v = values("%s|mini-pvit|%s" % (seed, n), shape, 0.0, sc)
        v[: b.shape[0]] = b.astype(np.float64) + 0.05 * v[: b.shape[0]]
        out[n] = v.astype(np.float16)
    D = S["clip"]["hidden"]
    for n, s, sc in (
        ("model.mm_projector.weight", (H, D), S["mm_scale"] * math.sqrt(3.0 / D)),
        ("model.mm_projector.bias", (H,), 0.1),
        ("model.prompt_projector.weight", (H, 640), S["prompt_scale"] * math.sqrt(3.0 / 640)),
        ("model.prompt_projector.bias", (H,), 0.1),
        ("model.bbox_fc.weight", (H, 4), 0.5),
        ("model.bbox_fc.bias", (H,), 0.1),
    ):
        out[n] = values("%s|mini-pvit|%s" % (seed, n), s, 0.0, sc).astype(np.float16)
    return out


def f16_sub(target, base):
    d = target.copy()
    if target.shape == base.shape:
        d[...] = target - base  # float16 arithmetic: exact difference, rounded once
    else:
        r, c = base.shape
        d[:r, :c] = target[:r, :c] - base
    return d


def delta_tensors(S, base, target):
    return {n: (f16_sub(t, base[n]) if n in base else t) for n, t in target.items()}


def merged_tensors(S, base, delta):
    out = {}
    for n, d in delta.items():
        m = d.copy()
        if n in base:
            b = base[n]
            if m.ndim == 1:
                m[...] = d + b
            else:
                m[: b.shape[0], : b.shape[1]] = d[: b.shape[0], : b.shape[1]] + b
        out[n] = m
    return out


def inv_freq(d, theta=10000.0):
    return (1.0 / (theta ** (np.arange(0, d, 2, dtype=np.float64) / d))).astype(np.float32)


# ------------------------------------------------------------------ CLIP vision
def clip_tensors(S):
    C, seed = S["clip"], S["seed"]
    D, F, L, P = C["hidden"], C["inter"], C["layers"], C["patch"]
    npos = (C["image"] // P) ** 2 + 1
    sh = {
        "vision_model.embeddings.class_embedding": (D,),
        "vision_model.embeddings.patch_embedding.weight": (D, 3, P, P),
        "vision_model.embeddings.position_embedding.weight": (npos, D),
        "vision_model.pre_layrnorm.weight": (D,),
        "vision_model.pre_layrnorm.bias": (D,),
    }
    for l in range(L):
        p = "vision_model.encoder.layers.%d." % l
        for k in ("k_proj", "v_proj", "q_proj", "out_proj"):
            sh[p + "self_attn.%s.weight" % k] = (D, D)
            sh[p + "self_attn.%s.bias" % k] = (D,)
        sh[p + "layer_norm1.weight"] = (D,)
        sh[p + "layer_norm1.bias"] = (D,)
        sh[p + "mlp.fc1.weight"] = (F, D)
        sh[p + "mlp.fc1.bias"] = (F,)
        sh[p + "mlp.fc2.weight"] = (D, F)
        sh[p + "mlp.fc2.bias"] = (D,)
        sh[p + "layer_norm2.weight"] = (D,)
        sh[p + "layer_norm2.bias"] = (D,)
    sh["vision_model.post_layernorm.weight"] = (D,)
    sh["vision_model.post_layernorm.bias"] = (D,)

    def rule(n, s):
        if n.endswith(".bias"):
            return 0.0, 0.1
        if "norm" in n or "layrnorm" in n:
            return 1.0, 0.1
        if "class_embedding" in n or "position_embedding" in n:
            return 0.0, 0.5
        if "patch_embedding" in n:
            return 0.0, math.sqrt(3.0 / (3 * P * P))
        if "q_proj" in n or "k_proj" in n:
            return 0.0, 1.3 * math.sqrt(3.0 / D)
        return 0.0, math.sqrt(3.0 / s[1])

    # float32 on disk, but every value is exactly representable in float16
    return {
        n: values("%s|mini-clip|%s" % (seed, n), s, *rule(n, s)).astype(np.float16).astype(np.float32)
        for n, s in sh.items()
    }


# ------------------------------------------------------------------ RegionCLIP RN50x4
def rn_shapes(width, blocks=(4, 6, 10, 6), grid=9, out_dim=640):
    """Names (without the 'backbone.' prefix) and shapes of CLIP's ModifiedResNet, RN50x4 depth."""
    sh = {}

    def bn(p, c):
        for k in ("weight", "bias", "running_mean", "running_var"):
            sh[p + "." + k] = (c,)

    w2 = width // 2
    sh["conv1.weight"] = (w2, 3, 3, 3)
    bn("bn1", w2)
    sh["conv2.weight"] = (w2, w2, 3, 3)
    bn("bn2", w2)
    sh["conv3.weight"] = (width, w2, 3, 3)
    bn("bn3", width)
    cin = width
    for i, n in enumerate(blocks):
        planes = width << i
        for b in range(n):
            p = "layer%d.%d." % (i + 1, b)
            sh[p + "conv1.weight"] = (planes, cin, 1, 1)
            bn(p + "bn1", planes)
            sh[p + "conv2.weight"] = (planes, planes, 3, 3)
            bn(p + "bn2", planes)
            sh[p + "conv3.weight"] = (planes * 4, planes, 1, 1)
            bn(p + "bn3", planes * 4)
            if b == 0:
                sh[p + "downsample.0.weight"] = (planes * 4, cin, 1, 1)
                bn(p + "downsample.1", planes * 4)
            cin = planes * 4
    E = width * 32
    sh["attnpool.positional_embedding"] = (grid * grid + 1, E)
    for k, o in (("k_proj", E), ("q_proj", E), ("v_proj", E), ("c_proj", out_dim)):
        sh["attnpool.%s.weight" % k] = (o, E)
        sh["attnpool.%s.bias" % k] = (o,)
    return sh


def rule_rn(n, s):
    if n.endswith("running_mean"):
        return 0.0, 0.2
    if n.endswith("running_var"):
        return 1.0, 0.5
    if n.startswith("attnpool"):
        if n.endswith("bias"):
            return 0.0, 0.1
        if "positional" in n:
            return 0.0, 0.5
        if "q_proj" in n or "k_proj" in n:
            return 0.0, 0.7 * math.sqrt(3.0 / s[1])
        return 0.0, math.sqrt(3.0 / s[1])
    if n.endswith(".bias"):  # batch-norm shift
        return 0.0, 0.2
    if ".bn3.weight" in n and n.startswith("layer"):
        return 0.35, 0.1
    if "bn" in n or "downsample.1" in n:  # batch-norm gain
        return 1.0, 0.2
    gain = 3.0 if "conv3" in n or "downsample" in n else 6.0
    return 0.0, math.sqrt(gain / (s[1] * s[2] * s[3]))  # convolutions


def regionclip_tensors(S, width, model):
    out = {}
    for n, s in rn_shapes(width).items():
        n2 = "backbone." + n
        out[n2] = values("%s|%s|%s" % (S["seed"], model, n2), s, *rule_rn(n, s)).astype(np.float16).astype(np.float32)
    # entries that a reader must ignore: the published checkpoint also has other modules
    for n, s in (
        ("lang_encoder.positional_embedding", (77, 8)),
        ("lang_encoder.text_projection", (8, 8)),
        ("lang_encoder.logit_scale", ()),
        ("lang_encoder.token_embedding.weight", (64, 8)),
        ("lang_encoder.transformer.resblocks.0.attn.in_proj_weight", (24, 8)),
        ("lang_encoder.ln_final.weight", (8,)),
        ("teacher_backbone.conv1.weight", (4, 3, 3, 3)),
        ("teacher_backbone.bn1.running_var", (4,)),
        ("offline_backbone.bottom_up.stem.conv1.weight", (4, 3, 3, 3)),
    ):
        out[n] = values("%s|%s|%s" % (S["seed"], model, n), s, 0.0, 1.0).astype(np.float32)
    return out


# ------------------------------------------------------------------ grouped-query LLaMA, bfloat16
def gqa_tensors(S):
    G = S["gqa"]
    sh = llama_shapes(G["hidden"], G["inter"], G["layers"], G["heads"], G["kv_heads"], S["vocab"], tied=True)
    out = {}
    for n, s in sh.items():
        off, sc = rule_llama(n, G["hidden"], G["inter"])
        if "embed_tokens" in n:
            sc = 2.0 * math.sqrt(3.0 / G["hidden"])  # tied with the output layer
        out[n] = values("%s|mini-llama-gqa|%s" % (S["seed"], n), s, off, sc)
    return out


# ------------------------------------------------------------------ writers
def write_safetensors(path, tensors, metadata=None):
    """tensors: {name: array | ('BF16', uint16 array)}"""
    names = {"float16": "F16", "float32": "F32", "int64": "I64", "uint8": "U8"}
    head, off, blobs = {}, 0, []
    if metadata:
        head["__metadata__"] = metadata
    for n in tensors:
        t = tensors[n]
        dt, a = (t[0], t[1]) if isinstance(t, tuple) else (names[t.dtype.name], t)
        b = np.ascontiguousarray(a).tobytes()
        head[n] = {"dtype": dt, "shape": list(a.shape), "data_offsets": [off, off + len(b)]}
        off += len(b)
        blobs.append(b)
    h = json.dumps(head, separators=(",", ":")).encode()
    h += b" " * (-len(h) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(h)))
        f.write(h)
        for b in blobs:
            f.write(b)


class TorchZip:
    """Minimal writer of the torch.save zip container (stored entries, data descriptors, 64-byte alignment)."""

    def __init__(self, path, root="archive"):
        self.f = open(path, "wb")
        self.root = root
        self.central = []

    def add(self, name, data):
        name = (self.root + "/" + name).encode()
        pos = self.f.tell()
        pad = -(pos + 30 + len(name) + 4) % 64
        extra = b"FB" + struct.pack("<H", pad) + b"Z" * pad
        crc = zlib.crc32(data) & 0xFFFFFFFF
        self.f.write(struct.pack("<IHHHHHIIIHH", 0x04034B50, 0, 0x0808, 0, 0, 0, 0, 0, 0, len(name), len(extra)))
        self.f.write(name + extra)
        self.f.write(data)
        self.f.write(struct.pack("<IIII", 0x08074B50, crc, len(data), len(data)))
        self.central.append((name, crc, len(data), pos))

    def close(self):
        start = self.f.tell()
        for name, crc, n, pos in self.central:
            self.f.write(
                struct.pack(
                    "<IHHHHHHIIIHHHHHII", 0x02014B50, 0, 0, 0x0808, 0, 0, 0, crc, n, n, len(name), 0, 0, 0, 0, 0, pos
                )
                + name
            )
        size = self.f.tell() - start
        k = len(self.central)
        self.f.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, k, k, size, start, 0))
        self.f.close()


class Pickle2:
    """The subset of pickle protocol 2 (with memo) that dictionaries of tensors need."""

    STORAGE = {
        "float16": "HalfStorage",
        "float32": "FloatStorage",
        "float64": "DoubleStorage",
        "int64": "LongStorage",
        "bf16": "BFloat16Storage",
        "uint8": "ByteStorage",
    }

    def __init__(self, location="cpu"):
        self.o = bytearray(b"\x80\x02")
        self.memo = {}
        self.blobs = []
        self.location = location

    def put(self, key):
        i = len(self.memo)
        self.memo[key] = i
        self.o += b"q" + bytes([i]) if i < 256 else b"r" + struct.pack("<I", i)

    def get(self, key):
        i = self.memo[key]
        self.o += b"h" + bytes([i]) if i < 256 else b"j" + struct.pack("<I", i)

    def glob(self, mod, name):
        k = ("g", mod, name)
        if k in self.memo:
            return self.get(k)
        self.o += b"c" + mod.encode() + b"\n" + name.encode() + b"\n"
        self.put(k)

    def text(self, s):
        k = ("s", s)
        if k in self.memo:
            return self.get(k)
        b = s.encode()
        self.o += b"X" + struct.pack("<I", len(b)) + b
        self.put(k)

    def integer(self, v):
        if 0 <= v < 256:
            self.o += b"K" + bytes([v])
        elif 0 <= v < 65536:
            self.o += b"M" + struct.pack("<H", v)
        else:
            self.o += b"J" + struct.pack("<i", v)

    def ints(self, t):
        if len(t) == 0:
            self.o += b")"
            return
        if len(t) > 3:
            self.o += b"("
        for v in t:
            self.integer(v)
        self.o += {1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(t), b"t")

    def ordered(self):
        self.glob("collections", "OrderedDict")
        self.o += b")R"

    def tensor(self, a, kind=None):
        kind = kind or a.dtype.name
        key = str(len(self.blobs))
        self.blobs.append(np.ascontiguousarray(a).tobytes())
        self.glob("torch._utils", "_rebuild_tensor_v2")
        self.o += b"(("
        self.text("storage")
        self.glob("torch", self.STORAGE[kind])
        self.text(key)
        self.text(self.location)
        self.integer(int(a.size))
        self.o += b"tQ"
        self.integer(0)
        self.ints(a.shape)
        st, acc = [], 1
        for d in reversed(a.shape):
            st.insert(0, acc)
            acc *= d
        self.ints(tuple(st))
        self.o += b"\x89"
        self.ordered()
        self.o += b"tR"

    def tensors(self, d, ordered=True):
        self.ordered() if ordered else self.o.extend(b"}")
        self.o += b"("
        for k, v in d.items():
            self.text(k)
            self.tensor(v)
        self.o += b"u"


def write_torch(path, tensors, wrap=None, root="archive", location="cpu"):
    """tensors -> OrderedDict checkpoint; wrap='model' nests it as {'model': ..., 'iteration': 0}."""
    p = Pickle2(location)  # published checkpoints often say 'cuda:0' here; a reader ignores it
    if wrap:
        p.o += b"}("
        p.text(wrap)
        p.tensors(tensors)
        p.text("iteration")
        p.integer(0)
        p.o += b"u"
    else:
        p.tensors(tensors)
    p.o += b"."
    z = TorchZip(path, root)
    z.add("data.pkl", bytes(p.o))
    for i, b in enumerate(p.blobs):
        z.add("data/%d" % i, b)
    z.add("version", b"3\n")
    z.close()


def write_sharded(d, tensors, n, stem, ext, writer):
    os.makedirs(d, exist_ok=True)
    total = sum(t.nbytes for t in tensors.values())
    limit = -(-total // n)
    groups, cur, size = [], {}, 0
    for k, t in tensors.items():
        if cur and size + t.nbytes > limit and len(groups) < n - 1:
            groups.append(cur)
            cur, size = {}, 0
        cur[k] = t
        size += t.nbytes
    groups.append(cur)
    wm = {}
    for i, g in enumerate(groups):
        fn = "%s-%05d-of-%05d.%s" % (stem, i + 1, len(groups), ext)
        writer(os.path.join(d, fn), g)
        wm.update({k: fn for k in g})
    jdump(os.path.join(d, "%s.%s.index.json" % (stem, ext)), {"metadata": {"total_size": total}, "weight_map": wm})


def write_safetensors_shards(d, tensors):
    write_sharded(d, tensors, 2, "model", "safetensors", lambda p, t: write_safetensors(p, t, {"format": "pt"}))


def jdump(path, obj):
    with open(path, "w") as f:
        json.dump(obj, f, indent=2, ensure_ascii=False)
        f.write("\n")


# ------------------------------------------------------------------ configs
def llama_config(S):
    return {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_act": "silu",
        "hidden_size": S["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": S["inter"],
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": S["heads"],
        "num_hidden_layers": S["layers"],
        "rms_norm_eps": 1e-06,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": "4.28.0",
        "use_cache": True,
        "vocab_size": S["vocab"],
    }


def pvit_config(S):
    c = llama_config(S)
    c.update(
        {
            "architectures": ["LlavaLlamaForCausalLM"],
            "model_type": "llava",
            "use_cache": False,
            "vocab_size": S["vocab"] + S["new_tokens"],
            "freeze_mm_mlp_adapter": False,
            "mm_hidden_size": S["clip"]["hidden"],
            "mm_use_bbox_fc": True,
            "mm_use_im_start_end": True,
            "mm_use_prompt_encoder": False,
            "mm_use_prompt_token": False,
            "mm_use_region_clip": "mini-regionclip/regionclip_narrow.pth",
            "mm_vision_select_layer": -2,
            "mm_vision_tower": "mini-clip",
            "region_end_token": S["vocab"] + 4,
            "region_start_token": S["vocab"] + 3,
            "tune_mm_mlp_adapter": False,
            "tune_mm_prompt_only": False,
            "use_mm_proj": True,
        }
    )
    return c


def clip_config(C):
    vis = {
        "attention_dropout": 0.0,
        "dropout": 0.0,
        "hidden_act": "quick_gelu",
        "hidden_size": C["hidden"],
        "image_size": C["image"],
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": C["inter"],
        "layer_norm_eps": 1e-05,
        "model_type": "clip_vision_model",
        "num_attention_heads": C["heads"],
        "num_hidden_layers": C["layers"],
        "patch_size": C["patch"],
        "projection_dim": C["proj"],
    }
    txt = {
        "hidden_act": "quick_gelu",
        "hidden_size": 8,
        "intermediate_size": 32,
        "layer_norm_eps": 1e-05,
        "model_type": "clip_text_model",
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "max_position_embeddings": 77,
        "vocab_size": 64,
        "projection_dim": C["proj"],
    }
    return {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": C["proj"],
        "text_config": txt,
        "vision_config": vis,
        "torch_dtype": "float32",
    }


PREPROCESSOR = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}
TOKENIZER_CONFIG = {
    "add_bos_token": True,
    "add_eos_token": False,
    "bos_token": {
        "__type": "AddedToken",
        "content": "<s>",
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
    },
    "clean_up_tokenization_spaces": False,
    "eos_token": {
        "__type": "AddedToken",
        "content": "</s>",
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
    },
    "model_max_length": 2048,
    "pad_token": None,
    "padding_side": "right",
    "sp_model_kwargs": {},
    "tokenizer_class": "LlamaTokenizer",
    "unk_token": {
        "__type": "AddedToken",
        "content": "<unk>",
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
    },
}
ADDED = ["<im_patch>", "<im_start>", "<im_end>", "<Region>", "</Region>"]


def tokenizer_files(d, S, added):
    shutil.copyfile(TOKENIZER, os.path.join(d, "tokenizer.model"))
    jdump(os.path.join(d, "tokenizer_config.json"), TOKENIZER_CONFIG)
    sp = {
        k: {"content": c, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
        for k, c in (("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>"))
    }
    if added:
        sp["pad_token"] = "<unk>"
        jdump(os.path.join(d, "added_tokens.json"), {t: S["vocab"] + i for i, t in enumerate(ADDED)})
    jdump(os.path.join(d, "special_tokens_map.json"), sp)


# ------------------------------------------------------------------ Meta layout
def unpermute(w, heads):
    """HF rotary layout (two halves) -> Meta layout (interleaved pairs), rows of one q or k projection."""
    o, i = w.shape
    return w.reshape(heads, 2, o // heads // 2, i).transpose(0, 2, 1, 3).reshape(o, i)


def meta_tensors(S, base):
    out = {
        "tok_embeddings.weight": base["model.embed_tokens.weight"],
        "norm.weight": base["model.norm.weight"],
        "output.weight": base["lm_head.weight"],
    }
    m = (
        ("attention.wq", "self_attn.q_proj"),
        ("attention.wk", "self_attn.k_proj"),
        ("attention.wv", "self_attn.v_proj"),
        ("attention.wo", "self_attn.o_proj"),
        ("feed_forward.w1", "mlp.gate_proj"),
        ("feed_forward.w2", "mlp.down_proj"),
        ("feed_forward.w3", "mlp.up_proj"),
        ("attention_norm", "input_layernorm"),
        ("ffn_norm", "post_attention_layernorm"),
    )
    for l in range(S["layers"]):
        for a, b in m:
            w = base["model.layers.%d.%s.weight" % (l, b)]
            if a in ("attention.wq", "attention.wk"):
                w = unpermute(w, S["heads"])
            out["layers.%d.%s.weight" % (l, a)] = np.ascontiguousarray(w)
    out["rope.freqs"] = inv_freq(S["hidden"] // S["heads"]).astype(np.float16)
    return out


def meta_shards(t, n):
    parts = [dict() for _ in range(n)]
    for k, w in t.items():
        if w.ndim == 1:
            ax = None
        elif any(s in k for s in (".wo.", ".w2.", "tok_embeddings")):
            ax = 1  # split along the input (or, for the embedding, feature) axis
        else:
            ax = 0
        ps = [w] * n if ax is None else np.split(w, n, ax)
        for p, x in zip(parts, ps):
            p[k] = np.ascontiguousarray(x)
    return parts


# ------------------------------------------------------------------ main
def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    ap.add_argument("--spec", default=os.path.join(HERE, "fixture_spec.json"))
    ap.add_argument("--only", default="")
    a = ap.parse_args()
    S = json.load(open(a.spec))
    allw = ["base-bin", "base-st", "meta", "meta-mp2", "delta", "merged", "clip", "regionclip", "gqa"]
    want = [w for w in a.only.split(",") if w] or allw
    P = lambda *x: os.path.join(a.out, *x)
    os.makedirs(a.out, exist_ok=True)
    base = None
    if set(want) & {"base-bin", "base-st", "meta", "meta-mp2", "delta", "delta-st", "merged", "target"}:
        base = base_tensors(S)
    d = S["hidden"] // S["heads"]
    if "base-bin" in want:
        t = dict(base)
        for l in range(S["layers"]):  # old checkpoints carry this buffer; readers must ignore it
            t["model.layers.%d.self_attn.rotary_emb.inv_freq" % l] = inv_freq(d)
        write_sharded(P("mini-llama-base"), t, 2, "pytorch_model", "bin", write_torch)
        jdump(P("mini-llama-base", "config.json"), llama_config(S))
        tokenizer_files(P("mini-llama-base"), S, False)
    if "base-st" in want:
        write_safetensors_shards(P("mini-llama-base-st"), base)
        jdump(P("mini-llama-base-st", "config.json"), llama_config(S))
        tokenizer_files(P("mini-llama-base-st"), S, False)
    params = {
        "dim": S["hidden"],
        "multiple_of": S["multiple_of"],
        "n_heads": S["heads"],
        "n_layers": S["layers"],
        "norm_eps": 1e-06,
        "vocab_size": -1,
    }
    if "meta" in want or "meta-mp2" in want:
        mt = meta_tensors(S, base)
        for nm, n in (("meta", 1), ("meta-mp2", 2)):
            if nm in want:
                dd = P("mini-llama-" + nm)
                os.makedirs(dd, exist_ok=True)
                for i, p in enumerate(meta_shards(mt, n)):
                    write_torch(
                        os.path.join(dd, "consolidated.%02d.pth" % i), p, root="consolidated", location="cuda:0"
                    )
                jdump(os.path.join(dd, "params.json"), params)
    if set(want) & {"delta", "delta-st", "merged", "target"}:
        target = target_tensors(S, base)
        delta = delta_tensors(S, base, target)
        todo = []
        if "delta" in want:
            todo.append(("mini-pvit-delta", delta))
        if "delta-st" in want:
            write_safetensors_shards(P("mini-pvit-delta-st"), delta)
            jdump(P("mini-pvit-delta-st", "config.json"), pvit_config(S))
            tokenizer_files(P("mini-pvit-delta-st"), S, True)
        if "merged" in want:
            todo.append(("mini-pvit", merged_tensors(S, base, delta)))
        if "target" in want:
            todo.append(("mini-pvit-target", target))
        for nm, t in todo:
            write_sharded(P(nm), t, 2, "pytorch_model", "bin", write_torch)
            jdump(P(nm, "config.json"), pvit_config(S))
            tokenizer_files(P(nm), S, True)
    if "clip" in want:
        t = clip_tensors(S)
        os.makedirs(P("mini-clip"), exist_ok=True)
        write_safetensors(P("mini-clip", "model.safetensors"), t, {"format": "pt"})
        tb = {
            "logit_scale": np.array(2.6592, np.float32),
            "text_model.embeddings.token_embedding.weight": np.zeros((64, 8), np.float32),
            "vision_model.embeddings.position_ids": np.arange(
                (S["clip"]["image"] // S["clip"]["patch"]) ** 2 + 1, dtype=np.int64
            )[None],
        }
        tb.update(t)
        tb["visual_projection.weight"] = np.zeros((S["clip"]["proj"], S["clip"]["hidden"]), np.float32)
        write_torch(P("mini-clip", "pytorch_model.bin"), tb)
        jdump(P("mini-clip", "config.json"), clip_config(S["clip"]))
        jdump(P("mini-clip", "preprocessor_config.json"), PREPROCESSOR)
    for key, folder, file, width in (
        ("regionclip", "mini-regionclip", "regionclip_narrow.pth", S["rc_width"]),
        ("regionclip-full", "full-regionclip", "regionclip_full_rn50x4.pth", 80),
    ):
        if key in want:
            os.makedirs(P(folder), exist_ok=True)
            write_torch(P(folder, file), regionclip_tensors(S, width, folder), wrap="model", location="cuda:0")
    if "gqa" in want:
        os.makedirs(P("mini-llama-gqa"), exist_ok=True)
        write_safetensors(
            P("mini-llama-gqa", "model.safetensors"),
            {n: ("BF16", to_bf16_bits(v)) for n, v in gqa_tensors(S).items()},
            {"format": "pt"},
        )
        G = S["gqa"]
        c = llama_config(S)
        c.update(
            {
                "hidden_size": G["hidden"],
                "intermediate_size": G["inter"],
                "num_hidden_layers": G["layers"],
                "num_attention_heads": G["heads"],
                "num_key_value_heads": G["kv_heads"],
                "rope_theta": G["rope_theta"],
                "tie_word_embeddings": True,
                "torch_dtype": "bfloat16",
                "rms_norm_eps": 1e-05,
                "transformers_version": "4.33.1",
            }
        )
        jdump(P("mini-llama-gqa", "config.json"), c)
        tokenizer_files(P("mini-llama-gqa"), S, False)


if __name__ == "__main__":
    main()
