import Storage

/// One code for each way in which an importance matrix can be wrong.
extension PVITError.Code {
    /// The file is neither of the two forms, or too large.
    package static let imatrixFormat = Self("imatrix.format", .badData)
    /// The file ends inside an entry, or has no room for what it announces.
    package static let imatrixTruncated = Self("imatrix.truncated", .badData)
    /// Bytes follow that belong to nothing.
    package static let imatrixTrailing = Self("imatrix.trailing", .badData)
    /// The name of a matrix is empty, too long or not UTF-8.
    package static let imatrixName = Self("imatrix.name", .badData)
    /// Two entries have one name.
    package static let imatrixDuplicate = Self("imatrix.duplicate", .badData)
    /// Sums without a count, or a count without sums.
    package static let imatrixUnpaired = Self("imatrix.unpaired", .badData)
    /// Sums or counts of another type or shape.
    package static let imatrixShape = Self("imatrix.shape", .badData)
    /// A number is infinite, not a number, or negative.
    package static let imatrixValue = Self("imatrix.value", .badData)
    /// A matrix of a model with experts.
    package static let imatrixExperts = Self("imatrix.experts", .badData)
    /// The file belongs to another model: a matrix is missing, has another width, or does not exist in the model.
    package static let imatrixOtherModel = Self("imatrix.other-model", .badData)
}
