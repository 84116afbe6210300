import Storage

/// One code for each way in which a PyTorch checkpoint can be wrong.
extension PVITError.Code {
    /// The ZIP archive has no end record, or its directory is not what the end record says.
    package static let torchArchive = Self("torch.archive", .badData)
    /// An entry of the archive contradicts itself, its local header or the size of the file.
    package static let torchArchiveEntry = Self("torch.archive-entry", .badData)
    /// The archive has more entries or fields than any checkpoint.
    package static let torchArchiveLimit = Self("torch.archive-limit", .badData)
    /// The name of an entry leaves the archive's folder or is not valid.
    package static let torchArchiveName = Self("torch.archive-name", .badData)
    /// Two entries have the same name.
    package static let torchArchiveDuplicate = Self("torch.archive-duplicate", .badData)
    /// Two entries share bytes of the file.
    package static let torchArchiveOverlap = Self("torch.archive-overlap", .badData)
    /// An entry is compressed or encrypted, so that it cannot be read in place.
    package static let torchCompressed = Self("torch.compressed", .badData)
    /// The bytes of an entry do not have the checksum that the archive gives.
    package static let torchChecksum = Self("torch.checksum", .badData)
    /// The archive is not a PyTorch checkpoint.
    package static let torchNotCheckpoint = Self("torch.not-a-checkpoint", .badData)
    /// The archive is a compiled program (TorchScript), not a checkpoint.
    package static let torchScript = Self("torch.script", .badData)
    /// The file has the tar format of PyTorch before version 0.1.10.
    package static let torchTar = Self("torch.tar", .badData)
    /// The file was written on a big-endian machine.
    package static let torchByteOrder = Self("torch.byte-order", .badData)
    /// The pickle breaks the rules of its format.
    package static let torchPickle = Self("torch.pickle", .badData)
    /// The pickle ends before its last instruction.
    package static let torchPickleTruncated = Self("torch.pickle-truncated", .badData)
    /// The pickle has an instruction that state dictionaries do not use.
    package static let torchPickleInstruction = Self("torch.pickle-instruction", .badData)
    /// The pickle names a class or function that state dictionaries do not use; it might run code.
    package static let torchPickleGlobal = Self("torch.pickle-global", .badData)
    /// The pickle is larger or deeper than that of any checkpoint.
    package static let torchPickleLimit = Self("torch.pickle-limit", .badData)
    /// A tensor's sizes, strides and offset do not fit its storage or each other.
    package static let torchTensor = Self("torch.tensor", .badData)
    /// The bytes of a storage are absent or too few.
    package static let torchStorage = Self("torch.storage", .badData)
    /// Elements of an unsupported type: complex, quantized, 8-bit floating point.
    package static let torchUnsupportedType = Self("torch.unsupported-type", .badData)
    /// The checkpoint holds no weights.
    package static let torchNoWeights = Self("torch.no-weights", .badData)
    /// Two tensors have the same name.
    package static let torchDuplicateName = Self("torch.duplicate-name", .badData)
}
