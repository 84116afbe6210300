import Foundation
import Storage
import Tensors
import Testing

/// A file of `Fixtures/merge`, made by PVIT's own code.
func golden(_ name: String) throws -> JSONValue {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/merge/\(name)", withExtension: "json"))
    return try JSONValue(parsing: Array(try Data(contentsOf: url)))
}

/// The SHA-256 of a tensor's bytes in hexadecimal, read `rowsPerPiece` rows at a time.
func digest(of tensor: TensorDescription, in source: any TensorSource, rowsPerPiece: Int = 777) throws -> String {
    var hash = SHA256()
    var row = 0
    while row < tensor.shape.rows {
        let rows = row..<min(row + rowsPerPiece, tensor.shape.rows)
        hash.update(try source.bytes(ofRows: rows, of: tensor))
        row = rows.upperBound
    }
    return hash.digest.description
}
