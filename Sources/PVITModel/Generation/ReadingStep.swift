/// What is done before an answer begins.
public enum ReadingStep: Sendable, Hashable {
    /// The image, or regions of it, are encoded.
    case image
    /// So many tokens of the prompt are read, of those that have to be.
    case tokens(Int, of: Int)
}
