/// A step of prefill, the work before an answer begins.
package enum PrefillStep: Sendable, Hashable {
    /// The image, or regions of it, are being encoded.
    case image
    /// The number of prompt tokens that have been read, and the number to read in all.
    case tokens(Int, of: Int)
}
