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

    /// - Parameter owner: Whose logits they are, for messages.
    /// - Throws: `model.not-finite` unless every logit is a finite number. So every loss and divergence is finite, too.
    init(_ logits: Span<Float>, of owner: String = "the model") throws {
        var areFinite = true
        for index in logits.indices { areFinite = areFinite && logits[index].isFinite }
        guard areFinite else {
            throw PVITError(
                .notFinite, "the logits of \(owner) are not finite numbers",
                remedy: "check the file with `pvit verify`; if it is sound, the checkpoint it was made of is not")
        }
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
struct Comparison: Sendable, Hashable {
    /// -log of the probability that the model gives the token that follows.
    let loss: Double
    /// The same of the reference.
    let referenceLoss: Double
    /// KL(reference ‖ model), in nats, not negative.
    let divergence: Double
    /// Whether both models have the same most likely token.
    let sameTop: Bool

    /// How much more probability the model gives the token that follows than the reference, -1...1.
    var probabilityChange: Double { exp(-loss) - exp(-referenceLoss) }
    /// How much larger the model's loss is than the reference's.
    var lossChange: Double { loss - referenceLoss }

    /// Compares logits for the same position: [vocabulary].
    ///
    /// - Parameters:
    ///   - expected: The reference's logits.
    ///   - logits: The model's.
    ///   - target: The token that follows.
    /// - Throws: `model.not-finite`, and `model.token` for a target outside the vocabulary.
    init(_ expected: Span<Float>, _ logits: Span<Float>, target: Int) throws {
        let (reference, model) = (try LogSoftmax(expected, of: "the reference"), try LogSoftmax(logits))
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
