import Foundation
import SystemPackage

/// The checkpoints that `tools/fixtures` writes.
public enum GeneratedFixtures {
    private static let folder = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent().appending(".build/fixtures")

    /// Whether they have been written.
    public static var arePresent: Bool { FileManager.default.fileExists(atPath: folder.appending("stamp").string) }

    /// The path of one of them.
    public static func path(_ name: String) -> FilePath { folder.appending(name) }
}
