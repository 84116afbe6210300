import PVITModel
import Platform
import Synchronization

/// Shows the progress of prefill on a terminal, once it has taken longer than a second.
///
/// The engine calls `tick` between its loops. It is cheap, and may be called from any thread.
enum PrefillProgress {
    private struct State {
        var start = ContinuousClock.now
        var step = PrefillStep.tokens(0, of: 0)
        var shown: ContinuousClock.Instant?
    }

    private static let isActive = Atomic<Bool>(false)
    private static let state = Lock(State())
    /// The time before anything is shown.
    private static let patience = Duration.seconds(1)
    private static let interval = Duration.milliseconds(200)

    /// Starts a step, or updates it.
    static func update(_ step: PrefillStep) {
        guard StandardError.isTerminal else { return }
        state.withLock {
            if !isActive.exchange(true, ordering: .relaxed) { $0 = State() }
            if $0.step.isImage != step.isImage { $0.shown = nil }
            $0.step = step
        }
        tick()
    }

    /// Refreshes the line if it is due.
    static func tick() {
        guard isActive.load(ordering: .relaxed) else { return }
        state.withLock {
            let now = ContinuousClock.now
            guard now - $0.start > patience, $0.shown.map({ now - $0 > interval }) ?? true else { return }
            $0.shown = now
            StandardError.write("\r\u{1B}[K\($0.step.text)")
        }
    }

    /// Removes the line.
    static func finish() {
        guard isActive.exchange(false, ordering: .relaxed) else { return }
        state.withLock { if $0.shown != nil { StandardError.write("\r\u{1B}[K") } }
    }
}

extension PrefillStep {
    fileprivate var isImage: Bool { if case .image = self { true } else { false } }

    fileprivate var text: String {
        switch self {
        case .image: "encoding the image"
        case .tokens(let done, let total): "reading the prompt: \(done) of \(total) tokens"
        }
    }
}
