import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// log softmax of logits in double precision: logit - max - log Σ exp(logit - max).
struct LogSoftmax {
    let normalizer: Double
    let best: Int

    init(_ logits: Span<Float>) throws {
        best = try Sampler.argmax(logits)
        let largest = Double(logits[best])
        var sum = 0.0
        for index in logits.indices { sum += exp(Double(logits[index]) - largest) }
        normalizer = largest + log(sum)
    }

    subscript(logits: Span<Float>, index: Int) -> Double {
        get throws {
            guard logits.indices.contains(index) else {
                throw PVITError(.modelToken, "token \(index) is not in the vocabulary of \(logits.count)")
            }
            return Double(logits[index]) - normalizer
        }
    }
}

/// What the predictions of two models for one token have in common.
struct Comparison: Sendable {
    let loss: Double
    let referenceLoss: Double
    let divergence: Double
    let sameTop: Bool

    init(_ expected: Span<Float>, _ logits: Span<Float>, target: Int) throws {
        let (reference, model) = (try LogSoftmax(expected), try LogSoftmax(logits))
        loss = -(try model[logits, target])
        referenceLoss = -(try reference[expected, target])
        // KL(p ‖ q) = Σ p (log p - log q)
        var sum = 0.0
        for index in logits.indices {
            let logP = Double(expected[index]) - reference.normalizer
            sum += exp(logP) * (logP - (Double(logits[index]) - model.normalizer))
        }
        divergence = max(sum, 0)
        sameTop = reference.best == model.best
    }
}
