#!/usr/bin/env python3
"""Reads .pvq containers. A reference reader, written from formats/pvq.md, formats/blocks.md and formats/packed_delta.md
alone.

    tools/pvq.py list FILE [--json]
    tools/pvq.py verify FILE... [--base BASE]
    tools/pvq.py metadata FILE
    tools/pvq.py dump FILE --output FOLDER [--tensor NAME]... [--decoded] [--base BASE]

BASE is the base of a packed delta: a safetensors file, or a container with plain tensors. `dump` writes a .npy file for
each tensor (bf16, q8 and q4 as float32), and attachments unchanged. With --decoded it writes the decoded bytes of all
tiles instead. Needs numpy, zstandard and xxhash. Written for clarity, not for speed.
"""

import argparse
import hashlib
import json
import math
import mmap
import os
import struct
import sys
import urllib.parse

import numpy
import xxhash
import zstandard

# ---- formats/blocks.md: decoding quantized groups ------------------------------------------------

GROUP_ROWS = 16
SUPERBLOCK = 64
Q8_BLOCK = 32
Q4_BLOCK = 16
Q4_CODEBOOK = numpy.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 72, 97, 121], numpy.float32)
Q4_SCALE_SHIFT = 6  # bits 0 to 6 of a scale field are a binary16 pattern shifted right by this
Q4_SHIFT = 5  # bit 7 of a scale field adds this to the codebook's values


