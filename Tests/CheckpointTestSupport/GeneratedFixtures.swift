import Foundation
import SystemPackage
import Testing

/// The checkpoints that `tools/fixtures` writes.
public enum GeneratedFixtures {
    private static let folder = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent().appending(".build/fixtures")

    /// Whether they have been written.
    public static var arePresent: Bool { FileManager.default.fileExists(atPath: folder.appending("stamp").string) }

    /// The path of one of them.
    public static func path(_ name: String) -> FilePath { folder.appending(name) }
}

extension Trait where Self == ConditionTrait {
    /// Leaves tests out until `tools/fixtures` has run.
    public static var needsFixtures: Self { .enabled(if: GeneratedFixtures.arePresent, "run tools/fixtures first") }
}
