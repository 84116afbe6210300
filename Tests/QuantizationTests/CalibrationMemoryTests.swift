import Testing

@testable import Quantization

@Suite("The memory of calibration")
struct CalibrationMemoryTests {
    @Test("the sample that is said to fit needs no more than the memory, and one sequence more does")
    func tokens() throws {
        let configuration = try SmallModel.configuration
        let fixed = SecondOrderCalibration.byteCount(configuration, tokenCount: 0)
        #expect(SecondOrderCalibration.tokenCount(configuration, fitting: fixed / 2) == 0)
        for memory in [fixed, fixed + 1, fixed + 600_000, fixed + 1_234_567, fixed * 10] {
            let count = SecondOrderCalibration.tokenCount(configuration, fitting: memory)
            #expect(count % 512 == 0)
            #expect(SecondOrderCalibration.byteCount(configuration, tokenCount: count) <= memory)
            #expect(SecondOrderCalibration.byteCount(configuration, tokenCount: count + 512) > memory)
        }
    }
}
