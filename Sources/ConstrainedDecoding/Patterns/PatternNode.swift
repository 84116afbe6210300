/// A regular expression.
indirect enum PatternNode {
    /// One character of a set.
    case character(CodePointSet)
    /// One after the other.
    case sequence([PatternNode])
    /// One of several.
    case choice([PatternNode])
    /// Several times; `maximum` nil for any number.
    case repetition(PatternNode, minimum: Int, maximum: Int?)
    /// `^`.
    case start
    /// `$`.
    case end
}
