/// How fast the weights of a file can be streamed.
package struct ReadingSpeed: Sendable, Hashable {
    /// The bytes that arrive per second, decoded where they are compressed.
    package let bytesPerSecond: Double
    /// The bytes per second that the disk alone gives.
    package let diskBytesPerSecond: Double
    /// The time that a processor takes to decode a byte of the file, in seconds; 0 if nothing is compressed.
    package let decodingSecondsPerByte: Double
    /// The size of the sample that was read.
    package let sampleByteCount: Int

    /// Creates a speed.
    package init(
        bytesPerSecond: Double, diskBytesPerSecond: Double? = nil, decodingSecondsPerByte: Double = 0,
        sampleByteCount: Int = 0
    ) {
        self.bytesPerSecond = bytesPerSecond
        self.diskBytesPerSecond = diskBytesPerSecond ?? bytesPerSecond
        self.decodingSecondsPerByte = decodingSecondsPerByte
        self.sampleByteCount = sampleByteCount
    }
}
