import Tensors

/// A rule that says which tokens may continue an answer.
package protocol AnswerConstraint: Sendable {
    /// Returns whether each token may come next, or nil if none may, so that the answer must end.
    mutating func allowed() -> ((TokenID) -> Bool)?
    /// Continues with a token that may come next.
    mutating func accept(_ token: TokenID)
}
