/// The white space that is allowed between tokens of JSON: nothing, one space, or a line break and some indentation.
///
/// It is bounded, so that a model cannot write blanks for ever.
enum WhiteSpaceForm {
    /// The largest number of spaces at the start of a line.
    static let maximumIndentation = 32

    /// Adds the part that reads white space and returns its start.
    static func addStates(to builder: inout AutomatonBuilder) throws -> StateID {
        let start = try builder.addState()
        builder.states[Int(start)].accepts = true
        builder.addEdge(start, " ", to: ByteAutomaton.final)
        var last = try builder.addState()
        builder.addEdge(start, "\n", to: last)
        for column in 1...maximumIndentation {
            builder.states[Int(last)].accepts = true
            let next = column == maximumIndentation ? ByteAutomaton.final : try builder.addState()
            builder.addEdge(last, " ", to: next)
            last = next
        }
        return start
    }
}
