import Storage
import SystemPackage

extension PVITError {
    /// Creates an error that names a tensor.
    package init(
        _ code: Code, _ what: String, file: FilePath? = nil, tensor: TensorName?, bytes: Range<UInt64>? = nil,
        remedy: String? = nil
    ) {
        self.init(code, what, file: file, bytes: bytes, remedy: remedy)
        self.tensor = tensor
    }

    /// The tensor at fault.
    package var tensor: TensorName? {
        get { tensorName.map { TensorName($0) } }
        set { tensorName = newValue?.rawValue }
    }

    /// The same error with the file and the tensor filled in if it names none.
    package func located(file: FilePath? = nil, tensor: TensorName?) -> PVITError {
        var copy = located(file: file)
        copy.tensor = copy.tensor ?? tensor
        return copy
    }
}

extension PVITError.Code {
    /// The type or shape of a tensor does not fit.
    package static let tensorMismatch = Self("tensor.mismatch", .badData)
    /// There is no tensor of this name.
    package static let tensorNotFound = Self("tensor.not-found", .badData)
}
