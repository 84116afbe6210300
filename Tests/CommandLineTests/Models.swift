import CheckpointTestSupport
import Foundation
import SystemPackage

/// Containers made from the generated checkpoints, once for all tests, with `pvit quantize`.
final class Models: Sendable {
    /// The folder of the containers. It is removed when the tests end.
    private let folder: TemporaryFolder

    /// The models of this test run.
    static let shared = Result { try Models() }

    private init() throws {
        folder = try TemporaryFolder()
        func fixture(_ name: String) -> String { GeneratedFixtures.path(name).string }
        let pvit = [fixture("mini-llama-base-st"), "--delta", fixture("mini-pvit-delta-st"), "--quiet"]
        let towers = [
            "--vision-tower", fixture("mini-clip"), "--region-encoder",
            fixture("mini-regionclip/regionclip_narrow.pth"),
        ]
        for (name, source, type) in [
            ("gqa-f32.pvq", [fixture("mini-llama-gqa")], "f32"), ("gqa-q4.pvq", [fixture("mini-llama-gqa")], "q4"),
            ("gqa-q8.pvq", [fixture("mini-llama-gqa")], "q8"),
            ("base-f16.pvq", [fixture("mini-llama-base-st")], "f16"), ("pvit-blind.pvq", pvit, "q8"),
            ("pvit-f32.pvq", pvit + towers, "f32"),
        ] {
            let outcome = try CommandLineRunner.run(["quantize"] + source + ["--type", type, "--output", path(name)])
            guard outcome.status == 0 else { throw Failure(description: outcome.errors) }
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private func path(_ name: String) -> String { folder.path.appending(name).string }

    /// The path of a container: `gqa-f32.pvq`, `gqa-q4.pvq`, `gqa-q8.pvq`, `base-f16.pvq`, and PVIT without towers
    /// (`pvit-blind.pvq`) and with them (`pvit-f32.pvq`).
    static func path(_ name: String) throws -> String { try shared.get().path(name) }

    /// The bytes of a container.
    static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: try path(name))))
    }
}
