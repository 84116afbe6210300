import ArgumentParser
import Conversion
import Quantization
import Storage
import SystemPackage

/// How a model is calibrated while it is quantized.
struct CalibrationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Calibrate on a text: the columns of each matrix make up for each other's rounding on it. `default` is a "
                + "built-in text of many kinds. Can be repeated; every text contributes alike. Needs OpenBLAS.",
            valueName: "file"))
    var calibration: [FilePath] = []

    @Option(
        help: ArgumentHelp(
            "How many tokens of the texts to read; by default \(CalibrationTokens.defaultCount).", valueName: "n"))
    var calibrationTokens: Int?

    @Option(
        help: ArgumentHelp(
            "How much memory calibration and --bits may use, such as 4GiB; by default what the machine has free.",
            valueName: "size"))
    var memory: ByteCount?

    @Flag(help: "Continue a calibration of the same output that was stopped.")
    var resume = false

    func validate() throws {
        if let calibrationTokens, !(1...Calibration.maximumTokenCount).contains(calibrationTokens) {
            throw ValidationError("--calibration-tokens takes a number from 1 to \(Calibration.maximumTokenCount)")
        }
        guard calibration.isEmpty else { return }
        for (name, isGiven) in [("--calibration-tokens", calibrationTokens != nil), ("--resume", resume)] where isGiven
        {
            throw ValidationError("\(name) needs --calibration")
        }
    }
}
