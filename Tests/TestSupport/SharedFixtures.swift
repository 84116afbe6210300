/// The files that tests of several modules read: `Tests/TestSupport/Fixtures`.
public enum SharedFixtures {
    /// The path of a file or folder.
    public static func path(_ name: String) -> String {
        let thisFile: String = #filePath
        return "\(thisFile.dropLast("SharedFixtures.swift".count))Fixtures/\(name)"
    }
}
