import Compute
import LanguageModel
import Platform
import PVITModel
import Storage
import Synchronization

/// An open model, which one call at a time uses.
final class ModelObject: HandleObject, @unchecked Sendable {
    static let kind = "model"

    /// What a model consists of while it is open.
    struct Content {
        let model: LoadedModel
        let generator: Generator
    }

    // Only touched inside `gate`.
    private var content: Content?
    private let gate = Gate()
    private let isClosing = Atomic<Bool>(false)
    private let checkpoint: Checkpoint

    /// The callbacks of the call that computes, which an engine asks.
    final class Checkpoint: @unchecked Sendable {
        // Only touched by the thread that opens the model or is inside `gate`, which also begins the engine's loops.
        var watch: CallWatch?

        /// - Throws: `work.cancelled`.
        func check() throws { try watch?.check() }
    }

    /// - Parameters:
    ///   - checkpoint: What the engine of the model calls.
    ///   - content: Opens the model.
    init(_ checkpoint: Checkpoint, _ content: Content) {
        self.checkpoint = checkpoint
        self.content = content
    }

    /// Runs a call. Other threads wait until it returns.
    ///
    /// - Throws: `library.reentrant`, `library.closed`, `work.cancelled`, and the errors of `body`.
    func use<Result>(_ watch: CallWatch = CallWatch(), _ body: (Content) throws -> Result) throws -> Result {
        guard try gate.enter(check: watch.check) else {
            throw PVITError(
                .reentrant, "a callback called a function of the model that called it",
                remedy: "remember what is to be done, and do it when the call has returned")
        }
        defer { leave() }
        guard let content else { throw PVITError(.closed, "the model was closed") }
        checkpoint.watch = watch
        defer { checkpoint.watch = nil }
        return try body(content)
    }

    /// Frees everything when the last call has returned.
    func close() {
        isClosing.store(true, ordering: .releasing)
        // Inside a callback of this model, the call frees it when it returns.
        if gate.enter() { leave() }
    }

    private func leave() {
        if isClosing.load(ordering: .acquiring) { content = nil }
        gate.leave()
    }
}

/// An image, scaled for a model.
final class ImageObject: HandleObject, Sendable {
    static let kind = "image"
    let image: PreparedImage
    /// The model that it is for.
    private let owner: ModelObject

    init(_ image: PreparedImage, for model: ModelObject) {
        self.image = image
        owner = model
    }

    /// - Throws: `library.argument` if the image is for another model.
    func check(for model: ModelObject) throws {
        guard owner === model else {
            throw PVITError(
                .argument, "the image was scaled for another model", remedy: "make one for this model, too")
        }
    }
}
