import CheckpointTestSupport
import SystemPackage
import TestSupport

/// A small PVIT model for tests that see only the public library.
public enum PreparedModel {
    /// Whether the checkpoints that it is made of have been written.
    public static var isPossible: Bool { GeneratedFixtures.arePresent }

    /// The path of its container, which is written when it is first asked for.
    public static func path() throws -> FilePath { try PVITFile.path() }

    /// The path of a photograph.
    public static var photograph: FilePath { FilePath(SharedFixtures.path("photos/0001.jpg")) }
}
