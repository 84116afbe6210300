import Checkpoints
import CheckpointTestSupport
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite("Hostile and broken PyTorch files")
struct HostileTorchTests {
    @Test(
        "a broken file is refused with one error that says why",
        arguments: otherPickles + badTensors + hostileArchives + hostileLegacyFiles)
    func broken(file: HostileFile) throws { try expectRefusal(of: file) }

    @Test(
        "a file that asks for far more than it holds is refused with one error that says why", .slow, arguments: bombs)
    func bomb(file: HostileFile) throws { try expectRefusal(of: file) }

    private func expectRefusal(of file: HostileFile) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("pytorch_model.bin", file.bytes)
        let error = try #require(throws: PVITError.self) { try TorchFile(path: path) }
        #expect(error.code.name == file.code, "\(error)")
        #expect(error.code.category == .badData)
        #expect(error.file == path.string)
        #expect(file.words.isEmpty || "\(error)".contains(file.words), "\(error)")
        #expect("\(error)".utf8.count < 1000)
        // The same through a folder, as a user gives it.
        let again = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        #expect(again.code == error.code)
    }

    @Test(
        "a pickle that runs code is refused by the name of what it calls, and does not run",
        arguments: codeRunningPickles)
    func codeDoesNotRun(pickle: CodeRunningPickle) throws {
        let folder = try TemporaryFolder()
        let marker = folder.path.appending("marker").string
        try folder.write("pytorch_model.bin", pickle.file(marker))
        let error = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        #expect(error.code == .torchPickleGlobal)
        #expect("\(error)".contains(pickle.words), "\(error)")
        #expect(try folder.entries == ["pytorch_model.bin"])
    }

    @Test(
        "those pickles do run code in Python", .needsPython,
        arguments: codeRunningPickles)
    func codeRunsInPython(pickle: CodeRunningPickle) throws {
        let folder = try TemporaryFolder()
        let marker = folder.path.appending("marker").string
        let path = try folder.write("data.pkl", pickle.pickle(marker))
        _ = try Python.run(
            """
            import pickle, sys, time, os
            try: pickle.load(open(sys.argv[1], "rb"))
            except Exception: pass
            for _ in range(200):
                if os.path.exists(sys.argv[2]): break
                time.sleep(0.05)
            """, path.string, marker)
        #expect(try folder.entries == ["data.pkl", "marker"])
    }

    @Test(
        "a file cut anywhere is refused",
        arguments: ["zip_torch1.13.bin", "zip_torch2.bin", "legacy_pickle.bin", "nested_checkpoint.pth"])
    func cuts(name: String) throws {
        let whole = try contents(of: torchFixture(name))
        try expectRefusals(of: whole, cutTo: (0..<200).map { whole.count * $0 / 200 }) { try TorchFile(path: $0) }
    }

    @Test("a Git LFS pointer instead of a shard is recognised")
    func pointer() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "pytorch_model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9877989586\n")
        let error = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        #expect(error.code == .lfsPointer)
        #expect("\(error)".contains("git lfs pull"))
    }
}
