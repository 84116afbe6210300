import CDefaultCalibration

/// The text that models are calibrated with when the user has none: prose, code, dialogue, legal language and other
/// scripts, written for this purpose or in the public domain.
enum DefaultCalibration {
    /// The text in UTF-8.
    static var text: [UInt8] {
        Array(UnsafeBufferPointer(start: pvit_default_calibration(), count: pvit_default_calibration_size()))
    }
}
