import Storage

/// The bytes of a safetensors file with any header text, valid or not.
///
/// - Parameters:
///   - length: What the file says the header's length is; by default the truth.
public func safetensorsBytes(header: String, data: [UInt8], length: UInt64? = nil) -> [UInt8] {
    safetensorsBytes(header: Array(header.utf8), data: data, length: length)
}

/// The bytes of a safetensors file with any header bytes, valid or not.
public func safetensorsBytes(header: [UInt8], data: [UInt8], length: UInt64? = nil) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendLittleEndian(length ?? UInt64(header.count))
    return bytes + header + data
}
