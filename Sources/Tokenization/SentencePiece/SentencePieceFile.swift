import Storage

/// The content of a `tokenizer.model`: the message ModelProto of sentencepiece_model.proto, as far as encoding and
/// decoding need it.
struct SentencePieceFile: Sendable {
    /// The pieces; the number of a piece is its id.
    private(set) var pieces = TokenTable()
    /// The score of each piece; merges that make pieces with higher scores come first.
    private(set) var scores: [Float] = []
    /// What each piece is.
    private(set) var kinds: [PieceKind] = []
    /// The piece for unknown characters.
    private(set) var unknown = 0
    /// The piece of each byte when characters that are no pieces are written in bytes, else nil.
    private(set) var bytePieces: [Int]?
    private(set) var addsDummyPrefix = true
    private(set) var removesExtraWhiteSpace = true
    private(set) var escapesWhiteSpace = true
    private(set) var beginningPiece = Array("<s>".utf8)
    private(set) var endPiece = Array("</s>".utf8)
    /// What an unknown token becomes in decoded text.
    private(set) var unknownSurface = Array(" \u{2047} ".utf8)

    private var hasByteFallback = false

    /// Reads and checks a model.
    ///
    /// - Throws: `tokenizer.invalid` for a malformed file; `tokenizer.unsupported` for another algorithm than BPE, a
    ///   normalization table, or pieces of type UNUSED that merges lead to.
    init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= TokenizerLimits.sentencePieceByteCount else {
            throw PVITError.badTokenizer(
                "tokenizer.model is \(bytes.count) bytes long; at most \(TokenizerLimits.sentencePieceByteCount) are read"
            )
        }
        // The pieces of a large vocabulary take about 16 bytes each; the table grows where they take less.
        pieces = TokenTable(capacity: min(bytes.count / 16, TokenizerLimits.vocabularyCount))
        var isBPE = false
        var hasNormalizer = false
        var reader = ProtobufReader(bytes)
        while let (field, content) = try reader.next() {
            switch (field, content) {
            case (1, .bytes(let range)): try addPiece(ProtobufReader(bytes, range))
            case (2, .bytes(let range)): isBPE = try readTrainer(ProtobufReader(bytes, range), isBPE: isBPE)
            case (3, .bytes(let range)):
                try readNormalizer(ProtobufReader(bytes, range))
                hasNormalizer = true
            case (5, .bytes(let range)): try refuseDenormalizer(ProtobufReader(bytes, range))
            case (1, _), (2, _), (3, _), (5, _):
                throw PVITError.badTokenizer("tokenizer.model has a field \(field) of the wrong type")
            default: break
            }
        }
        // It comes last; every program that trains models writes it.
        guard hasNormalizer else {
            throw PVITError.badTokenizer("tokenizer.model has no normalizer_spec; it may be cut off")
        }
        guard pieces.count > 0 else { throw PVITError.badTokenizer("tokenizer.model has no pieces") }
        guard isBPE else {
            throw PVITError.unsupportedTokenizer("tokenizer.model is not a BPE model (its trainer_spec.model_type)")
        }
        try findUnknown()
        try findBytePieces()
        try checkUnusedPieces()
    }

    private mutating func addPiece(_ message: ProtobufReader) throws {
        var reader = message
        var piece: Range<Int>?
        var score: Float = 0
        var kind = PieceKind.normal
        let id = pieces.count
        guard id < TokenizerLimits.vocabularyCount else {
            throw PVITError.badTokenizer("tokenizer.model has more than \(TokenizerLimits.vocabularyCount) pieces")
        }
        while let (field, content) = try reader.next() {
            switch (field, content) {
            case (1, .bytes(let range)): piece = range
            case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
            case (3, .integer(let number)):
                guard let known = Int(exactly: number).flatMap(PieceKind.init) else {
                    throw PVITError.badTokenizer("piece \(id) has the unknown type \(Int64(bitPattern: number))")
                }
                kind = known
            case (1, _), (2, _), (3, _):
                throw PVITError.badTokenizer("piece \(id) has a field \(field) of the wrong type")
            default: break
            }
        }
        guard let piece, !piece.isEmpty else { throw PVITError.badTokenizer("piece \(id) is empty") }
        guard !score.isNaN else { throw PVITError.badTokenizer("the score of piece \(id) is not a number") }
        let text = message.bytes.span.extracting(piece)
        guard UTF8Repair.isValid(text) else { throw PVITError.badTokenizer("piece \(id) is not valid UTF-8") }
        guard text.count <= TokenizerLimits.pieceByteCount else {
            throw PVITError.badTokenizer("piece \(id) is longer than \(TokenizerLimits.pieceByteCount) bytes")
        }
        guard pieces.index(pieces.append(text)) else {
            throw PVITError.badTokenizer(
                "piece \(id) repeats an earlier one, \"\(String(decoding: pieces[id], as: UTF8.self))\"")
        }
        scores.append(score)
        kinds.append(kind)
    }

    /// Reads TrainerSpec; returns whether the model is BPE.
    private mutating func readTrainer(_ message: ProtobufReader, isBPE: Bool) throws -> Bool {
        var reader = message
        var isBPE = isBPE
        while let (field, content) = try reader.next() {
            switch (field, content) {
            case (3, .integer(let type)): isBPE = type == 2
            case (24, .integer(let flag)):
                guard flag == 0 else {
                    throw PVITError.unsupportedTokenizer("tokenizer.model has treat_whitespace_as_suffix")
                }
            case (35, .integer(let flag)): hasByteFallback = flag != 0
            case (44, .bytes(let range)): unknownSurface = UTF8Repair.repair(Array(reader.bytes[range]), .eachByte)
            case (46, .bytes(let range)): beginningPiece = Array(reader.bytes[range])
            case (47, .bytes(let range)): endPiece = Array(reader.bytes[range])
            case (3, _), (24, _), (35, _), (44, _), (46, _), (47, _):
                throw PVITError.badTokenizer("trainer_spec has a field \(field) of the wrong type")
            default: break
            }
        }
        return isBPE
    }

    private mutating func readNormalizer(_ message: ProtobufReader) throws {
        var reader = message
        var name = ""
        var hasTable = false
        while let (field, content) = try reader.next() {
            switch (field, content) {
            case (1, .bytes(let range)): name = String(decoding: reader.bytes[range], as: UTF8.self)
            case (2, .bytes(let range)): hasTable = !range.isEmpty
            case (3, .integer(let flag)): addsDummyPrefix = flag != 0
            case (4, .integer(let flag)): removesExtraWhiteSpace = flag != 0
            case (5, .integer(let flag)): escapesWhiteSpace = flag != 0
            case (1, _), (2, _), (3, _), (4, _), (5, _):
                throw PVITError.badTokenizer("normalizer_spec has a field \(field) of the wrong type")
            default: break
            }
        }
        guard !hasTable else {
            throw PVITError.unsupportedTokenizer(
                "tokenizer.model normalizes text by a table (precompiled_charsmap, \"\(name)\"); only identity is supported"
            )
        }
    }

    private func refuseDenormalizer(_ message: ProtobufReader) throws {
        var reader = message
        while let (field, content) = try reader.next() {
            if field == 2, case .bytes(let range) = content, !range.isEmpty {
                throw PVITError.unsupportedTokenizer("tokenizer.model has a denormalizer_spec with a table")
            }
        }
    }

    private mutating func findUnknown() throws {
        let unknowns = kinds.indices.filter { kinds[$0] == .unknown }
        guard let first = unknowns.first, unknowns.count == 1 else {
            throw PVITError.badTokenizer("tokenizer.model has \(unknowns.count) pieces of type UNKNOWN, not one")
        }
        unknown = first
    }

    /// Refuses pieces of type UNUSED that encoding would merge and then take apart again. Those that no two others
    /// make, such as those that only fill the table, never come up.
    private func checkUnusedPieces() throws {
        for id in kinds.indices where kinds[id] == .unused {
            let piece = Array(pieces[id])
            func isSymbol(_ range: Range<Int>) -> Bool {
                if UTF8Scalars.length(startingWith: piece[range.lowerBound]) == range.count { return true }
                guard let other = pieces.number(of: piece[range].span) else { return false }
                return kinds[other] == .normal || kinds[other] == .unused
            }
            let cuts = piece.indices.dropFirst().filter { !UTF8.isContinuation(piece[$0]) }
            let isMade = cuts.contains { isSymbol(0..<$0) && isSymbol($0..<piece.count) }
            guard !cuts.isEmpty, !isMade else {
                throw PVITError.unsupportedTokenizer(
                    "piece \(id), \"\(String(decoding: piece, as: UTF8.self))\", has the type UNUSED and others merge to it"
                )
            }
        }
    }

    private mutating func findBytePieces() throws {
        var numbers = Array(repeating: -1, count: 256)
        var found = 0
        for id in kinds.indices where kinds[id] == .byte {
            guard hasByteFallback else {
                throw PVITError.badTokenizer("piece \(id) has the type BYTE although byte_fallback is off")
            }
            guard let byte = ByteToken.byte(of: pieces[id]) else {
                throw PVITError.badTokenizer("piece \(id) has the type BYTE and is not like \"<0x0A>\"")
            }
            if numbers[Int(byte)] < 0 { found += 1 }
            numbers[Int(byte)] = id
        }
        guard hasByteFallback else { return }
        guard found == 256 else {
            throw PVITError.badTokenizer("byte_fallback is on and only \(found) of 256 bytes have pieces")
        }
        bytePieces = numbers
    }
}

/// Pieces such as `<0x0A>` that stand for one byte.
enum ByteToken {
    /// The piece of a byte.
    static func piece(of byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)], UInt8(ascii: ">")]
    }

    /// The byte that a piece stands for, or nil. Digits may be lower-case, as in the libraries' decoders.
    static func byte(of piece: some RandomAccessCollection<UInt8>) -> UInt8? {
        let characters = Array(piece)
        guard characters.count == 6, characters.starts(with: "<0x".utf8), characters[5] == UInt8(ascii: ">"),
            let high = hexadecimal(characters[3]), let low = hexadecimal(characters[4])
        else { return nil }
        return high << 4 | low
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
