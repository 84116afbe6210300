/// The text that models are calibrated with when the user has none: prose, code, dialogue, legal language and other
/// scripts, written for this purpose or in the public domain.
package enum DefaultCalibration {
    /// The text in UTF-8.
    package static var text: [UInt8] { PackageResources.default_calibration_txt }
}
