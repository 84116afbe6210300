import Storage

/// The JSON of a tokenizer.json. The vocabulary and the merges, nearly all of the file, are read straight into tables.
struct TokenizerDocument {
    /// Everything else. `model.vocab` and `model.merges` are replaced by an empty object and an empty list.
    private(set) var root = JSONObject()
    /// `model.vocab`; nil if it is not an object.
    private(set) var vocabulary: VocabularyMembers?
    /// `model.merges`, by indices into the vocabulary, or the first error in it; nil if it is not a list.
    private(set) var merges: Result<[ListedMerge], PVITError>?

    /// Reads a file.
    ///
    /// - Throws: `json.invalid` and `json.duplicate-key`; `tokenizer.invalid` if the file is not an object.
    init(parsing bytes: [UInt8]) throws {
        var reader = JSONReader(bytes)
        guard reader.nextKind() == .object else {
            _ = try reader.readValue()
            try reader.finish()
            throw PVITError.badTokenizer("tokenizer.json is not an object")
        }
        try reader.beginObject()
        var key: [UInt8] = []
        while try reader.nextKey(into: &key) {
            let name = String(decoding: key, as: UTF8.self)
            let isModel = name == "model" && root[name] == nil && reader.nextKind() == .object
            let value = try isModel ? .object(readModel(&reader, byteCount: bytes.count)) : reader.readValue()
            guard root.append(value, for: name) else { throw reader.duplicateKey(name) }
        }
        try reader.finish()
    }

    private mutating func readModel(_ reader: inout JSONReader, byteCount: Int) throws -> JSONObject {
        var model = JSONObject()
        var earlyMerges: JSONReader.Mark?
        try reader.beginObject()
        var key: [UInt8] = []
        while try reader.nextKey(into: &key) {
            let name = String(decoding: key, as: UTF8.self)
            let kind = reader.nextKind()
            var value = JSONValue.null
            switch name {
            case "vocab" where vocabulary == nil && kind == .object:
                vocabulary = try VocabularyMembers(&reader, fileByteCount: byteCount)
                value = .object([:])
            case "merges" where merges == nil && kind == .array:
                if let vocabulary {
                    merges = try Self.readMerges(&reader, vocabulary.keys)
                } else {
                    earlyMerges = reader.mark
                    _ = try reader.readValue()
                }
                value = .array([])
            default: value = try reader.readValue()
            }
            guard model.append(value, for: name) else { throw reader.duplicateKey(name) }
        }
        if let earlyMerges {
            let end = reader.mark
            reader.return(to: earlyMerges)
            merges = try Self.readMerges(&reader, vocabulary?.keys ?? TokenTable())
            reader.return(to: end)
        }
        return model
    }

    /// Reads the list of merges. An invalid merge is returned, not thrown, so that malformed JSON after it is found
    /// first.
    private static func readMerges(
        _ reader: inout JSONReader, _ tokens: TokenTable
    ) throws -> Result<[ListedMerge], PVITError> {
        var merges: [ListedMerge] = []
        merges.reserveCapacity(tokens.count)
        var text: [UInt8] = []
        var line = 0
        // Training numbers tokens in the order of the merges that make them.
        var guess = 0
        try reader.beginArray()
        while try reader.nextElement() {
            let start = reader.mark
            guard let cut = try readMerge(&reader, into: &text) else {
                if !text.starts(with: "#version".utf8) {
                    reader.return(to: start)
                    return try failure(&reader, line)
                }
                line += 1
                continue
            }
            let span = text.span
            guard cut > 0, cut < text.count, let left = tokens.number(of: span.extracting(0..<cut)),
                let right = tokens.number(of: span.extracting(cut..<text.count)),
                let merged = tokens.number(of: span, guess: guess)
            else {
                reader.return(to: start)
                return try failure(&reader, line)
            }
            merges.append(ListedMerge(left: Symbol(left), right: Symbol(right), merged: Symbol(merged)))
            guess = merged + 1
            line += 1
        }
        return .success(merges)
    }

