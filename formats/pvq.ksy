meta:
  id: pvq
  title: PVQ model container, version 1
  file-extension: pvq
  license: Apache-2.0
  ks-version: "0.11"
  endian: le
  encoding: UTF-8
doc: |
  Tensors in tiles that can be used from a memory map, attachments and metadata. `pvq.md` beside this file is normative and
  says what is not said here: checksums (XXH3 with 64 bits), digests (SHA-256), zstd frames, limits and padding.
seq:
  - id: header
    type: header
instances:
  footer:
    pos: _io.size - 128
    type: footer
  metadata:
    pos: footer.metadata_offset
    size: footer.metadata_stored_size
    doc: A JSON object; one zstd frame unless stored size and size are equal.
  index:
    pos: footer.index_offset
    size: footer.index_size
    type: index
types:
  features:
    seq:
      - id: version
        type: u4
        valid: 1
      - id: reserved
        type: u4
        valid: 0
      - id: required
        type: u8
        valid:
          max: 1
        doc: Flags of features that a reader must know. Bit 0 means a packed delta (packed_delta.md).
      - id: ignorable
        type: u8
        doc: Flags of features that a reader may ignore.
  header:
    seq:
      - id: magic
        contents: [0x89, PVQ, 0x0d, 0x0a, 0x1a, 0x0a]
      - id: features
        type: features
      - id: reserved
        size: 24
      - id: checksum
        type: u8
        doc: XXH3 of the 56 bytes before.
  footer:
    seq:
      - id: features
        type: features
      - id: file_size
        type: u8
        valid: _root._io.size
      - id: metadata_offset
        type: u8
      - id: metadata_stored_size
        type: u4
      - id: metadata_size
        type: u4
        valid:
          max: 67108864
      - id: metadata_checksum
        type: u8
      - id: index_offset
        type: u8
        valid: (metadata_offset + metadata_stored_size + 63) / 64 * 64
      - id: index_size
        type: u8
        valid:
          max: file_size
      - id: index_checksum
        type: u8
      - id: model_digest
        size: 32
      - id: checksum
        type: u8
        doc: XXH3 of the 112 bytes before.
      - id: magic
        contents: ["PVQ-END", 0x0a]
  index:
    seq:
      - id: tensor_count
        type: u4
        valid:
          max: 1048576
      - id: tile_count
        type: u4
        valid:
          max: 16777216
      - id: name_bytes
        type: u4
        valid:
          max: tensor_count * 1024
      - id: reserved
        size: 52
      - id: tensors
        type: tensor
        repeat: expr
        repeat-expr: tensor_count
      - id: tiles
        type: tile
        repeat: expr
        repeat-expr: tile_count
      - id: order
        type: u4
        repeat: expr
        repeat-expr: tensor_count
        doc: Numbers of tensors in ascending order of their names.
      - id: names
        size: name_bytes
      - id: padding
        size-eos: true
    instances:
      names_offset:
        value: 64 + 192 * tensor_count + 32 * tile_count + 4 * tensor_count
  tensor:
    seq:
      - id: name_offset
        type: u4
      - id: name_size
        type: u2
        valid:
          min: 1
          max: 1024
      - id: reserved_1
        type: u2
        valid: 0
      - id: alias_of
        type: u4
        doc: The number of the tensor that this is a second name of, or 0xffffffff.
      - id: reserved_2
        type: u4
        valid: 0
      - id: encoding
        type: u1
        enum: encoding
        valid:
          in-enum: true
      - id: role
        type: u1
        enum: role
        valid:
          in-enum: true
      - id: rank
        type: u1
        valid:
          max: 8
      - id: flags
        type: u1
        valid:
          max: 1
      - id: rows_per_tile
        type: u4
      - id: first_tile
        type: u4
      - id: tile_count
        type: u4
      - id: extents
        type: u8
        repeat: expr
        repeat-expr: 8
        doc: Outermost first; zero from the rank on.
      - id: offset
        type: u8
      - id: stored_size
        type: u8
      - id: squared_error
        type: f8
      - id: maximum_error
        type: f8
      - id: squared_sum
        type: f8
      - id: count
        type: u8
      - id: content_digest
        size: 32
      - id: reserved_3
        size: 16
    instances:
      has_statistics:
        value: flags == 1
      is_alias:
        value: alias_of != 0xffffffff
      name:
        io: _parent._io
        pos: _parent.names_offset + name_offset
        size: name_size
        type: str
    enums:
      encoding:
        1: f32
        2: f16
        3: bf16
        4: f64
        5: i64
        6: i32
        7: i16
        8: i8
        9: u8
        10: bool
        32: q8
        33: q4
      role:
        0: parameter
        1: attachment
  tile:
    seq:
      - id: offset
        type: u8
      - id: stored_size
        type: u4
      - id: codec
        type: u4
        enum: codec
        valid:
          in-enum: true
      - id: scale
        type: f4
      - id: reserved
        type: u4
        valid: 0
      - id: checksum
        type: u8
        doc: XXH3 of the stored bytes.
    instances:
      stored:
        io: _root._io
        pos: offset
        size: stored_size
        doc: Decoded bytes, one zstd frame, byte planes, or what a packed delta has, as the codec says.
      unchanged:
        io: _root._io
        pos: offset
        type: u8
        if: codec == codec::unchanged
        doc: XXH3 of the decoded bytes, which are those of the base.
      difference:
        io: _root._io
        pos: offset
        size: stored_size
        type: difference
        if: codec == codec::difference
    enums:
      codec:
        0: stored
        1: zstd
        2: zstd_planes
        3: unchanged
        4: difference
  difference:
    doc: Differences from the numbers of the base (packed_delta.md).
    seq:
      - id: content_checksum
        type: u8
        doc: XXH3 of the decoded bytes.
      - id: coded_size
        type: u4
      - id: coded
        size: coded_size
      - id: raw_bits
        size-eos: true
