import Storage
import SystemPackage
import Tensors

/// Two models beside each other, A and B.
package struct ModelComparison {
    /// Whether both models have the same weights.
    package enum Sameness {
        /// They have the same names, shapes and numbers.
        case same
        /// They differ in names, shapes or numbers.
        case different
        /// Only reading both could tell.
        case unknown
    }

    /// A property that differs.
    package struct Difference {
        package let name: String
        /// The value in A; nil if it has none.
        package let a: String?
        /// The value in B; nil if it has none.
        package let b: String?
    }

    /// A tensor that both models have.
    package struct Pair {
        package let a: ModelReport.TensorRow
        package let b: ModelReport.TensorRow
    }

    package let a: ModelReport
    package let b: ModelReport
    /// The tensors that only A has, the largest first.
    package let onlyInA: [ModelReport.TensorRow]
    /// The tensors that only B has, the largest first.
    package let onlyInB: [ModelReport.TensorRow]
    /// The tensors that both have, those with the largest differences first.
    package let pairs: [Pair]

    /// Pairs the weights by name. Aliases and attached files are not compared.
    package init(_ a: ModelReport, _ b: ModelReport) {
        self.a = a
        self.b = b
        let inA = Self.weights(of: a)
        let inB = Self.weights(of: b)
        onlyInA = Self.bySize(inA.values.filter { inB[$0.name] == nil })
        onlyInB = Self.bySize(inB.values.filter { inA[$0.name] == nil })
        pairs = inA.values.compactMap { row in inB[row.name].map { Pair(a: row, b: $0) } }
            .sorted { $0.precedes($1) }
    }

    private static func weights(of model: ModelReport) -> [TensorName: ModelReport.TensorRow] {
        Dictionary(model.tensors.filter(\.isWeight).map { ($0.name, $0) }) { first, _ in first }
    }

    private static func bySize(_ rows: [ModelReport.TensorRow]) -> [ModelReport.TensorRow] {
        rows.sorted { left, right in
            let (a, b) = (left.shape.elementCount, right.shape.elementCount)
            return a == b ? left.name < right.name : a > b
        }
    }

    /// The tensors that both have, and that differ in type, shape or weights, as far as the files tell.
    package var differingPairs: [Pair] { pairs.filter(\.differs) }

    /// Whether the weights are the same, as far as digests and recorded errors tell.
    package var sameWeights: Sameness {
        if let digest = a.modelDigest, digest == b.modelDigest { return .same }
        if FilePath(a.path).lexicallyNormalized() == FilePath(b.path).lexicallyNormalized() { return .same }
        let isContainer = a.modelDigest != nil && b.modelDigest != nil
        if pairs.contains(where: { $0.hasSameWeights == false }) { return .different }
        if isContainer, !onlyInA.isEmpty || !onlyInB.isEmpty { return .different }
        return isContainer && pairs.allSatisfy { $0.hasSameWeights == true } ? .same : .unknown
    }

    /// The components of either model, with their totals.
    package var components: [(component: ModelComponent, a: ModelReport.Total?, b: ModelReport.Total?)] {
        let inA = Dictionary(a.components.map { ($0.component, $0.total) }) { first, _ in first }
        let inB = Dictionary(b.components.map { ($0.component, $0.total) }) { first, _ in first }
        return ModelComponent.allCases.compactMap { component in
            guard inA[component] != nil || inB[component] != nil else { return nil }
            return (component, inA[component], inB[component])
        }
    }

    /// The facts that differ, and the options in the recipes that do.
    package var differences: [Difference] {
        let separate: Set = ["recipe", "model digest", "files"]
        func facts(_ model: ModelReport) -> [(String, String)] {
            model.facts.filter { !separate.contains($0.name) }.map { ($0.name, $0.value) }
        }
        func recipe(_ model: ModelReport) -> [(String, String)] {
            model.recipe.map { Self.lines(of: $0, under: "recipe") } ?? []
        }
        return Self.differences(facts(a), facts(b)) + Self.differences(recipe(a), recipe(b))
    }

    private static func differences(_ a: [(String, String)], _ b: [(String, String)]) -> [Difference] {
        let inA = Dictionary(a) { first, _ in first }
        let inB = Dictionary(b) { first, _ in first }
        let names = a.map(\.0) + b.map(\.0).filter { inA[$0] == nil }
        return names.compactMap { name in
            inA[name] == inB[name] ? nil : Difference(name: name, a: inA[name], b: inB[name])
        }
    }

    /// The members of a recipe, those of nested objects with the names of both: `recipe calibration tokens`.
    private static func lines(of object: JSONObject, under title: String) -> [(String, String)] {
        object.members.flatMap { member -> [(String, String)] in
            let name = "\(title) \(member.key)"
            switch member.value {
            case .null: return []
            case .array(let elements) where elements.isEmpty: return []
            case .object(let nested): return lines(of: nested, under: name)
            default: return [(name, ModelReport.readable(member.value))]
            }
        }
    }
}

extension ModelComparison.Pair {
    /// Whether the decoded weights are the same, by digests or recorded errors; nil if the files do not tell.
    package var hasSameWeights: Bool? {
        guard a.shape == b.shape else { return false }
        if a.encoding == b.encoding, let inA = a.contentDigest, let inB = b.contentDigest { return inA == inB }
        return errorDifference.flatMap { $0 != 0 ? false : nil }
    }

    /// Whether type, shape or weights differ, as far as the files tell.
    package var differs: Bool { a.encoding != b.encoding || hasSameWeights == false }

    /// The relative error in B less that in A; nil if one is not known.
    package var errorDifference: Double? { difference(a.statistics, b.statistics) }

    /// Whether this pair comes before `other`: those with other shapes and types first, then by the difference of
    /// errors, by size, and by name.
    fileprivate func precedes(_ other: Self) -> Bool {
        let (left, right) = (rank, other.rank)
        return left == right ? a.name < other.a.name : left > right
    }

    private var rank: (Int, Double, Int) {
        let change = a.shape != b.shape ? 2 : a.encoding != b.encoding ? 1 : 0
        return (change, abs(errorDifference ?? 0), max(a.shape.elementCount, b.shape.elementCount))
    }
}

/// The relative error of `b` less that of `a`; nil if one is not known or not finite.
package func difference(_ a: ErrorStatistics?, _ b: ErrorStatistics?) -> Double? {
    guard let a, let b else { return nil }
    let difference = b.relativeRMSE - a.relativeRMSE
    return difference.isFinite ? difference : nil
}