    /// Reads an entry in the list of merges.
    ///
    /// - Parameter text: Becomes the text of both tokens together. If the entry is a string and nil is returned, it
    ///   becomes that string.
    /// - Returns: The position in `text` where the second token starts; nil if the entry is not two tokens. After nil
    ///   the reader may be anywhere inside the entry, unless the entry is a string.
    private static func readMerge(_ reader: inout JSONReader, into text: inout [UInt8]) throws -> Int? {
        text.removeAll(keepingCapacity: true)
        switch reader.nextKind() {
        case .string:
            try reader.readString(into: &text)
            if text.first == UInt8(ascii: "#"), text.starts(with: "#version".utf8) { return nil }
            return removeSpace(from: &text)
        case .array:
            try reader.beginArray()
            guard try reader.nextElement(), reader.nextKind() == .string else { return nil }
            try reader.readString(into: &text)
            let cut = text.count
            guard try reader.nextElement(), reader.nextKind() == .string else { return notText(&text) }
            try reader.readString(into: &text)
            return try reader.nextElement() ? notText(&text) : cut
        default: return nil
        }
    }

    /// Removes the only space from a text and returns its position. Returns nil and leaves the text if there is not
    /// exactly one space.
    private static func removeSpace(from text: inout [UInt8]) -> Int? {
        var space: Int?
        for position in text.indices where text[position] == 0x20 {
            guard space == nil else { return nil }
            space = position
        }
        guard let space else { return nil }
        for position in space + 1..<text.count { text[position - 1] = text[position] }
        text.removeLast()
        return space
    }

    private static func notText(_ text: inout [UInt8]) -> Int? {
        text.removeAll(keepingCapacity: true)
        return nil
    }

    /// Returns the error in the next entry, and reads to the end of the list.
    private static func failure(
        _ reader: inout JSONReader, _ line: Int
    ) throws -> Result<[ListedMerge], PVITError> {
        let entry = try reader.readValue()
        while try reader.nextElement() { _ = try reader.readValue() }
        if let text = entry.string, text.utf8.count(where: { $0 == 0x20 }) != 1 {
            return .failure(
                .badTokenizer("merge \(line), \"\(text)\", is not two tokens separated by a space"))
        }
        let isPair = entry.array.map { $0.count == 2 && $0.allSatisfy { $0.string != nil } } ?? (entry.string != nil)
        return .failure(
            .badTokenizer(
                isPair
                    ? "merge \(line), \(describe(entry)), names a token that is not in the vocabulary"
                    : "merge \(line), \(describe(entry)), is not a pair of tokens"))
    }
}

/// The members of `model.vocab` of a tokenizer.json, in the order of the file.
struct VocabularyMembers {
    /// The tokens.
    private(set) var keys: TokenTable
    /// The id of each token; -1 for a value that cannot be an id.
    private(set) var ids: [Int32] = []
    /// The first value that cannot be an id.
    private(set) var firstInvalidValue: JSONValue?

    /// Reads the next value, which is an object.
    ///
    /// - Throws: `json.invalid` and `json.duplicate-key`; `tokenizer.invalid` for too many members.
    init(_ reader: inout JSONReader, fileByteCount: Int) throws {
        // A token and its merge take about 36 bytes. If they take less, the table grows.
        let capacity = min(fileByteCount / 32, TokenizerLimits.vocabularyCount)
        keys = TokenTable(capacity: capacity)
        ids.reserveCapacity(capacity)
        var key: [UInt8] = []
        try reader.beginObject()
        while try reader.nextKey(into: &key) {
            let value = try reader.readValue()
            guard keys.count < TokenizerLimits.vocabularyCount else {
                throw PVITError.badTokenizer(
                    "tokenizer.json has more than \(TokenizerLimits.vocabularyCount) tokens")
            }
            guard keys.index(keys.append(key.span)) else {
                throw reader.duplicateKey(String(decoding: key, as: UTF8.self))
            }
            if let id = value.integer, id >= 0, id < TokenizerLimits.vocabularyCount {
                ids.append(Int32(id))
            } else {
                ids.append(-1)
                if firstInvalidValue == nil { firstInvalidValue = value }
            }
        }
    }
}
