/// The version of the program and of its library, recorded in the files that they write.
package enum ToolVersion {
    /// The version as text.
    package static let text = "0.1.0"
}
