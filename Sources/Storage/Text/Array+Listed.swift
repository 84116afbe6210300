extension [String] {
    /// The first few elements for an error message: `a, b, c and 12 more`.
    package func listed(_ limit: Int = 5) -> String {
        let shown = prefix(limit).joined(separator: ", ")
        return count > limit ? "\(shown) and \(count - limit) more" : shown
    }
}
