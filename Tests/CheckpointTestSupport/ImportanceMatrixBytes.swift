import Checkpoints

/// Builds importance matrices of llama.cpp byte by byte, valid or not.
public enum ImportanceMatrixBytes {
    /// An entry: the name of a matrix in GGUF files, its sums and its count.
    public typealias Entry = (name: String, sums: [Float], count: Float)

    /// A GGUF file.
    public static func gguf(_ entries: [Entry], type: String? = "imatrix") -> [UInt8] {
        var file = GGUFBytes()
        if let type { file.pairs.append(GGUFBytes.pair("general.type", type)) }
        file.pairs += [
            GGUFBytes.pair("imatrix.datasets", ["text.txt"]), GGUFBytes.pair("imatrix.chunk_count", UInt32(3)),
            GGUFBytes.pair("imatrix.chunk_size", UInt32(512)),
        ]
        for entry in entries {
            file.add("\(entry.name).in_sum2", .f32, [UInt64(entry.sums.count)], entry.sums.flatMap(littleEndianBytes))
            file.add("\(entry.name).counts", .f32, [1], littleEndianBytes(entry.count))
        }
        return file.bytes
    }

    /// A file of the older form, without what follows the entries.
    public static func data(_ entries: [Entry]) -> [UInt8] {
        GGUFBytes.integer(Int32(entries.count)) + entries.flatMap { data($0) }
    }

    /// An entry of the older form.
    ///
    /// - Parameters:
    ///   - length: The length of the name that is written; nil for the truth.
    ///   - columns: The number of columns that is written; nil for the truth.
    public static func data(_ entry: Entry, length: Int32? = nil, columns: Int32? = nil) -> [UInt8] {
        GGUFBytes.integer(length ?? Int32(entry.name.utf8.count)) + Array(entry.name.utf8)
            + GGUFBytes.integer(Int32(entry.count)) + GGUFBytes.integer(columns ?? Int32(entry.sums.count))
            + entry.sums.flatMap(littleEndianBytes)
    }
}