def decode_q8_superblock(data, columns):
    """One superblock of a q8 group as [16, columns] numbers, and its size in bytes."""
    scales = (
        numpy.frombuffer(data, "<f2", columns // Q8_BLOCK * GROUP_ROWS).reshape(-1, GROUP_ROWS).astype(numpy.float32)
    )
    codes = numpy.frombuffer(data, numpy.uint8, columns * GROUP_ROWS, scales.size * 2).reshape(-1, GROUP_ROWS, 4)
    values = codes.transpose(1, 0, 2).reshape(GROUP_ROWS, columns).astype(numpy.float32) - 128
    return scales.T.repeat(Q8_BLOCK, axis=1), values, scales.size * 2 + codes.size


def decode_q4_superblock(data, columns):
    """One superblock of a q4 group: scales and values, each [16, columns], and its size in bytes."""
    fields = numpy.frombuffer(data, numpy.uint8, columns // Q4_BLOCK * GROUP_ROWS).reshape(-1, GROUP_ROWS)
    codes = numpy.frombuffer(data, numpy.uint8, columns // 2 * GROUP_ROWS, fields.size).reshape(-1, GROUP_ROWS, 4)
    scales = ((fields & 0x7F).astype("<u2") << Q4_SCALE_SHIFT).view("<f2").astype(numpy.float32)
    shifts = (fields >> 7).astype(numpy.float32) * Q4_SHIFT
    # Byte [j][row][k] has column 8j + k in its low and column 8j + 4 + k in its high half.
    indices = numpy.stack([codes & 15, codes >> 4], axis=2).transpose(1, 0, 2, 3).reshape(GROUP_ROWS, columns)
    values = Q4_CODEBOOK[indices] + shifts.T.repeat(Q4_BLOCK, axis=1)
    return scales.T.repeat(Q4_BLOCK, axis=1), values, fields.size + codes.size


def decode_group(data, columns, tile_scale, decode_superblock):
    """The 16 rows of a group as float32 [16, columns]."""
    result = numpy.empty((GROUP_ROWS, columns), numpy.float32)
    place = 0
    for start in range(0, columns, SUPERBLOCK):
        width = min(SUPERBLOCK, columns - start)
        scales, values, size = decode_superblock(data[place:], width)
        # The first product is exact in float32, so the second one is rounded only once.
        result[:, start : start + width] = values * scales * numpy.float32(tile_scale)
        place += size
    assert place == len(data)
    return result


# ---- formats/pvq.md ------------------------------------------------------------------------------

START_MAGIC = b"\x89PVQ\r\n\x1a\n"
END_MAGIC = b"PVQ-END\n"
VERSION = 1
BASE = 1  # the feature flag of packed deltas
KNOWN_FEATURES = BASE
NOT_AN_ALIAS = 0xFFFFFFFF
MIB = 1 << 20

# code: (name, bytes of an element, numpy type)
PLAIN = {
    1: ("f32", 4, "<f4"),
    2: ("f16", 2, "<f2"),
    3: ("bf16", 2, "<u2"),
    4: ("f64", 8, "<f8"),
    5: ("i64", 8, "<i8"),
    6: ("i32", 4, "<i4"),
    7: ("i16", 2, "<i2"),
    8: ("i8", 1, "i1"),
    9: ("u8", 1, "u1"),
    10: ("bool", 1, "?"),
}
QUANTIZED = {32: ("q8", decode_q8_superblock), 33: ("q4", decode_q4_superblock)}
STORED, ZSTD, ZSTD_PLANES, UNCHANGED, DIFFERENCE = range(5)
CODECS = {
    STORED: "stored",
    ZSTD: "zstd",
    ZSTD_PLANES: "zstd-planes",
    UNCHANGED: "unchanged",
    DIFFERENCE: "difference",
}


class Error(Exception):
    """A file violates the specification."""

    def __init__(self, code, message, tensor=None):
        super().__init__(f"{code}: {message}" + (f" (tensor {tensor})" if tensor else ""))
        self.code = "container." + code
        self.tensor = tensor


def check(condition, code, message, tensor=None):
    if not condition:
        raise Error(code, message, tensor)


def align(offset, alignment):
    return -(-offset // alignment) * alignment


def xxh3(data):
    return xxhash.xxh3_64_intdigest(data)


def read_frame(data, size, code="tile-content"):
    """The content of `data`, which must be one zstd frame (section 1)."""
    try:
        frame = zstandard.get_frame_parameters(data)
        check(data[:4] == b"\x28\xb5\x2f\xfd", code, "this is not a zstd frame")
        check(frame.content_size == size and data[4] & 3 == 0, code, "another frame was expected")
        is_single_segment = data[4] & 0x20
        check(is_single_segment or frame.window_size <= 8 * MIB, code, "the window is too large")
        content = zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Error(code, str(error)) from None
    check(len(content) == size, code, "a frame has less content than it says")
    return content


# ---- formats/packed_delta.md ---------------------------------------------------------------------

FLOATS = {"f32": (32, 8, 5), "f16": (16, 5, 4), "bf16": (16, 8, 4)}  # bits of a number, its exponent, a length


class RangeDecoder:
    """Adaptive binary decisions."""

    def __init__(self, data):
        self.data, self.place, self.range, self.code = data, 5, 0xFFFFFFFF, int.from_bytes(data[1:5], "big")
        check(len(data) >= 5 and data[0] == 0, "other-base", "the coded stream does not begin with 0")
        self.probabilities = {}

    def bit(self, context):
        probability = self.probabilities.get(context, 1 << 14)
        bound = (self.range >> 15) * probability
        bit = int(self.code >= bound)
        if bit:
            self.code, self.range = self.code - bound, self.range - bound
            probability -= probability >> 5
        else:
            self.range = bound
            probability += ((1 << 15) - probability) >> 5
        self.probabilities[context] = probability
        while self.range < 1 << 24:
            check(self.place < len(self.data), "other-base", "the coded stream ends early")
            self.range = self.range << 8
            self.code = (self.code << 8 | self.data[self.place]) & 0xFFFFFFFF
            self.place += 1
        return bit

    def tree(self, context, bits):
        node = 1
        for _ in range(bits):
            node = 2 * node + self.bit((*context, node))
        return node - (1 << bits)


class RawBits:
    """Bits, the lowest of each byte first."""

    def __init__(self, data):
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def read(self, count):
        check(count <= self.left, "other-base", "the raw bits end early")
        result = self.value & ((1 << count) - 1)
        self.value, self.left = self.value >> count, self.left - count
        return result


def order_of(pattern, sign):
    return pattern ^ (2 * sign - 1) if pattern & sign else pattern | sign


def decode_differences(type_name, base, columns, coded, raw):
    """The target's patterns from those of the base, row after row, and the two streams."""
    width, exponent_bits, length_bits = FLOATS[type_name]
    sign = 1 << (width - 1)
    decoder, rest = RangeDecoder(coded), RawBits(raw)
    result, row_has_changed = [], False
    for number, pattern in enumerate(base):
        row_has_changed = row_has_changed and number % columns != 0
        exponent = (pattern >> (width - 1 - exponent_bits)) & ((1 << exponent_bits) - 1)
        if not decoder.bit(("changed", row_has_changed, exponent)):
            result.append(pattern)
            continue
        row_has_changed = True
        length = decoder.tree(("length", exponent), length_bits) + 1
        shrinks = decoder.bit(("shrinks", exponent))
        is_down = shrinks ^ (pattern >> (width - 1))
        modelled = min(length - 1, 2)
        magnitude = 1 << modelled | decoder.tree(("leading", length), modelled)
        left = length - 1 - modelled
        magnitude = magnitude << left | rest.read(left)
        order = (order_of(pattern, sign) + (-magnitude if is_down else magnitude)) & (2 * sign - 1)
        result.append(order & ~sign if order & sign else order ^ (2 * sign - 1))
    check(decoder.place == len(coded), "other-base", "the coded stream has bytes left")
    check(rest.left < 8 and rest.value == 0, "other-base", "raw bits are left")
    return result


def convert_pattern(pattern, source, target):
    """A number in another type, rounded to nearest even (section "The base")."""
    if source == "f16":
        fraction, exponent = pattern & 0x3FF, pattern >> 10 & 31
        if exponent == 31:
            wide = 0x7F800000 | fraction << 13
        elif exponent:
            wide = (exponent + 112) << 23 | fraction << 13
        else:
            wide = int(numpy.float32(fraction * 2.0**-24).view("<u4"))
        wide |= (pattern & 0x8000) << 16
    else:
        wide = pattern << 16 if source == "bf16" else pattern
    if target == "f32":
        return wide
    sign, magnitude = wide >> 16 & 0x8000, wide & 0x7FFFFFFF
    if magnitude > 0x7F800000:
        return sign | (magnitude >> 16 | 0x40 if target == "bf16" else 0x7E00 | magnitude >> 13 & 0x3FF)
    if target == "bf16":
        return sign | (magnitude + 0x7FFF + (magnitude >> 16 & 1)) >> 16
    with numpy.errstate(over="ignore"):
        return sign | int(numpy.uint32(magnitude).view("<f4").astype("<f2").view("<u2"))


class Base:
    """The base of a packed delta: a safetensors file, or a container with plain tensors."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        self.tensors = {}
        if data[:8] == START_MAGIC:
            container = Container(path)
            for tensor in container.tensors:
                self.tensors[tensor.name] = tensor.type, tensor.shape, container.decoded(tensor)
            return
        (size,) = struct.unpack_from("<Q", data)
        for name, entry in json.loads(data[8 : 8 + size]).items():
            if name != "__metadata__":
                start, end = (8 + size + offset for offset in entry["data_offsets"])
                self.tensors[name] = entry["dtype"].lower(), tuple(entry["shape"]), data[start:end]

    def rows(self, entry, name, tensor, first_row, count):
        """Rows of the base in the type of a tensor of the delta, with zeros for rows that the base lacks."""
        name = entry.get("name", name)
        check(name in self.tensors, "other-base", "the base lacks the tensor", name)
        type_name, shape, data = self.tensors[name]
        check(
            type_name == entry["type"]
            and list(shape) == entry["shape"]
            and tuple(shape[1:]) == tuple(tensor.shape[1:]),
            "other-base",
            "the base's tensor has another type or shape",
            name,
        )
        size = {entry[0]: entry[1] for entry in PLAIN.values()}[type_name]
        row_size = size * tensor.columns
        part = data[first_row * row_size : (first_row + count) * row_size]
        if type_name != tensor.type:
            patterns = numpy.frombuffer(part, f"<u{size}").tolist()
            converted = [convert_pattern(pattern, type_name, tensor.type) for pattern in patterns]
            part = numpy.array(converted, f"<u{tensor.element_size}").tobytes()
        return part + bytes(count * tensor.columns * tensor.element_size - len(part))


# ---- formats/pvq.md, continued -------------------------------------------------------------------


class Tensor:
    """A tensor record (section 6.2), checked on its own."""

    def __init__(self, record, name):
        self.name = name
        (
            self.alias_of,
            reserved_1,
            self.encoding,
            self.role,
            self.rank,
            flags,
            self.rows_per_tile,
            self.first_tile,
            self.tile_count,
        ) = struct.unpack_from("<IIBBBBIII", record, 8)
        extents = struct.unpack_from("<8Q", record, 32)
        self.offset, self.stored_size = struct.unpack_from("<QQ", record, 96)
        statistics = struct.unpack_from("<dddQ", record, 112)
        self.digest = record[144:176]

        check(not any(record[6:8]) and reserved_1 == 0 and not any(record[176:192]), "padding", "reserved bytes", name)
        check(self.encoding in PLAIN or self.encoding in QUANTIZED, "encoding", "unknown encoding", name)
        check(self.role in (0, 1), "encoding", "unknown role", name)
        check(self.rank <= 8, "shape", "too many dimensions", name)
        check(not any(extents[self.rank :]), "padding", "extents past the rank", name)
        self.shape = extents[: self.rank]
        check(math.prod(e for e in self.shape if e) < 1 << 63, "shape", "too many elements", name)
        check(
            self.role == 0 or (self.encoding == 9 and self.rank == 1),
            "encoding",
            "an attachment is a list of bytes",
            name,
        )
        check(flags <= 1, "padding", "reserved flags", name)
        self.statistics = statistics if flags & 1 else None
        if flags & 1:
            check(all(0 <= number < math.inf for number in statistics), "statistics", "impossible statistics", name)
        else:
            check(not any(record[112:144]), "padding", "statistics that are absent are not zero", name)

        # Section 4: rows, columns, groups and tiles.
        elements = math.prod(self.shape)
        self.rows = self.shape[0] if self.rank else 1
        self.columns = math.prod(self.shape[1:]) if elements else 0
        if self.encoding in PLAIN:
            self.type, size, self.numpy_type = PLAIN[self.encoding]
            self.element_size, self.group_rows, self.group_size = size, 1, size * self.columns
        else:
            self.type, self.decode_superblock = QUANTIZED[self.encoding]
            check(elements == 0 or self.columns % 32 == 0, "shape", "rows are no multiple of 32", name)
            self.element_size, self.group_rows = None, GROUP_ROWS
            self.group_size = self.columns // 32 * 16 * 34 if self.type == "q8" else self.columns // 16 * 16 * 9
        groups = -(-self.rows // self.group_rows) if elements else 0
        self.decoded_size = groups * self.group_size
        check(self.decoded_size < 1 << 63, "shape", "too large to address", name)
        if elements == 0:
            check(self.encoding in PLAIN and self.rows_per_tile == 0, "tiles", "tiles without elements", name)
            tile_count = 0
        else:
            check(
                self.rows_per_tile > 0
                and self.rows_per_tile % self.group_rows == 0
                and self.rows_per_tile // self.group_rows <= groups,
                "tiles",
                "impossible rows per tile",
                name,
            )
            check(
                self.rows_per_tile // self.group_rows * self.group_size <= 256 * MIB,
                "limit",
                "a tile is too large",
                name,
            )
            tile_count = -(-self.rows // self.rows_per_tile)
        check(self.tile_count == tile_count, "tiles", f"{self.tile_count} tiles instead of {tile_count}", name)

    def tile_rows(self, number):
        return min(self.rows_per_tile, self.rows - number * self.rows_per_tile)

    def tile_size(self, number):
        """The decoded size of a tile in bytes."""
        return -(-self.tile_rows(number) // self.group_rows) * self.group_size


class Tile:
    """A tile record (section 6.3), checked against its tensor."""

    def __init__(self, record, tensor, number, needs_base):
        self.offset, self.stored_size, self.codec, self.scale, reserved, self.checksum = struct.unpack(
            "<QIIfIQ", record
        )
        self.number, self.decoded_size = number, tensor.tile_size(number)
        check(self.codec in CODECS, "tiles", "unknown codec", tensor.name)
        check(reserved == 0, "padding", "reserved bytes of a tile", tensor.name)
        is_relative = self.codec in (UNCHANGED, DIFFERENCE)
        check(needs_base or not is_relative, "tiles", "a base without its feature flag", tensor.name)
        if self.codec == UNCHANGED:
            check(self.stored_size == 8 and tensor.encoding in PLAIN, "tiles", "impossible unchanged tile", tensor.name)
        elif self.codec == DIFFERENCE:
            check(tensor.type in FLOATS, "tiles", "differences of a type without them", tensor.name)
            check(12 < self.stored_size < self.decoded_size, "tiles", "impossible size of differences", tensor.name)
        elif self.codec == STORED:
            check(self.stored_size == self.decoded_size, "tiles", "a stored tile has another size", tensor.name)
        else:
            check(
                0 < self.stored_size < self.decoded_size,
                "tiles",
                "a compressed tile has an impossible size",
                tensor.name,
            )
            check(self.codec == ZSTD or (tensor.element_size or 0) > 1, "tiles", "no byte planes here", tensor.name)
        if tensor.encoding in PLAIN:
            check(self.scale == 1, "tiles", "a plain tile has a scale", tensor.name)
        else:
            check(
                0 <= self.scale < math.inf and math.copysign(1, self.scale) > 0,
                "tiles",
                "impossible scale",
                tensor.name,
            )


class Container:
    """An open file. Opening checks it as section 9, steps 1 and 2, says."""

    def __init__(self, path, base=None):
        self.base = base
        with open(path, "rb") as file:
            empty = os.fstat(file.fileno()).st_size == 0
            self.data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.size = len(self.data)
        features = self.read_header()
        self.needs_base = bool(features[1] & BASE)
        self.read_footer(features)
        self.read_index()

    def read_header(self):
        check(self.data[:8] == START_MAGIC, "not-a-container", "the magic bytes are others")
        check(self.size >= 64, "end", "the file ends within its header")
        header = self.data[:64]
        check(struct.unpack_from("<Q", header, 56)[0] == xxh3(header[:56]), "header", "the header is damaged")
        version, reserved, required, ignorable = struct.unpack_from("<IIQQ", header, 8)
        check(1 <= version <= VERSION, "version", f"version {version}")
        check(required & ~KNOWN_FEATURES == 0, "features", f"unknown features {required:x}")
        check(reserved == 0 and not any(header[32:56]), "padding", "reserved bytes of the header")
        return version, required, ignorable

    def read_footer(self, features):
        check(self.size >= 128 and self.data[-8:] == END_MAGIC, "end", "truncated, or something follows the end")
        footer = self.data[-128:]
        check(struct.unpack_from("<Q", footer, 112)[0] == xxh3(footer[:112]), "footer", "the footer is damaged")
        version, reserved, required, ignorable, size = struct.unpack_from("<IIQQQ", footer, 0)
        check((version, required, ignorable) == features, "footer", "header and footer differ")
        check(reserved == 0, "padding", "reserved bytes of the footer")
        check(size == self.size, "size", f"{self.size} bytes instead of {size}")
        (
            self.metadata_offset,
            self.metadata_stored_size,
            self.metadata_size,
            self.metadata_checksum,
            self.index_offset,
            self.index_size,
            self.index_checksum,
        ) = struct.unpack_from("<QIIQQQQ", footer, 32)
        self.model_digest = footer[80:112]
        check(1 <= self.metadata_stored_size <= self.metadata_size <= 64 * MIB, "limit", "impossible size of metadata")
        check(
            self.metadata_offset >= 64
            and self.metadata_offset % 64 == 0
            and self.index_offset == align(self.metadata_offset + self.metadata_stored_size, 64)
            and self.size - 128 == align(self.index_offset + self.index_size, 64),
            "layout",
            "metadata, index and footer do not follow one another",
        )

    def read_index(self):
        index = self.data[self.index_offset : self.index_offset + self.index_size]
        check(xxh3(index) == self.index_checksum, "index", "the index is damaged")
        check(len(index) >= 64, "index", "the index is too short")
        tensor_count, tile_count, name_bytes = struct.unpack_from("<III", index)
        check(
            tensor_count <= 1 << 20 and tile_count <= 1 << 24 and name_bytes <= 1024 * tensor_count, "limit", "too many"
        )
        tiles_at = 64 + 192 * tensor_count
        order_at = tiles_at + 32 * tile_count
        names_at = order_at + 4 * tensor_count
        check(len(index) == align(names_at + name_bytes, 8), "index", "the size of the index does not fit its counts")
        check(not any(index[12:64]) and not any(index[names_at + name_bytes :]), "padding", "padding of the index")
        names = index[names_at : names_at + name_bytes]

        records = [index[64 + 192 * number : 64 + 192 * (number + 1)] for number in range(tensor_count)]
        self.tensors, self.tiles = [], {}
        end, next_tile, next_name = 64, 0, 0
        for record in records:
            name_offset, name_size = struct.unpack_from("<IH", record)
            check(name_offset == next_name and name_offset + name_size <= name_bytes, "layout", "a name is elsewhere")
            next_name += name_size
            tensor = Tensor(record, self.check_name(names[name_offset:next_name]))
            self.tensors.append(tensor)
            if tensor.alias_of != NOT_AN_ALIAS:
                check(tensor.alias_of < tensor_count, "index", "an alias of no tensor", tensor.name)
                target = records[tensor.alias_of]
                check(
                    struct.unpack_from("<I", target, 8)[0] == NOT_AN_ALIAS
                    and record[16:] == target[16:]
                    and tensor.role == 0,
                    "alias",
                    "an alias that is none",
                    tensor.name,
                )
                continue
            check(tensor.first_tile == next_tile, "tiles", "tiles do not follow those before", tensor.name)
            next_tile += tensor.tile_count
            check(next_tile <= tile_count, "index", "tiles that do not exist", tensor.name)
            first = tiles_at + 32 * tensor.first_tile
            tile_records = index[first : first + 32 * tensor.tile_count]
            end = self.check_tiles(tensor, tile_records, end)
        check(next_name == name_bytes and next_tile == tile_count, "index", "names or tiles of no tensor")
        check(align(end, 64) == self.metadata_offset, "layout", "the metadata does not follow the last tile")

        self.order = struct.unpack_from(f"<{tensor_count}I", index, order_at)
        check(all(number < tensor_count for number in self.order), "order", "an order of tensors that do not exist")
        ordered = [self.tensors[number].name.encode() for number in self.order]
        check(all(a < b for a, b in zip(ordered, ordered[1:])), "order", "names are not unique or not in order")

    @staticmethod
    def check_name(data):
        check(1 <= len(data) <= 1024 and all(byte >= 0x20 and byte != 0x7F for byte in data), "name", f"{data!r}")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Error("name", f"{data!r} is not UTF-8") from None

    def check_tiles(self, tensor, records, end):
        """Checks the offsets of tiles (section 4.2). Returns the end of the last one."""
        tiles = self.tiles[tensor.first_tile] = []
        if tensor.tile_count == 0:
            check(tensor.offset == 0 and tensor.stored_size == 0, "layout", "a place without elements", tensor.name)
            return end
        if not self.needs_base:
            end = align(end, 4096)
        for number in range(tensor.tile_count):
            tile = Tile(records[32 * number : 32 * number + 32], tensor, number, self.needs_base)
            if tile.codec == STORED:
                end = align(end, 64)
            check(number > 0 or tensor.offset == end, "layout", "the tensor begins elsewhere", tensor.name)
            check(tile.offset == end, "layout", f"tile {number} is at the wrong offset", tensor.name)
            end += tile.stored_size
            check(end <= self.metadata_offset, "layout", f"tile {number} ends too late", tensor.name)
            tiles.append(tile)
        check(tensor.offset + tensor.stored_size == end, "layout", "the tensor ends elsewhere", tensor.name)
        return end

    def tiles_of(self, tensor):
        return self.tiles[tensor.first_tile] if tensor.tile_count else []

    def metadata(self):
        stored = self.data[self.metadata_offset : self.metadata_offset + self.metadata_stored_size]
        check(xxh3(stored) == self.metadata_checksum, "metadata-checksum", "the metadata is damaged")
        if self.metadata_stored_size < self.metadata_size:
            stored = read_frame(stored, self.metadata_size, "metadata-content")

        def without_duplicates(pairs):
            check(len(dict(pairs)) == len(pairs), "metadata-content", "a key occurs twice")
            return dict(pairs)

        def no_number(text):
            raise ValueError(f"{text} is not JSON")

        try:
            value = json.loads(stored.decode(), object_pairs_hook=without_duplicates, parse_constant=no_number)
        except (ValueError, RecursionError) as error:
            raise Error("metadata-content", str(error)) from None
        check(isinstance(value, dict), "metadata-content", "the metadata is no object")
        return value

    def decode_tile(self, tensor, tile):
        """The decoded bytes of a tile (section 4.3)."""
        stored = self.data[tile.offset : tile.offset + tile.stored_size]
        check(xxh3(stored) == tile.checksum, "tile-checksum", f"tile {tile.number} is damaged", tensor.name)
        try:
            if tile.codec in (UNCHANGED, DIFFERENCE):
                return self.decode_relative_tile(tensor, tile, stored)
            if tile.codec == STORED:
                return stored
            if tile.codec == ZSTD:
                return read_frame(stored, tile.decoded_size)
            width = tensor.element_size
            count = tile.decoded_size // width
            check(len(stored) >= 4 * width, "tile-content", "no room for the sizes of planes")
            sizes = struct.unpack_from(f"<{width}I", stored)
            check(max(sizes) <= count and 4 * width + sum(sizes) == len(stored), "tile-content", "sizes of planes")
            elements = numpy.empty((count, width), numpy.uint8)
            place = 4 * width
            for number, size in enumerate(sizes):
                plane = stored[place : place + size]
                elements[:, number] = numpy.frombuffer(
                    plane if size == count else read_frame(plane, count), numpy.uint8
                )
                place += size
            return elements.tobytes()
        except Error as error:
            if error.code == "container.other-base":
                raise
            raise Error("tile-content", f"tile {tile.number}: {error}", tensor.name) from None

    def decode_relative_tile(self, tensor, tile, stored):
        """The decoded bytes of a tile that is stored relative to the base."""
        check(self.base, "other-base", "the base is needed: give it with --base", tensor.name)
        # An alias has the tiles of its target.
        name = tensor.name if tensor.alias_of == NOT_AN_ALIAS else self.tensors[tensor.alias_of].name
        entry = self.metadata().get("delta.base", {}).get("tensors", {}).get(name)
        check(isinstance(entry, dict), "other-base", "the base of this tensor is not described", tensor.name)
        base = self.base.rows(entry, name, tensor, tile.number * tensor.rows_per_tile, tensor.tile_rows(tile.number))
        content = base
        if tile.codec == DIFFERENCE:
            (coded_size,) = struct.unpack_from("<I", stored, 8)
            check(12 + coded_size <= len(stored), "tile-content", "impossible sizes of streams", tensor.name)
            patterns = numpy.frombuffer(base, f"<u{tensor.element_size}").tolist()
            values = decode_differences(
                tensor.type, patterns, tensor.columns, stored[12 : 12 + coded_size], stored[12 + coded_size :]
            )
            content = numpy.array(values, f"<u{tensor.element_size}").tobytes()
        check(xxh3(content) == struct.unpack_from("<Q", stored)[0], "other-base", "the base differs", tensor.name)
        return content

    def decoded(self, tensor):
        """The decoded bytes of all tiles."""
        return b"".join(self.decode_tile(tensor, tile) for tile in self.tiles_of(tensor))

    def array(self, tensor):
        """The tensor as an array of its shape; bf16, q8 and q4 as float32."""
        if tensor.encoding in PLAIN:
            values = numpy.frombuffer(self.decoded(tensor), tensor.numpy_type)
            if tensor.type == "bf16":
                values = (values.astype("<u4") << 16).view("<f4")
            return values.reshape(tensor.shape)
        groups = []
        for tile in self.tiles_of(tensor):
            data = self.decode_tile(tensor, tile)
            for start in range(0, len(data), tensor.group_size):
                group = data[start : start + tensor.group_size]
                groups.append(decode_group(group, tensor.columns, tile.scale, tensor.decode_superblock))
        rows = numpy.concatenate(groups)
        # Only the last group of the last tile has padding rows, since tiles are whole groups.
        return rows[: tensor.rows].reshape(tensor.shape)

    def content_digest(self, tensor):
        """Section 7."""
        digest = hashlib.sha256()
        for tile in self.tiles_of(tensor):
            data = self.decode_tile(tensor, tile)
            if tensor.encoding in PLAIN:
                digest.update(data)
                continue
            for start in range(0, len(data), tensor.group_size):
                digest.update(struct.pack("<f", tile.scale))
                digest.update(data[start : start + tensor.group_size])
        return digest.digest()

    def verify(self):
        """Verifies all content (section 9, step 4). Returns the model digest."""
        end = 64
        for tensor in self.tensors:
            if tensor.alias_of != NOT_AN_ALIAS:
                continue
            for tile in self.tiles_of(tensor):
                check(not any(self.data[end : tile.offset]), "padding", "padding is not zero", tensor.name)
                end = tile.offset + tile.stored_size
            relative = [tile for tile in self.tiles_of(tensor) if tile.codec in (UNCHANGED, DIFFERENCE)]
            if relative and not self.base:
                # Without the base, only the stored bytes can be checked.
                for tile in self.tiles_of(tensor):
                    if tile not in relative:
                        self.decode_tile(tensor, tile)
                        continue
                    stored = self.data[tile.offset : tile.offset + tile.stored_size]
                    check(xxh3(stored) == tile.checksum, "tile-checksum", f"tile {tile.number}", tensor.name)
                continue
            check(self.content_digest(tensor) == tensor.digest, "content-digest", "other content", tensor.name)
        check(not any(self.data[end : self.metadata_offset]), "padding", "padding is not zero")
        self.metadata()
        check(
            not any(self.data[self.metadata_offset + self.metadata_stored_size : self.index_offset])
            and not any(self.data[self.index_offset + self.index_size : self.size - 128]),
            "padding",
            "padding is not zero",
        )

        digest = hashlib.sha256(b"PVQ model 1\n")
        for number in self.order:
            tensor = self.tensors[number]
            if tensor.role == 0:
                name = tensor.name.encode()
                digest.update(
                    struct.pack("<I", len(name))
                    + name
                    + struct.pack("<BB", tensor.encoding, tensor.rank)
                    + struct.pack(f"<{tensor.rank}Q", *tensor.shape)
                    + tensor.digest
                )
        check(digest.digest() == self.model_digest, "model-digest", "other parameters")
        return self.model_digest

    def describe(self, tensor):
        """The description of a tensor in `list`."""
        return {
            "name": tensor.name,
            "role": ["parameter", "attachment"][tensor.role],
            "encoding": tensor.type,
            "shape": list(tensor.shape),
            "rows_per_tile": tensor.rows_per_tile,
            "offset": tensor.offset,
            "stored_size": tensor.stored_size,
            "decoded_size": tensor.decoded_size,
            "alias_of": None if tensor.alias_of == NOT_AN_ALIAS else self.tensors[tensor.alias_of].name,
            "statistics": tensor.statistics,
            "digest": tensor.digest.hex(),
            "tiles": [
                [CODECS[tile.codec], tile.scale, tile.offset, tile.stored_size] for tile in self.tiles_of(tensor)
            ],
        }


# ---- Command line --------------------------------------------------------------------------------


def list_tensors(container, arguments):
    descriptions = [container.describe(tensor) for tensor in container.tensors]
    if arguments.json:
        print(json.dumps({"model_digest": container.model_digest.hex(), "tensors": descriptions}))
        return
    for tensor in descriptions:
        codecs = "+".join(sorted({tile[0] for tile in tensor["tiles"]})) or "-"
        note = f"alias of {tensor['alias_of']}" if tensor["alias_of"] else tensor["role"]
        print(f"{tensor['name']}\t{tensor['encoding']}\t{tensor['shape']}\t{codecs}\t{tensor['stored_size']}\t{note}")


def dump(container, arguments):
    os.makedirs(arguments.output, exist_ok=True)
    chosen = [tensor for tensor in container.tensors if not arguments.tensor or tensor.name in arguments.tensor]
    check(not arguments.tensor or len(chosen) == len(set(arguments.tensor)), "request", "there is no such tensor")
    for tensor in chosen:
        path = os.path.join(arguments.output, urllib.parse.quote(tensor.name, safe=""))
        if arguments.decoded or tensor.role == 1:
            with open(path, "wb") as file:
                file.write(container.decoded(tensor))
        else:
            numpy.save(path + ".npy", container.array(tensor))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("list", "verify", "metadata", "dump"):
        verbs.add_parser(verb).add_argument("files", nargs="+" if verb == "verify" else 1, metavar="FILE")
    verbs.choices["list"].add_argument("--json", action="store_true")
    for verb in ("verify", "dump"):
        verbs.choices[verb].add_argument("--base")
    verbs.choices["dump"].add_argument("--output", required=True)
    verbs.choices["dump"].add_argument("--tensor", action="append")
    verbs.choices["dump"].add_argument("--decoded", action="store_true")
    arguments = parser.parse_args()
    status = 0
    base = Base(arguments.base) if getattr(arguments, "base", None) else None
    for path in arguments.files:
        try:
            container = Container(path, base)
            if arguments.verb == "list":
                list_tensors(container, arguments)
            elif arguments.verb == "verify":
                print(f"{container.verify().hex()}  {path}")
            elif arguments.verb == "metadata":
                print(json.dumps(container.metadata(), indent=2, ensure_ascii=False))
            else:
                dump(container, arguments)
        except Error as error:
            print(f"{path}: {error.code}: {error}", file=sys.stderr)
            status = 65
        except OSError as error:
            print(error, file=sys.stderr)
            status = 66
    sys.exit(status)


if __name__ == "__main__":
    main()
