#!/usr/bin/env python3
"""Writes formats/vectors: small containers, good and bad, from formats/pvq.md and
formats/packed_delta.md alone.

    tools/make_pvq_vectors.py [FOLDER]

good.json describes the good files, and bad/index.json has the error of each bad file. Compressed tiles depend on the
version of libzstd; everything else is reproducible. Needs numpy, zstandard and xxhash.
"""

import hashlib
import json
import math
import os
import struct
import sys

import xxhash
import zstandard
from pvq import Q4_CODEBOOK, Q4_SCALE_SHIFT, Q4_SHIFT

CODES = {
    "f32": 1,
    "f16": 2,
    "bf16": 3,
    "f64": 4,
    "i64": 5,
    "i32": 6,
    "i16": 7,
    "i8": 8,
    "u8": 9,
    "bool": 10,
    "q8": 32,
    "q4": 33,
}
SIZES = {"f32": 4, "f16": 2, "bf16": 2, "f64": 8, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "u8": 1, "bool": 1}
STORED, ZSTD, PLANES, UNCHANGED, DIFFERENCE = range(5)
BASE = 1  # the feature flag of packed deltas
NOT_AN_ALIAS = 0xFFFFFFFF


def align(offset, alignment):
    return (offset + alignment - 1) // alignment * alignment


def xxh3(data):
    return xxhash.xxh3_64_intdigest(bytes(data))


def frame(data, write_content_size=True):
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=False, write_content_size=write_content_size)
    return compressor.compress(bytes(data))


