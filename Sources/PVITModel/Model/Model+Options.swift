import LanguageModel
import Storage
import SystemPackage

extension Model {
    /// How a model is opened.
    public struct Options: Sendable, Hashable {
        /// The limit for the memory of the whole process. nil uses what the machine has free, or the control group's
        /// limit.
        public var memory: ByteCount?
        /// The number of threads. nil uses one for each processor.
        public var threadCount: Int?
        /// The maximum number of positions for prompt and answer together. nil leaves it to the memory, and prefers
        /// what the model was trained for.
        public var contextLength: Int?
        /// The type of keys and values. nil leaves it to the memory, and prefers `f16`.
        public var cacheStorage: KVCacheStorage?
        /// Whether to leave memory for encoding images.
        public var readsImages = true
        /// The name of a built-in chat template, or the text of a Jinja template, in place of the model's.
        public var chatTemplate: String?
        /// Whether special tokens are parsed in messages. By default they are text, because untrusted text could
        /// otherwise end a turn or forge one.
        public var parsesSpecialTokens = false
        /// The `.pvq` file of a small model of the same vocabulary that guesses how answers continue, which makes them
        /// faster and does not change them at temperature 0.
        public var draft: FilePath?

        /// Creates options.
        ///
        /// - Parameters:
        ///   - memory: The limit for the memory of the whole process.
        ///   - threadCount: The number of threads.
        ///   - contextLength: The maximum number of positions for prompt and answer together.
        public init(memory: ByteCount? = nil, threadCount: Int? = nil, contextLength: Int? = nil) {
            self.memory = memory
            self.threadCount = threadCount
            self.contextLength = contextLength
        }
    }
}
