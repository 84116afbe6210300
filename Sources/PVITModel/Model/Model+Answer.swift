import Storage
import Tensors

extension Model {
    /// An answer, as a sequence of texts that are computed when they are asked for.
    ///
    /// Leaving a loop over an answer stops the work. A second loop goes on where the first one was left.
    public final class Answer: AsyncSequence, Sendable {
        /// A piece of the answer: one or more whole characters.
        public typealias Element = String

        private let model: Model
        private let progress: Progress

        /// What has been computed.
        private final class Progress: @unchecked Sendable {
            // Only touched on the model's thread.
            var generation: Generation?
            let begin: (Generator) throws -> Generation

            init(_ begin: @escaping (Generator) throws -> Generation) { self.begin = begin }

            func begun(_ generator: Generator) throws -> Generation {
                if let generation { return generation }
                let begun = try begin(generator)
                generation = begun
                return begun
            }
        }

        init(of model: Model, _ begin: @escaping @Sendable (Generator) throws -> Generation) {
            self.model = model
            progress = Progress(begin)
        }

        /// Computes the next piece of the answer; nil if the answer has ended.
        ///
        /// - Throws: `PVITError` if the prompt does not fit the context or mentions what is not there;
        ///   `CancellationError` if the task was cancelled. Afterwards the answer can be continued.
        public func next() async throws -> String? {
            while true {
                let text = try await model.thread.run { [progress, contents = model.contents] () -> String? in
                    var generation = try progress.begun(contents.generator)
                    // There must be one owner of the text so far, or each step would copy it.
                    progress.generation = nil
                    defer { progress.generation = generation }
                    return generation.isFinished ? nil : try contents.generator.advance(&generation)
                }
                guard let text else { return nil }
                if !text.isEmpty { return text }
            }
        }

        /// The rest of the answer as one text.
        ///
        /// - Throws: As ``next()``.
        public func text() async throws -> String {
            var text = ""
            while let piece = try await next() { text += piece }
            return text
        }

        /// The answer so far, with statistics.
        public var result: GenerationResult {
            get async throws {
                try await model.thread.run { [progress, contents = model.contents] in
                    try progress.begun(contents.generator).result
                }
            }
        }

        /// Iterates over the pieces.
        public struct AsyncIterator: AsyncIteratorProtocol {
            let answer: Answer

            /// Computes the next piece; nil if the answer has ended.
            public mutating func next() async throws -> String? { try await answer.next() }
        }

        /// Iterates over the pieces that have not been computed yet.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(answer: self) }
    }
}