def planes(data, width):
    """Section 4.3. The low half of the planes stays raw, so that files have both kinds."""
    parts = []
    for number in range(width):
        plane = data[number::width]
        packed = frame(plane)
        parts.append(packed if len(packed) < len(plane) and number >= width // 2 else plane)
    return struct.pack(f"<{width}I", *map(len, parts)) + b"".join(parts)


class RangeEncoder:
    """Adaptive binary decisions (formats/packed_delta.md)."""

    def __init__(self):
        self.low, self.range, self.cache, self.pending = 0, 0xFFFFFFFF, 0, 1
        self.data, self.probabilities = bytearray(), {}

    def shift(self):
        if self.low < 0xFF000000 or self.low >> 32:
            carry = self.low >> 32
            self.data.append((self.cache + carry) & 0xFF)
            self.data += bytes([(0xFF + carry) & 0xFF]) * (self.pending - 1)
            self.pending, self.cache = 0, self.low >> 24 & 0xFF
        self.pending += 1
        self.low = (self.low & 0xFFFFFF) << 8

    def bit(self, context, bit):
        probability = self.probabilities.get(context, 1 << 14)
        bound = (self.range >> 15) * probability
        if bit:
            self.low, self.range = self.low + bound, self.range - bound
            probability -= probability >> 5
        else:
            self.range = bound
            probability += ((1 << 15) - probability) >> 5
        self.probabilities[context] = probability
        while self.range < 1 << 24:
            self.range <<= 8
            self.shift()

    def tree(self, context, value, bits):
        node = 1
        for place in reversed(range(bits)):
            bit = value >> place & 1
            self.bit((*context, node), bit)
            node = 2 * node + bit

    def finish(self):
        for _ in range(5):
            self.shift()
        return bytes(self.data)


def differences(encoding, content, base, columns):
    """The stored bytes of a tile of differences."""
    size, exponent_bits, length_bits = {"f32": (4, 8, 5), "f16": (2, 5, 4), "bf16": (2, 8, 4)}[encoding]
    sign = 1 << (8 * size - 1)
    order = lambda pattern: pattern ^ (2 * sign - 1) if pattern & sign else pattern | sign
    encoder, raw, raw_bits, row_has_changed = RangeEncoder(), 0, 0, False
    for number in range(len(content) // size):
        before, after = (int.from_bytes(data[number * size :][:size], "little") for data in (base, content))
        row_has_changed = row_has_changed and number % columns != 0
        exponent = before >> (8 * size - 1 - exponent_bits) & ((1 << exponent_bits) - 1)
        encoder.bit(("changed", row_has_changed, exponent), int(before != after))
        if before == after:
            continue
        row_has_changed = True
        difference = (order(after) - order(before)) % (2 * sign)
        is_down = int(difference >= sign)
        magnitude = 2 * sign - difference if is_down else difference
        length = magnitude.bit_length()
        encoder.tree(("length", exponent), length - 1, length_bits)
        encoder.bit(("shrinks", exponent), is_down ^ int(bool(before & sign)))
        modelled = min(length - 1, 2)
        left = length - 1 - modelled
        encoder.tree(("leading", length), magnitude >> left & ((1 << modelled) - 1), modelled)
        raw |= (magnitude & ((1 << left) - 1)) << raw_bits
        raw_bits += left
    coded = encoder.finish()
    return struct.pack("<QI", xxh3(content), len(coded)) + coded + raw.to_bytes((raw_bits + 7) // 8, "little")


class Tensor:
    """A tensor to write. `content` is its decoded bytes."""

    def __init__(
        self,
        name,
        encoding,
        shape,
        content,
        rows_per_tile=None,
        codecs=(STORED,),
        scales=(1.0,),
        role=0,
        statistics=None,
        base=None,
    ):
        self.name, self.encoding, self.shape, self.content, self.role = name, encoding, shape, bytes(content), role
        self.statistics, self.codecs, self.scales, self.base = statistics, codecs, scales, base
        self.rows = shape[0] if shape else 1
        self.columns = math.prod(shape[1:])
        self.group_rows = 1 if encoding in SIZES else 16
        if encoding in SIZES:
            self.group_size = SIZES[encoding] * self.columns
        else:
            self.group_size = self.columns // 32 * 16 * 34 if encoding == "q8" else self.columns // 16 * 16 * 9
        groups = align(self.rows, self.group_rows) // self.group_rows
        is_empty = math.prod(shape) == 0
        assert len(self.content) == (0 if is_empty else groups * self.group_size), name
        self.rows_per_tile = 0 if is_empty else rows_per_tile or groups * self.group_rows

    def tiles(self):
        """(decoded bytes, codec, scale) of each tile."""
        size = self.rows_per_tile // self.group_rows * self.group_size
        for number, start in enumerate(range(0, len(self.content), size or 1)):
            yield (
                self.content[start : start + size],
                self.codecs[number % len(self.codecs)],
                self.scales[number % len(self.scales)],
            )

    def base_of(self, number):
        """The bytes of the base under a tile, with zeros for those that it lacks."""
        size = self.rows_per_tile * self.group_size
        start = number * size
        count = len(self.content[start : start + size])
        return self.base[start : start + count].ljust(count, b"\0")

    def digest(self):
        if self.encoding in SIZES:
            return hashlib.sha256(self.content).digest()
        digest = hashlib.sha256()
        for content, _, scale in self.tiles():
            for start in range(0, len(content), self.group_size):
                digest.update(struct.pack("<f", scale) + content[start : start + self.group_size])
        return digest.digest()


def write(tensors, metadata, aliases=(), version=1, required=0, ignorable=0):
    """The bytes of a file. `aliases`: pairs of a name and the name of a tensor."""
    header = b"\x89PVQ\r\n\x1a\n" + struct.pack("<IIQQ", version, 0, required, ignorable) + bytes(24)
    data = bytearray(header + struct.pack("<Q", xxh3(header)))
    records, tile_records, names = [], [], []
    for tensor in tensors:
        first, start = len(tile_records), 0
        for number, (content, codec, scale) in enumerate(tensor.tiles()):
            stored = {
                STORED: lambda: content,
                ZSTD: lambda: frame(content),
                PLANES: lambda: planes(content, SIZES[tensor.encoding]),
                UNCHANGED: lambda: struct.pack("<Q", xxh3(content)),
                DIFFERENCE: lambda: differences(tensor.encoding, content, tensor.base_of(number), tensor.columns),
            }[codec]()
            if number == 0 and not required & BASE:
                data += bytes(align(len(data), 4096) - len(data))
            if codec == STORED:
                data += bytes(align(len(data), 64) - len(data))
            start = start or len(data)
            tile_records.append(struct.pack("<QIIfIQ", len(data), len(stored), codec, scale, 0, xxh3(stored)))
            data += stored
        count = len(tile_records) - first
        rank = len(tensor.shape)
        extents = list(tensor.shape) + [0] * (8 - rank)
        records.append(
            (
                NOT_AN_ALIAS,
                struct.pack(
                    "<BBBBIII8QQQdddQ32s16x",
                    CODES[tensor.encoding],
                    tensor.role,
                    rank,
                    1 if tensor.statistics else 0,
                    tensor.rows_per_tile,
                    first,
                    count,
                    *extents,
                    start,
                    len(data) - start if count else 0,
                    *(tensor.statistics or (0, 0, 0, 0)),
                    tensor.digest(),
                ),
            )
        )
        names.append(tensor.name.encode())
    for name, target in aliases:
        number = names.index(target.encode())
        records.append((number, records[number][1]))
        names.append(name.encode())

    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata, separators=(",", ":")).encode()
    packed = frame(text)
    stored = packed if len(packed) < len(text) else text
    data += bytes(align(len(data), 64) - len(data))
    metadata_offset = len(data)
    data += stored
    data += bytes(align(len(data), 64) - len(data))

    index_offset = len(data)
    index = struct.pack("<III52x", len(records), len(tile_records), sum(map(len, names)))
    name_offset = 0
    for name, (target, record) in zip(names, records):
        index += struct.pack("<IHHII", name_offset, len(name), 0, target, 0) + record
        name_offset += len(name)
    index += b"".join(tile_records)
    order = sorted(range(len(names)), key=lambda number: names[number])
    index += struct.pack(f"<{len(order)}I", *order) + b"".join(names)
    index += bytes(align(len(index), 8) - len(index))
    data += index
    data += bytes(align(len(data), 64) - len(data))

    digest = hashlib.sha256(b"PVQ model 1\n")
    for number in order:
        target, record = records[number]
        if record[1] == 0:
            rank = record[2]
            digest.update(
                struct.pack("<I", len(names[number]))
                + names[number]
                + bytes([record[0], rank])
                + record[16 : 16 + 8 * rank]
                + record[128:160]
            )
    footer = (
        struct.pack(
            "<IIQQQQIIQQQQ",
            version,
            0,
            required,
            ignorable,
            len(data) + 128,
            metadata_offset,
            len(stored),
            len(text),
            xxh3(stored),
            index_offset,
            len(index),
            xxh3(index),
        )
        + digest.digest()
    )
    return bytes(data + footer + struct.pack("<Q", xxh3(footer)) + b"PVQ-END\n")


# ---- Contents ------------------------------------------------------------------------------------


def noise(count, seed=1):
    """Repeatable bytes that do not compress."""
    result, state = bytearray(), seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        result.append(state >> 56)
    return bytes(result)


def bell(count, seed=1):
    """Numbers distributed like weights, around 0: sums of uniform ones."""
    data = noise(4 * count, seed)
    return [(sum(data[4 * place : 4 * place + 4]) - 510) / 4096 for place in range(count)]


def quantized(encoding, rows, columns, scales, rows_per_tile, seed):
    """Groups of random codes, and their weights, by the definition of each byte's offset."""
    padded = align(rows, 16)
    group_size = columns // 32 * 16 * 34 if encoding == "q8" else columns // 16 * 16 * 9
    content = bytearray(padded // 16 * group_size)
    weights = [[0.0] * columns for _ in range(rows)]
    random = noise(padded * columns * 2, seed)

    def superblock(column):
        """The offset of a column's superblock in its group, and the number of its columns."""
        width = min(64, columns - column // 64 * 64)
        return column // 64 * (2 * 16 * 34 if encoding == "q8" else 4 * 16 * 9), width

    for row in range(rows):
        group, lane = row // 16 * group_size, row % 16
        tile_scale = scales[row // rows_per_tile % len(scales)]
        for column in range(columns):
            start, width = superblock(column)
            inner = column % 64
            if encoding == "q8":
                exponent = random[row * 3 + column // 32] % 4  # a scale of 2^-10 to 2^-7
                struct.pack_into("<H", content, group + start + inner // 32 * 32 + 2 * lane, (5 + exponent) << 10)
                code = 1 + random[padded * columns + row * columns + column] % 255
                content[group + start + width // 32 * 32 + inner // 4 * 64 + lane * 4 + inner % 4] = code
                weights[row][column] = tile_scale * 2.0 ** (exponent - 10) * (code - 128)
            else:
                field = random[row * 5 + column // 16] & 0xF0 | 0x08  # a scale of (1 + 8/16) 2^(e - 15)
                content[group + start + inner // 16 * 16 + lane] = field
                code = random[padded * columns + row * columns + column] % 16
                place = group + start + width // 16 * 16 + inner // 8 * 64 + lane * 4 + inner % 4
                content[place] |= code << 4 if inner % 8 >= 4 else code
                scale = struct.unpack("<e", struct.pack("<H", (field & 0x7F) << Q4_SCALE_SHIFT))[0]
                weights[row][column] = (
                    tile_scale * scale * (float(Q4_CODEBOOK[code]) + (Q4_SHIFT if field & 0x80 else 0))
                )
    if encoding == "q8":  # padding rows are zeros: scale 0 and the code of 0
        for row in range(rows, padded):
            for column in range(columns):
                start, width = superblock(column)
                inner = column % 64
                content[
                    row // 16 * group_size + start + width // 32 * 32 + inner // 4 * 64 + row % 16 * 4 + inner % 4
                ] = 128
    flat = struct.pack(f"<{rows * columns}f", *(weight for row in weights for weight in row))
    return Tensor(
        encoding,
        encoding,
        (rows, columns),
        content,
        rows_per_tile,
        scales=scales,
        statistics=(0.5, 0.125, 2.0, rows * columns),
    ), flat


def weight():
    """The one tensor of tiny.pvq."""
    return Tensor("weight", "f32", (2, 3), struct.pack("<6f", 1, 2, 3, 4, 5, 6))


def shifted(content, size, seed):
    """Numbers near others: some patterns are a little larger or smaller, and one in 16 is any other."""
    result, random = bytearray(content), noise(len(content), seed)
    for place in range(0, len(content), size):
        kind = random[place] % 16
        pattern = int.from_bytes(content[place : place + size], "little")
        if kind == 0:
            pattern = int.from_bytes(noise(size, seed + place), "little")
        elif kind < 10:
            pattern = (pattern + random[place + 1] % 40 - 20) % (1 << 8 * size)
        result[place : place + size] = pattern.to_bytes(size, "little")
    return bytes(result)


def packed_delta():
    """The tensors of a packed delta, those of its base, and the metadata."""
    rows, columns = 60, 8
    count = rows * columns
    odd = struct.pack("<8H", 0, 0x8000, 0x7C00, 0xFC01, 0x7E55, 1, 0x83FF, 0xFFFF)
    bases = {
        "f16": ("f16", (rows, columns), odd + struct.pack(f"<{count - 8}e", *bell(count - 8))),
        "bf16": ("bf16", (rows, columns), b"".join(struct.pack("<f", x)[2:] for x in bell(count, 2))),
        "f32": ("f32", (rows, columns), struct.pack(f"<{count}f", *bell(count, 3))),
        "grown": ("f16", (40, columns), struct.pack(f"<{40 * columns}e", *bell(40 * columns, 4))),
        "cast": ("bf16", (rows, columns), b"".join(struct.pack("<f", x)[2:] for x in bell(count, 5))),
        "same": ("i16", (rows,), noise(2 * rows, 6)),
    }
    # bf16 numbers of this size are f16 numbers, unless they are too small.
    exact = [struct.unpack("<f", b"\0\0" + bases["cast"][2][2 * i : 2 * i + 2])[0] for i in range(count)]
    bases["cast"] = "bf16", (rows, columns), b"".join(struct.pack("<f", x)[2:] for x in exact)
    cast = struct.pack(f"<{count}e", *exact)
    of = lambda name, seed: shifted(bases[name][2], SIZES[bases[name][0]], seed)
    mixed = bases["f16"][2][: 20 * columns * 2] + of("f16", 11)[20 * columns * 2 :]
    tensors = [
        Tensor("f16", "f16", (rows, columns), mixed, 20, (UNCHANGED, DIFFERENCE, STORED), base=bases["f16"][2]),
        Tensor("bf16", "bf16", (rows, columns), of("bf16", 12), 50, (DIFFERENCE,), base=bases["bf16"][2]),
        Tensor("f32", "f32", (rows, columns), of("f32", 13), None, (DIFFERENCE,), base=bases["f32"][2]),
        Tensor(
            "grown",
            "f16",
            (rows, columns),
            of("grown", 14) + struct.pack(f"<{20 * columns}e", *bell(20 * columns, 8)),
            30,
            (DIFFERENCE,),
            base=bases["grown"][2],
        ),
        Tensor("cast", "f16", (rows, columns), shifted(cast, 2, 15), None, (DIFFERENCE,), base=cast),
        Tensor("same", "i16", (rows,), bases["same"][2], None, (UNCHANGED,), base=bases["same"][2]),
        Tensor("renamed", "bf16", (rows, columns), bases["bf16"][2], None, (UNCHANGED,), base=bases["bf16"][2]),
        Tensor("new", "f16", (3,), struct.pack("<3e", 1, 2, 3)),
        Tensor("nothing", "f16", (0, 8), b""),
        Tensor("config.json", "u8", (2,), b"{}", role=1),
    ]

    def described(name):
        kind, shape, content = bases[{"renamed": "bf16"}.get(name, name)]
        entry = {"type": kind, "shape": list(shape), "sample": f"{xxh3(content):016x}"}
        return entry | ({"name": "bf16"} if name == "renamed" else {})

    names = [tensor.name for tensor in tensors if tensor.base]
    metadata = {"delta.base": {"name": "base", "tensors": {name: described(name) for name in names}}}
    base_tensors = [Tensor(name, *bases[name]) for name in bases]
    return tensors, base_tensors, metadata


def good_files():
    """name: (bytes, tensors, sha256 of weights as float32 by tensor)"""
    files = {}
    files["tiny"] = write([weight()], {"model.config": {"hidden_size": 3}}), [weight()], {}
    files["empty"] = write([], {}), [], {}

    tensors = [
        Tensor("a.f32", "f32", (5, 3), struct.pack("<15f", *bell(15)), 2),
        Tensor("b.f16", "f16", (4, 2, 2), struct.pack("<16e", *bell(16))),
        Tensor("c.bf16", "bf16", (3, 2), noise(12)),
        Tensor("d.f64", "f64", (3,), struct.pack("<3d", 1, -2, 1e300), 1),
        Tensor("e.i64", "i64", (2, 2), struct.pack("<4q", -1, 2, 1 << 40, -(1 << 63))),
        Tensor("f.i32", "i32", (2,), struct.pack("<2i", -5, 7)),
        Tensor("g.i16", "i16", (3,), struct.pack("<3h", -5, 7, 300)),
        Tensor("h.i8", "i8", (3,), struct.pack("<3b", -5, 7, 100)),
        Tensor("i.u8", "u8", (2, 3), bytes(range(250, 256))),
        Tensor("j.bool", "bool", (4,), bytes([1, 0, 0, 1])),
        Tensor("scalar", "f32", (), struct.pack("<f", 2.5)),
        Tensor("nothing", "f16", (0, 8), b""),
        Tensor("tokenizer.model", "u8", (300,), noise(300), role=1),
    ]
    # Names whose order by bytes differs from that of the records. The two bytes of é are above every ASCII letter.
    aliases = [("tied", "a.f32"), ("Z", "b.f16"), ("é", "a.f32"), ("a", "scalar")]
    files["types"] = write(tensors, {"model.config": {"hidden_size": 3}}, aliases), tensors, {}

    rows = 200
    tensors = [
        Tensor("f16", "f16", (rows, 8), struct.pack(f"<{rows * 8}e", *bell(rows * 8)), 60, (PLANES, STORED, PLANES)),
        Tensor(
            "bf16", "bf16", (rows, 8), b"".join(struct.pack("<f", x)[2:] for x in bell(rows * 8, 2)), 100, (PLANES,)
        ),
        Tensor("f32", "f32", (rows, 8), struct.pack(f"<{rows * 8}f", *bell(rows * 8, 3)), 128, (PLANES,)),
        Tensor("f64", "f64", (rows, 4), struct.pack(f"<{rows * 4}d", *bell(rows * 4, 4)), None, (PLANES,)),
        Tensor("f32.whole", "f32", (rows, 2), struct.pack(f"<{rows * 2}f", *range(rows * 2)), None, (ZSTD,)),
        Tensor("i32", "i32", (rows, 4), struct.pack(f"<{rows * 4}i", *range(rows * 4)), 50, (PLANES, ZSTD)),
        Tensor("u8", "u8", (rows, 16), bytes(rows * 16), 64, (ZSTD, ZSTD, STORED)),
        Tensor("tokenizer.json", "u8", (2000,), b"abcdefgh" * 250, 700, (ZSTD,), role=1),
    ]
    files["zstd"] = write(tensors, {"model.config": {"text": "compressible " * 30}}), tensors, {}

    tensors, weights = [], {}
    for name, encoding, rows, columns, per_tile, scales in [
        ("q8", "q8", 40, 96, 32, (0.5, 0.25)),
        ("q4", "q4", 40, 96, 16, (1.0, 0.5, 2.0)),
        ("q8.narrow", "q8", 16, 32, 16, (1.0,)),
        ("q4.narrow", "q4", 3, 32, 16, (0.125,)),
        ("q4.wide", "q4", 32, 192, 32, (0.75,)),
    ]:
        tensor, flat = quantized(encoding, rows, columns, scales, per_tile, len(tensors) + 5)
        tensor.name = name
        tensors.append(tensor)
        weights[name] = hashlib.sha256(flat).hexdigest()
    tensors.append(Tensor("q4.zero", "q4", (64, 64), bytes(64 * 36), 32, (ZSTD, STORED), (0.0, 1.0)))
    files["quantized"] = write(tensors, {}), tensors, weights

    tensors, base_tensors, metadata = packed_delta()
    files["packed-delta-base"] = write(base_tensors, {}), base_tensors, {}
    files["packed-delta"] = write(tensors, metadata, [("tied", "bf16")], required=BASE), tensors, {}

    files["ignorable-feature"] = write([weight()], {"future.key": [1, None]}, ignorable=1 << 63), [weight()], {}
    return files


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "formats", "vectors")
    os.makedirs(os.path.join(folder, "bad"), exist_ok=True)
    good = {}
    for name, (data, tensors, weights) in good_files().items():
        with open(os.path.join(folder, name + ".pvq"), "wb") as file:
            file.write(data)
        good[name] = {
            "model_digest": data[-48:-16].hex(),
            "tensors": {tensor.name: {"sha256": hashlib.sha256(tensor.content).hexdigest()} for tensor in tensors},
        }
        for tensor, digest in weights.items():
            good[name]["tensors"][tensor]["float32_sha256"] = digest
    with open(os.path.join(folder, "good.json"), "w") as file:
        json.dump(good, file, indent=1, sort_keys=True)
        file.write("\n")

    from pvq_bad_vectors import bad_files

    listing = {}
    for name, code, why, data in bad_files():
        with open(os.path.join(folder, "bad", name + ".pvq"), "wb") as file:
            file.write(data)
        listing[name] = {"code": "container." + code, "why": why}
    with open(os.path.join(folder, "bad", "index.json"), "w") as file:
        json.dump(listing, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
