import Checkpoints

/// Reads a file and checks the checksums that it stores.
package func verify(_ file: any WeightFile) throws {
    try SourceVerifier.checking([Checkpoint.SourceFile(file)], byteCount: 0) { _ in }
}
