import Tensors

/// Tokens in a tree by their bytes, in flat arrays.
///
/// Nodes are in depth-first order, so that a walk is a loop: the next node comes next, and a subtree is left by a jump.
struct ByteTrie: Sendable {
    /// The last byte of the path to each node.
    private var bytes: [UInt8] = []
    /// The length of the path to each node.
    private var depths: [Int32] = []
    /// The index after the last node below each node.
    private var ends: [Int32] = []
    /// The index of the first token of each node, and the end.
    private var firstTokens: [Int32] = [0]
    private var tokens: [Int32] = []
    private var maximumDepth = 0

    /// Creates a tree. Tokens without bytes are left out.
    init(_ entries: [(token: TokenID, bytes: [UInt8])]) {
        let sorted = entries.filter { !$0.bytes.isEmpty }
            .sorted { left, right in
                left.bytes == right.bytes
                    ? left.token < right.token : left.bytes.lexicographicallyPrecedes(right.bytes)
            }
        var path: [Int] = []
        var previous: [UInt8] = []
        for entry in sorted {
            let common = zip(previous, entry.bytes).prefix { $0 == $1 }.count
            while path.count > common { ends[path.removeLast()] = Int32(bytes.count) }
            for depth in common..<entry.bytes.count {
                path.append(bytes.count)
                bytes.append(entry.bytes[depth])
                depths.append(Int32(depth + 1))
                ends.append(0)
                firstTokens.append(Int32(tokens.count))
            }
            tokens.append(entry.token.rawValue)
            firstTokens[firstTokens.count - 1] = Int32(tokens.count)
            maximumDepth = max(maximumDepth, entry.bytes.count)
            previous = entry.bytes
        }
        for node in path { ends[node] = Int32(bytes.count) }
    }

    /// Adds all tokens to `mask` that a configuration allows.
    func mark(allowedFrom configuration: Int32, in table: inout ConfigurationTable, into mask: inout TokenMask) {
        var path = [Int32](repeating: configuration, count: maximumDepth + 1)
        var node = 0
        while node < bytes.count {
            let depth = Int(depths[node])
            let next = table.step(path[depth - 1], bytes[node])
            guard next != ConfigurationTable.dead else {
                node = Int(ends[node])
                continue
            }
            path[depth] = next
            for index in Int(firstTokens[node])..<Int(firstTokens[node + 1]) {
                mask[TokenID(rawValue: tokens[index])] = true
            }
            node += 1
        }
    }
}
