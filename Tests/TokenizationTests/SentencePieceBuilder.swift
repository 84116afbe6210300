/// Writes a tokenizer.model field by field. It need not be valid.
struct SentencePieceBuilder {
    var bytes: [UInt8] = []

    /// A small model that works: `<unk> <s> </s>`, 256 bytes and some pieces.
    static func small(byteFallback: Bool = true, extra: [(String, Float, UInt64)] = []) -> SentencePieceBuilder {
        var model = SentencePieceBuilder()
        model.piece("<unk>", score: 0, kind: 2)
        model.piece("<s>", score: 0, kind: 3)
        model.piece("</s>", score: 0, kind: 3)
        if byteFallback {
            for byte in 0..<256 {
                let digits = String(byte, radix: 16, uppercase: true)
                model.piece("<0x\(byte < 16 ? "0" : "")\(digits)>", score: 0, kind: 6)
            }
        }
        for (place, text) in ["▁", "a", "b", "c", "▁a", "ab", "bc", "abc", "▁ab"].enumerated() {
            model.piece(text, score: -Float(place))
        }
        for (text, score, kind) in extra { model.piece(text, score: score, kind: kind) }
        model.trainer(byteFallback: byteFallback)
        model.normalizer()
        return model
    }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func integer(_ field: UInt64, _ value: UInt64) {
        varint(field << 3)
        varint(value)
    }

    mutating func float(_ field: UInt64, _ value: Float) {
        varint(field << 3 | 5)
        for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift)) }
    }

    mutating func message(_ field: UInt64, _ content: [UInt8]) {
        varint(field << 3 | 2)
        varint(UInt64(content.count))
        bytes += content
    }

    mutating func piece(_ text: String, score: Float, kind: UInt64 = 1) {
        var piece = SentencePieceBuilder()
        piece.message(1, Array(text.utf8))
        piece.float(2, score)
        if kind != 1 { piece.integer(3, kind) }
        message(1, piece.bytes)
    }

    mutating func trainer(
        type: UInt64 = 2, byteFallback: Bool = true, _ more: (inout SentencePieceBuilder) -> Void = { _ in }
    ) {
        var trainer = SentencePieceBuilder()
        trainer.integer(3, type)
        trainer.integer(35, byteFallback ? 1 : 0)
        more(&trainer)
        message(2, trainer.bytes)
    }

    mutating func normalizer(_ more: (inout SentencePieceBuilder) -> Void = { _ in }) {
        var normalizer = SentencePieceBuilder()
        normalizer.message(1, Array("identity".utf8))
        normalizer.integer(4, 0)
        more(&normalizer)
        message(3, normalizer.bytes)
    }
}
