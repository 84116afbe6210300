import PVITModel
import Synchronization

/// Tells on a terminal how far a prompt or an image is read, once that takes longer than a second.
///
/// `tick` may be called from any thread and often: it is what the engine calls between its loops.
enum ReadingProgress {
    private struct State {
        var start = ContinuousClock.now
        var step = ReadingStep.tokens(0, of: 0)
        var shown: ContinuousClock.Instant?
    }

    private static let isActive = Atomic<Bool>(false)
    private static let state = Mutex(State())
    /// How long reading goes on without a word.
    private static let patience = Duration.seconds(1)
    private static let interval = Duration.milliseconds(200)

    /// Begins a step, or tells how far it is.
    static func update(_ step: ReadingStep) {
        guard StandardError.isTerminal else { return }
        state.withLock {
            if !isActive.exchange(true, ordering: .relaxed) { $0 = State() }
            if $0.step.isImage != step.isImage { $0.shown = nil }
            $0.step = step
        }
        tick()
    }

    /// Shows what there is to tell, if it is time.
    static func tick() {
        guard isActive.load(ordering: .relaxed) else { return }
        state.withLock {
            let now = ContinuousClock.now
            guard now - $0.start > patience, $0.shown.map({ now - $0 > interval }) ?? true else { return }
            $0.shown = now
            StandardError.write("\r\u{1B}[K\($0.step.text)")
        }
    }

    /// Removes the line: the answer begins, or there is none.
    static func finish() {
        guard isActive.exchange(false, ordering: .relaxed) else { return }
        state.withLock { if $0.shown != nil { StandardError.write("\r\u{1B}[K") } }
    }
}

extension ReadingStep {
    fileprivate var isImage: Bool { if case .image = self { true } else { false } }

    fileprivate var text: String {
        switch self {
        case .image: "looking at the image"
        case .tokens(let done, let total): "reading the prompt: \(done) of \(total) tokens"
        }
    }
}
