import Architectures
import ArgumentParser
import Container
import Foundation
import Compute
import SystemPackage
import Vision

/// Times the vision towers for `tools/compare_vision_pytorch`.
@main
struct TimeVision: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "time-vision",
        abstract: "Time the vision towers.",
        discussion: """
            Each line of standard input is a command, answered by a line with the seconds that it took: "clip", "encode" (the \
            region encoder up to layer 3), "regions" (the rest of it for two regions of the image that was encoded last), \
            "write" (what clip and regions gave last, as raw float32 to FOLDER/clip.f32 and FOLDER/regions.f32).
            """)

    @Argument(help: "Where towers-TYPE.pvq is, made of FOLDER/clip and FOLDER/region.pth when absent.")
    var folder: String
    @Option(help: "The type of the weights: f16 or q8.")
    var towerType = "f16"
    @Option(help: "The instruction set, such as avx2; the best one when absent.")
    var kernels: String?
    @Option(help: "Number of threads.")
    var threads = 2
    @Option(help: "Height of the image for the region encoder.")
    var height = 800
    @Option(help: "Width of the image for the region encoder.")
    var width = 1333

    func validate() throws {
        guard ["f16", "q8"].contains(towerType) else { throw ValidationError("--tower-type takes f16 or q8") }
    }

    func run() throws {
        let folder = FilePath(folder)
        let path = folder.appending("towers-\(towerType).pvq")
        if !FileManager.default.fileExists(atPath: path.string) {
            try TowerFile.write(
                clip: folder.appending("clip"), region: folder.appending("region.pth"),
                isQuantized: towerType == "q8", to: path)
        }
        let container = try Container(opening: path)
        let instructionSet = try kernels.map { name in
            guard let set = InstructionSet(rawValue: name) else {
                throw ValidationError("unknown instruction set: \(name)")
            }
            return set
        }
        let engine = try ComputeEngine(threadCount: threads, instructionSet: instructionSet)
        let tower = try CLIPVisionTower(in: container, engine: engine)
        let encoder = try RegionEncoder(in: container, engine: engine)
        let side = tower.configuration.imageSize
        let small = Self.planes(height: side, width: side)
        let large = Self.planes(height: height, width: width)
        let boxes = [
            RegionBox(left: 100, top: 90, right: 700, bottom: 600),
            RegionBox(left: 640, top: 0, right: 1300, bottom: 790),
        ]
        var patches: Matrix?
        var image: RegionEncoder.ImageFeatures?
        var regions: Matrix?
        while let command = readLine() {
            let duration = try ContinuousClock().measure {
                switch command {
                case "clip": patches = try tower.features(of: small)
                case "encode": image = try encoder.encode(planes: large, height: height, width: width)
                case "regions": if let image { regions = try encoder.features(of: image, boxes: boxes) }
                case "write":
                    try Self.write(patches, to: folder.appending("clip.f32"))
                    try Self.write(regions, to: folder.appending("regions.f32"))
                default: throw ValidationError("unknown command: \(command)")
                }
            }
            print(duration / .seconds(1))
            fflush(nil)
        }
    }

    /// Pixels `[3, height, width]` that are easy to reproduce: number i is (7919 i mod 1009) / 256 - 2.
    private static func planes(height: Int, width: Int) -> [Float] {
        (0..<3 * height * width).map { Float($0 * 7919 % 1009) / 256 - 2 }
    }

    private static func write(_ matrix: Matrix?, to path: FilePath) throws {
        guard let values = matrix?.values() else { return }
        try values.withUnsafeBytes { try Data($0).write(to: URL(filePath: path.string)) }
    }
}
