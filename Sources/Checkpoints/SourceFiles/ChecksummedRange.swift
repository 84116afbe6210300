import Storage
import Tensors

/// A range of a file with the CRC-32 that the file itself gives for it.
package struct ChecksummedRange: Sendable, Hashable {
    /// What the file calls the range: the name of a member of an archive.
    let name: String
    /// The first tensor with bytes in the range, or nil for other contents.
    let tensor: TensorName?
    let bytes: Range<Int>
    let checksum: UInt32

    init(name: String, tensor: TensorName?, bytes: Range<Int>, checksum: UInt32) {
        self.name = name
        self.tensor = tensor
        self.bytes = bytes
        self.checksum = checksum
    }

    /// The content of a member of an archive.
    init(_ entry: ZipArchive.Entry, tensor: TensorName?) {
        self.init(name: entry.name, tensor: tensor, bytes: entry.bytes, checksum: entry.checksum)
    }

    /// Throws `torch.checksum` unless the checksum of the content is right.
    func check(_ computed: CRC32) throws {
        guard computed.value == checksum else {
            throw error("the bytes of \(name) are damaged: their checksum is not the archive's")
        }
    }

    /// `torch.checksum` for this range.
    func error(_ what: String) -> PVITError {
        PVITError(
            .torchChecksum, what, tensor: tensor, bytes: UInt64(bytes.lowerBound)..<UInt64(bytes.upperBound),
            remedy: "download or copy the file again")
    }
}
