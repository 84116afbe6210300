"""Containers with one error each, for tools/make_pvq_vectors.py.

Most are good files with a few changed bytes and repaired checksums, so that a reader must detect the change itself.
"""

import struct

from make_pvq_vectors import (
    BASE,
    DIFFERENCE,
    PLANES,
    STORED,
    UNCHANGED,
    ZSTD,
    Tensor,
    bell,
    frame,
    noise,
    packed_delta,
    weight,
    write,
    xxh3,
)


class File:
    """The bytes of a container, and the offsets of its sections."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.footer = len(data) - 128
        (self.metadata,) = struct.unpack_from("<Q", data, self.footer + 32)
        self.index, self.index_size = struct.unpack_from("<QQ", data, self.footer + 56)
        self.tensor_count, self.tile_count, self.name_bytes = struct.unpack_from("<III", data, self.index)
        self.tiles = self.index + 64 + 192 * self.tensor_count
        self.order = self.tiles + 32 * self.tile_count
        self.names = self.order + 4 * self.tensor_count

    def tensor(self, number):
        return self.index + 64 + 192 * number

    def tile(self, number):
        return self.tiles + 32 * number

    def put(self, offset, format, *values):
        struct.pack_into("<" + format, self.data, offset, *values)
        return self

    def mend(self):
        """Recomputes the checksums of header, index and footer."""
        index = self.data[self.index : self.index + struct.unpack_from("<Q", self.data, self.footer + 64)[0]]
        self.put(self.footer + 72, "Q", xxh3(index))
        return self.mend_ends()

    def mend_ends(self):
        self.put(56, "Q", xxh3(self.data[:56]))
        self.put(self.footer + 112, "Q", xxh3(self.data[self.footer : self.footer + 112]))
        return self

    def put_tile(self, number, stored):
        """Replaces the stored bytes of a tile by others of the same size, and updates their checksum."""
        offset, size = struct.unpack_from("<QI", self.data, self.tile(number))
        assert len(stored) == size, (len(stored), size)
        self.data[offset : offset + size] = stored
        return self.put(self.tile(number) + 24, "Q", xxh3(stored))

    def put_metadata(self, stored, size):
        """Replaces the stored metadata by other metadata that needs the same space in the file."""
        end = (self.metadata + len(stored) + 63) // 64 * 64
        assert end == self.index
        self.data[self.metadata : self.index] = bytes(stored) + bytes(end - self.metadata - len(stored))
        return self.put(self.footer + 40, "IIQ", len(stored), size, xxh3(stored))


def tiny(metadata=None, **options):
    return File(write([weight()], {"model.config": {"hidden_size": 3}} if metadata is None else metadata, **options))


def pair(second="b", role=0):
    """Two tensors, the first with padding between its tiles, and an alias of the first."""
    tensors = [Tensor("a", "u8", (4, 10), bytes(range(40)), 2), Tensor(second, "u8", (8,), bytes(8), role=role)]
    return File(write(tensors, {}, [("c", "a")]))


def compressed(codec, encoding="f16"):
    content = struct.pack("<256e", *bell(256)) if encoding == "f16" else bytes(256)
    return File(write([Tensor("w", encoding, (256,), content, codecs=(codec,))], {}))


def quantized():
    return File(write([Tensor("q", "q4", (16, 32), noise(288))], {}))


def odd_frames():
    """(name, why, stored bytes): frames of 200 bytes of the letter a that violate section 1."""
    content = b"a" * 200
    right = frame(content)
    yield "frame-content-size", "a frame of 199 bytes in place of 200", frame(content[:199])
    yield "frame-without-size", "a frame that does not state its size", frame(content, write_content_size=False)
    yield "frame-followed", "a zero byte after the frame", right + b"\0"
    yield "frame-twice", "two frames", frame(content[:100]) + frame(content[:100])
    yield "frame-cut", "a frame without its last byte", right[:-1]
    yield "frame-skippable", "a skippable frame before the frame", struct.pack("<II", 0x184D2A50, 4) + bytes(4) + right
    # Frame header: magic, descriptor (content size of 1 byte, single segment, dictionary ID of 1 byte), ID, size.
    yield "frame-dictionary", "a frame that names a dictionary", right[:4] + bytes([0x21, 7]) + right[5:]
    # Not a single segment: window descriptor 0x70 is 2^(10 + 14) = 16 MiB; content size of 2 bytes, less 256.
    content = b"a" * 300
    yield (
        "frame-window",
        "a window of 16 MiB",
        (b"\x28\xb5\x2f\xfd\x40\x70" + struct.pack("<H", 300 - 256) + frame(content)[7:]),
    )
    yield "frame-garbage", "no frame at all", noise(20)
    yield (
        "frame-overlong",
        "a frame whose blocks have more content than it states",
        (right[:5] + bytes([200]) + frame(b"a" * 210)[6:]),
    )


def structure_files():
    """Header, footer, order of sections."""
    good = tiny()
    data = bytes(good.data)
    yield "nothing", "not-a-container", "no bytes at all", b""
    yield "magic", "not-a-container", "another magic number", b"\x89PNG" + data[4:]
    yield "copied-as-text", "not-a-container", "line ends changed on the way", data.replace(b"\r\n", b"\n")
    yield "header-cut", "end", "the file ends within its header", data[:40]
    yield "header-only", "end", "the file ends after its header", data[:64]
    yield "header-damaged", "header", "a flipped bit", tiny().put(40, "B", 1).data
    yield "header-reserved", "padding", "a reserved byte that is not zero", tiny().put(40, "B", 1).mend().data
    for version in (0, 2):
        yield f"version-{version}", "version", f"version {version}", write([weight()], {}, version=version)
    yield "feature", "features", "an unknown feature that must be understood", write([weight()], {}, required=2)
    yield "cut", "end", "the last 100 bytes are missing", data[:-100]
    yield "cut-in-tensor", "end", "the file ends within a tensor", data[:4100]
    yield "followed", "end", "a byte after the end", data + b"\n"
    yield "followed-by-itself", "size", "the file twice", data + data
    yield "hole", "size", "64 more zero bytes in the padding", data[:1024] + bytes(64) + data[1024:]
    yield "footer-damaged", "footer", "a flipped bit", tiny().put(good.footer + 80, "B", 0).data
    yield (
        "footer-features",
        "footer",
        "other features than the header's",
        tiny().put(good.footer + 16, "Q", 1).mend().data,
    )
    yield (
        "footer-reserved",
        "padding",
        "a reserved byte that is not zero",
        tiny().put(good.footer + 4, "I", 1).mend().data,
    )

    def footer(name, code, why, offset, format, *values):
        return name, code, why, tiny().put(good.footer + offset, format, *values).mend_ends().data

    yield footer("metadata-offset-zero", "layout", "metadata on the header", 32, "Q", 0)
    yield footer("metadata-offset-huge", "layout", "metadata at 2^64 - 64", 32, "Q", (1 << 64) - 64)
    yield footer("metadata-offset-unaligned", "layout", "metadata on no multiple of 64", 32, "Q", good.metadata + 8)
    yield footer("metadata-early", "layout", "metadata on the last tile", 32, "Q", good.metadata - 64)
    yield footer("metadata-size-zero", "limit", "metadata without bytes", 40, "II", 0, 0)
    yield footer("metadata-size-huge", "limit", "metadata of 4 GiB", 40, "II", 34, (1 << 32) - 1)
    yield footer("metadata-stored-size", "limit", "metadata larger than its content", 40, "II", 34, 33)
    yield footer("index-offset", "layout", "an index elsewhere", 56, "Q", good.index - 64)
    yield footer("index-offset-huge", "layout", "an index at 2^63", 56, "Q", 1 << 63)
    yield footer("index-size-huge", "layout", "an index of 2^64 - 64 bytes", 64, "Q", (1 << 64) - 64)
    yield (
        "index-size-short",
        "index",
        "an index of fewer bytes than its counts need",
        (tiny().put(good.footer + 64, "Q", good.index_size - 8).mend().data),
    )
    yield "index-damaged", "index", "a flipped bit", tiny().put(good.names, "B", ord("W")).data
    yield (
        "index-reserved",
        "padding",
        "a reserved byte that is not zero",
        tiny().put(good.index + 63, "B", 1).mend().data,
    )
    yield "index-padding", "padding", "a byte after the names", tiny().put(good.names + 7, "B", 1).mend().data
    yield "tensor-count-huge", "limit", "2^32 - 1 tensors", tiny().put(good.index, "I", (1 << 32) - 1).mend().data
    yield "tensor-count", "index", "a tensor too many", tiny().put(good.index, "I", 2).mend().data
    yield "tile-count-huge", "limit", "2^32 - 1 tiles", tiny().put(good.index + 4, "I", (1 << 32) - 1).mend().data
    yield (
        "name-bytes-huge",
        "limit",
        "2^32 - 1 bytes of names",
        tiny().put(good.index + 8, "I", (1 << 32) - 1).mend().data,
    )
    padding = good.metadata - 1
    yield "padding-before-tensors", "padding", "a byte in the padding", tiny().put(100, "B", 1).data
    yield "padding-before-metadata", "padding", "a byte in the padding", tiny().put(padding, "B", 1).data
    yield "padding-before-index", "padding", "a byte in the padding", tiny().put(good.index - 1, "B", 1).data
    yield "padding-before-footer", "padding", "a byte in the padding", tiny().put(good.footer - 1, "B", 1).data
    yield "padding-between-tiles", "padding", "a byte in the padding", pair().put(4096 + 30, "B", 1).data
    digest = tiny().put(good.footer + 80, "B", good.data[good.footer + 80] ^ 1).mend()
    yield "model-digest", "model-digest", "another digest in the footer", digest.data
    digest = tiny().put(good.tensor(0) + 144, "B", good.data[good.tensor(0) + 144] ^ 1).mend()
    yield "content-digest", "content-digest", "another digest in the record", digest.data


def metadata_files():
    good = tiny()
    yield "metadata-damaged", "metadata-checksum", "a flipped bit", tiny().put(good.metadata, "B", 0).data

    def metadata(name, why, stored, size=None):
        data = tiny().put_metadata(stored, len(stored) if size is None else size).mend_ends().data
        return name, "metadata-content", why, data

    yield metadata("metadata-not-json", "text that is not JSON", b"{model}")
    yield metadata("metadata-list", "a list", b"[1]")
    yield metadata("metadata-key-twice", "a key twice", b'{"a.b":1,"a.b":2}')
    yield metadata("metadata-nan", "a number that JSON does not have", b'{"a.b":NaN}')
    yield metadata("metadata-not-utf8", "a string that is not UTF-8", b'{"a.b":"\xff"}')
    yield metadata("metadata-deep", "1,000 levels of lists", frame(b'{"a.b":' + b"[" * 1000 + b"]" * 1000 + b"}"), 2008)
    yield metadata("metadata-frame", "no zstd frame", b"{}", 3)
    yield metadata("metadata-bomb", "a frame of 1 MiB where 1000 bytes are stated", frame(bytes(1 << 20)), 1000)


def tensor_files():
    """Tensor records, names and their order."""
    good = tiny()
    record = good.tensor(0)

    def tensor(name, code, why, offset, format, *values):
        return name, code, why, tiny().put(record + offset, format, *values).mend().data

    yield tensor("record-reserved", "padding", "a reserved byte that is not zero", 191, "B", 1)
    yield tensor("name-elsewhere", "layout", "a name that does not follow those before", 0, "I", 1)
    yield tensor("name-outside", "layout", "a name that reaches past the names", 4, "H", 7)
    yield tensor("name-bytes-left", "index", "bytes of names that belong to no tensor", 4, "H", 5)
    yield tensor("name-empty", "name", "a name without bytes", 4, "H", 0)
    yield "name-control", "name", "a line end in a name", tiny().put(good.names, "B", 10).mend().data
    yield "name-not-utf8", "name", "a name that is not UTF-8", tiny().put(good.names, "B", 0xC0).mend().data
    long = File(write([Tensor("n" * 1025, "u8", (1,), b"1"), Tensor("m", "u8", (1,), b"1")], {}))
    yield "name-long", "name", "a name of 1025 bytes", long.data
    yield "name-twice", "order", "two tensors of one name", pair().put(pair().names + 1, "B", ord("a")).mend().data
    yield "order-wrong", "order", "an order that is not ascending", pair().put(pair().order, "III", 1, 0, 2).mend().data
    yield "order-repeats", "order", "a tensor twice in the order", pair().put(pair().order, "III", 0, 1, 1).mend().data
    yield (
        "order-outside",
        "order",
        "a tensor in the order that does not exist",
        (tiny().put(good.order, "I", 1).mend().data),
    )
    yield tensor("encoding", "encoding", "an unknown encoding", 16, "B", 99)
    yield tensor("role", "encoding", "an unknown role", 17, "B", 2)
    yield tensor("attachment", "encoding", "an attachment of floats", 17, "B", 1)
    yield tensor("flags", "padding", "an unknown flag", 19, "B", 2)
    yield tensor("rank", "shape", "nine dimensions", 18, "B", 9)
    yield tensor("extent-huge", "shape", "an extent of 2^63", 32, "Q", 1 << 63)
    yield tensor("extents-overflow", "shape", "2^64 elements", 32, "QQ", 1 << 32, 1 << 32)
    yield tensor("bytes-overflow", "shape", "2^62 elements of 4 bytes", 32, "QQ", 1 << 31, 1 << 31)
    yield tensor("extent-past-rank", "padding", "an extent past the last dimension", 48, "Q", 1)
    yield tensor("statistics-absent", "padding", "statistics without their flag", 112, "d", 1.0)
    yield tensor("statistics-nan", "statistics", "an error that is no number", 19, "B92xdddQ", 1, float("nan"), 0, 0, 6)
    yield tensor("statistics-negative", "statistics", "a negative error", 19, "B92xdddQ", 1, 1, -1, 0, 6)
    yield (
        "quantized-width",
        "shape",
        "quantized rows of 33 elements",
        (quantized().put(quantized().tensor(0) + 40, "Q", 33).mend().data),
    )
    yield (
        "quantized-empty",
        "tiles",
        "a quantized tensor without elements",
        (quantized().put(quantized().tensor(0) + 32, "Q", 0).mend().data),
    )
    yield tensor("rows-per-tile-zero", "tiles", "tiles without rows", 20, "I", 0)
    yield tensor("rows-per-tile", "tiles", "tiles of more rows than there are", 20, "I", 3)
    yield (
        "rows-per-tile-group",
        "tiles",
        "tiles of half a group",
        (quantized().put(quantized().tensor(0) + 20, "I", 8).mend().data),
    )
    yield tensor("tile-huge", "limit", "a tile of 4 GiB", 32, "QQ", 2, 1 << 29)
    yield tensor("tensor-tile-count", "tiles", "a tile less than rows need", 28, "I", 0)
    yield tensor("first-tile", "tiles", "tiles of another tensor", 24, "I", 1)
    yield tensor("tensor-offset", "layout", "a tensor on the next page", 96, "Q", 8192)
    yield tensor("tensor-offset-overflow", "layout", "a tensor that ends past 2^64", 96, "Q", (1 << 64) - 4096)
    yield tensor("tensor-size", "layout", "a tensor that ends elsewhere", 104, "Q", 25)
    overlap = pair()
    overlap.put(overlap.tensor(1) + 96, "Q", 4096).put(overlap.tile(2), "Q", 4096)
    yield "overlap", "layout", "two tensors at one place", overlap.mend().data
    empty = File(write([Tensor("w", "u8", (0,), b"")], {}))
    yield (
        "empty-with-place",
        "layout",
        "a tensor without elements that has a place",
        (empty.put(empty.tensor(0) + 96, "Q", 4096).mend().data),
    )
    less = pair()
    less.put(less.tensor(1) + 32, "Q", 0).put(less.tensor(1) + 20, "I", 0).put(less.tensor(1) + 28, "I", 0)
    less.put(less.tensor(1) + 96, "QQ", 0, 0)
    yield "tile-of-nobody", "index", "a tile that belongs to no tensor", less.mend().data

    alias = pair().tensor(2)
    yield (
        "alias-outside",
        "index",
        "an alias of a tensor that does not exist",
        pair().put(alias + 8, "I", 3).mend().data,
    )
    yield "alias-of-itself", "alias", "an alias of itself", pair().put(alias + 8, "I", 2).mend().data
    yield "alias-shape", "alias", "an alias of another shape", pair().put(alias + 32, "QQ", 4, 9).mend().data
    yield (
        "alias-of-another",
        "alias",
        "an alias whose record is another tensor's",
        pair().put(alias + 8, "I", 1).mend().data,
    )
    chain = pair()
    chain.data[chain.tensor(1) : chain.tensor(1) + 192] = chain.data[chain.tensor(2) : chain.tensor(2) + 192]
    chain.put(chain.tensor(1), "IH", 1, 1).put(chain.tensor(2) + 8, "I", 1)
    yield "alias-of-alias", "alias", "an alias of an alias", chain.mend().data
    attachment = File(write([Tensor("t", "u8", (8,), bytes(8), role=1)], {}, [("u", "t")]))
    yield "alias-of-attachment", "alias", "an alias of an attachment", attachment.data


def tile_files():
    """Tile records and stored bytes."""

    def tile(name, code, why, offset, format, *values, base=tiny):
        file = base()
        return name, code, why, file.put(file.tile(0) + offset, format, *values).mend().data

    yield tile("tile-offset", "layout", "a tile elsewhere", 0, "Q", 4160)
    yield tile("tile-offset-huge", "layout", "a tile at 2^64 - 8", 0, "Q", (1 << 64) - 8)
    yield tile("tile-size", "tiles", "a stored tile that is too short", 8, "I", 20)
    yield tile("tile-codec", "tiles", "an unknown codec", 12, "I", 5)
    yield tile("tile-scale", "tiles", "a plain tile with a scale", 16, "f", 2)
    yield tile("tile-reserved", "padding", "a reserved byte that is not zero", 20, "I", 1)
    yield tile("tile-scale-nan", "tiles", "a scale that is no number", 16, "f", float("nan"), base=quantized)
    yield tile("tile-scale-negative", "tiles", "a negative scale", 16, "f", -1, base=quantized)
    yield tile("tile-scale-minus-zero", "tiles", "a scale of minus zero", 16, "f", -0.0, base=quantized)
    yield tile("tile-size-zero", "tiles", "a compressed tile without bytes", 8, "II", 0, ZSTD)
    yield tile("tile-not-smaller", "tiles", "a compressed tile that is no smaller", 12, "I", ZSTD)
    yield tile(
        "planes-of-bytes", "tiles", "byte planes of single bytes", 12, "I", PLANES, base=lambda: compressed(ZSTD, "u8")
    )
    yield tile("planes-of-codes", "tiles", "byte planes of quantized groups", 8, "II", 100, PLANES, base=quantized)
    late = compressed(ZSTD, "u8")
    (size,) = struct.unpack_from("<I", late.data, late.tile(0) + 8)
    late.put(late.tile(0) + 8, "I", size + 64).put(late.tensor(0) + 104, "Q", size + 64)
    yield "tile-in-metadata", "layout", "a tile that reaches into the metadata", late.mend().data
    yield "tile-damaged", "tile-checksum", "a flipped bit", tiny().put(4096, "B", 1).data
    damaged = compressed(PLANES)
    yield "tile-damaged-planes", "tile-checksum", "a flipped bit", damaged.put(4500, "B", damaged.data[4500] ^ 1).data

    for name, why, stored in odd_frames():
        size = 300 if name == "frame-window" else 200
        file = with_tile("u8", size, stored, ZSTD)
        yield name, "tile-content", why, file.data
    # 256 elements of 2 bytes: two planes of 256.
    plane = bytes(256)
    packed = frame(plane)
    sizes = struct.pack
    for name, why, stored in [
        ("planes-short", "less than the sizes of the planes", sizes("<I", 4)),
        ("planes-outside", "a plane that reaches past the tile", sizes("<II", 256, 256) + packed),
        ("planes-large", "a plane with too many bytes", sizes("<II", 257, 1) + bytes(258)),
        ("planes-size-huge", "a plane of 4 GiB", sizes("<II", 2**32 - 1, 2**32 - 1) + packed),
        ("planes-left", "bytes after the planes", sizes("<II", len(packed), len(packed)) + packed * 2 + b"\0"),
        ("planes-empty", "a plane without bytes", sizes("<II", 0, 256) + plane),
        (
            "planes-frame",
            "a frame of another size",
            sizes("<II", 256, len(frame(bytes(255)))) + plane + frame(bytes(255)),
        ),
    ]:
        yield name, "tile-content", why, with_tile("f16", 512, stored, PLANES).data


def relative_files():
    """Packed deltas: tiles that are stored relative to a base."""
    content = struct.pack("<64e", *bell(64))

    def relative(codec, encoding="f16", required=BASE, base=content):
        return File(write([Tensor("w", encoding, (64,), content, codecs=(codec,), base=base)], {}, required=required))

    def tile(name, code, why, offset, format, *values, base):
        return name, code, why, base.put(base.tile(0) + offset, format, *values).mend().data

    yield "unchanged-without-base", "tiles", "an unchanged tile without the flag", relative(UNCHANGED, required=0).data
    yield (
        "difference-without-base",
        "tiles",
        "a tile of differences without the flag",
        relative(DIFFERENCE, required=0, base=shifted_content(content)).data,
    )
    yield tile("unchanged-size", "tiles", "an unchanged tile of 9 bytes", 8, "I", 9, base=relative(UNCHANGED))
    yield tile(
        "unchanged-of-codes",
        "tiles",
        "an unchanged quantized tile",
        8,
        "II",
        8,
        UNCHANGED,
        base=File(write([Tensor("w", "q8", (16, 32), bytes(544))], {}, required=BASE)),
    )
    integers = File(write([Tensor("w", "i16", (64,), content, codecs=(ZSTD,))], {}, required=BASE))
    yield tile("difference-of-integers", "tiles", "differences of integers", 12, "I", DIFFERENCE, base=integers)
    near = shifted_content(content)
    yield tile(
        "difference-short", "tiles", "differences without streams", 8, "I", 12, base=relative(DIFFERENCE, base=near)
    )
    yield tile(
        "difference-large",
        "tiles",
        "differences that are no smaller than the tile",
        8,
        "I",
        len(content),
        base=relative(DIFFERENCE, base=near),
    )
    damaged = relative(DIFFERENCE, base=near)
    (offset,) = struct.unpack_from("<Q", damaged.data, damaged.tile(0))
    damaged.put(offset + 14, "B", damaged.data[offset + 14] ^ 1)
    yield "difference-damaged", "tile-checksum", "a flipped bit", damaged.data
    aligned = File(write([Tensor("w", "f16", (64,), content)], {}))
    aligned.put(16, "Q", BASE).put(aligned.footer + 8, "Q", BASE)
    yield "packed-delta-aligned", "layout", "a tensor of a packed delta on a page of its own", aligned.mend().data
    tensors, _, metadata = packed_delta()
    digest = File(write(tensors, metadata, required=BASE))
    digest.put(digest.tensor(7) + 144, "B", digest.data[digest.tensor(7) + 144] ^ 1)
    yield (
        "packed-delta-digest",
        "content-digest",
        "another digest of a tensor that needs no base",
        digest.mend().data,
    )


def shifted_content(content):
    """f16 numbers that differ from others by their last bit."""
    return bytes(byte ^ (place % 2 == 0) for place, byte in enumerate(content))


def with_tile(encoding, size, stored, codec):
    """A container with one tile of `size` zero bytes, stored as `stored`, which may be wrong."""
    elements = size // (2 if encoding == "f16" else 1)
    file = File(write([Tensor("w", encoding, (elements,), bytes(size), codecs=(STORED,))], {}))
    tail = file.data[file.metadata :]
    data = file.data[:4096] + stored
    data += bytes(-len(data) % 64)
    result = File(move(file, data + tail, len(data) - file.metadata))
    result.put(result.tensor(0) + 104, "Q", len(stored))
    result.put(result.tile(0) + 8, "II", len(stored), codec).put(result.tile(0) + 24, "Q", xxh3(stored))
    return result.mend()


def move(file, data, distance):
    """Repairs the footer's offsets after the metadata and everything behind it have moved."""
    data = bytearray(data)
    footer = len(data) - 128
    struct.pack_into("<QQ", data, footer + 24, len(data), file.metadata + distance)
    struct.pack_into("<Q", data, footer + 56, file.index + distance)
    return data


def bad_files():
    """(name, code, why, bytes) of every bad file."""
    for group in (structure_files, metadata_files, tensor_files, tile_files, relative_files):
        for name, code, why, data in group():
            yield name, code, why, bytes(data)
