import Foundation
import Storage
import Tensors
import Testing
import Tokenization

/// Numbers from an `.npy` file of version 1.0, float32 or int32.
struct NumpyArray {
    let shape: [Int]
    let values: [Float]

    init(_ path: String) throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/text/\(path)", withExtension: "npy"))
        let bytes = Array(try Data(contentsOf: url))
        let headerEnd = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        let header = String(decoding: bytes[10..<headerEnd], as: UTF8.self)
        let extents = try #require(header.firstMatch(of: /'shape': \(([0-9, ]*)\)/)).1
        shape = extents.split(separator: ",").compactMap { Int($0.filter(\.isNumber)) }
        let isInteger = header.contains("<i4")
        try #require(isInteger || header.contains("<f4"))
        values = stride(from: headerEnd, to: bytes.count, by: 4).map { offset in
            let bits = bytes[offset..<offset + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return isInteger ? Float(Int32(bitPattern: bits)) : Float(bitPattern: bits)
        }
        try #require(values.count == shape.reduce(1, *))
    }
}

/// A text that the original PyTorch code continued, with the numbers that it computed on the way.
struct GoldenCase {
    let name: String
    let tokens: [TokenID]
    let continuation: [TokenID]
    /// The distance between the two largest logits at each step: below 1e-3 another choice is legitimate.
    let gaps: [Double]
    let logProbabilities: [Double]
    let perplexity: Double

    init(_ name: String) throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/text/\(name)/case", withExtension: "json"))
        let json = try JSONValue(parsing: Array(try Data(contentsOf: url)))
        func tokens(_ key: String) -> [TokenID] {
            (json[key]?.array ?? []).compactMap { $0.integer.flatMap { TokenID(exactly: $0) } }
        }
        self.name = name
        self.tokens = tokens("input_ids")
        continuation = tokens("greedy_ids")
        gaps = (json["steps"]?.array ?? []).compactMap { $0["gap_top1_top2"]?.double }
        logProbabilities = (json["logprob_of_prompt_tokens_1_to_end"]?.array ?? []).compactMap(\.double)
        perplexity = try #require(json["perplexity"]?.double)
        try #require(!self.tokens.isEmpty && continuation.count == 24 && gaps.count == 24)
        try #require(logProbabilities.count == self.tokens.count - 1)
    }

    func array(_ file: String) throws -> NumpyArray { try NumpyArray("\(name)/\(file)") }
}

/// The largest distance between two lists of numbers.
func largestDistance(_ left: some Collection<Float>, _ right: some Collection<Float>) -> Float {
    guard left.count == right.count else { return .infinity }
    return zip(left, right).reduce(0) { max($0, ($1.0 - $1.1).isNaN ? .infinity : abs($1.0 - $1.1)) }
}

extension Span where Element == Float {
    var array: [Float] { withUnsafeBufferPointer { Array($0) } }
}
