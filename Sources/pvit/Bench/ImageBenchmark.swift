import Compute
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Vision

/// The time from a question about an image to the first token of the answer, and its parts.
struct ImageMeasurement {
    /// A part of the time; the last one is all of it. Prefill ends when the first token is drawn.
    enum Part: String, CaseIterable {
        case decoding = "decode image"
        case clip = "CLIP"
        case regionEncoder = "region encoder"
        case projectors = "projectors"
        case prefill = "prefill"
        case firstToken = "time to first token"
    }

    let part: Part
    let threads: Int
    let times: RunTimes

    static let titles: [(String, TextTable.Alignment)] = [
        ("part", .left), ("threads", .right), ("ms", .right), ("spread", .right),
    ]

    var cells: [String] {
        let isTimed = times.median > 0
        return [
            part.rawValue, "\(threads)", (times.median * 1000).formatted(decimals: 1),
            isTimed ? (times.spread * 100).formatted(decimals: 0) + "%" : "-",
        ]
    }

    var json: JSONValue {
        [
            "part": .string(part.rawValue), "threads": .integer(threads), "seconds": .number(times.median),
            "spread": .number(times.median > 0 ? times.spread : 0),
        ]
    }
}

/// Asks one question about an image again and again, each time of a model that has not seen the image.
struct ImageBenchmark {
    let file: FilePath
    let image: FilePath
    let kvCache: KVCache.Storage
    let clock: Stopwatch

    private static let region = RegionLocation(left: 250, top: 250, right: 750, bottom: 750)

    /// Measures all parts; the last one is their sum.
    ///
    /// - Parameter memory: The memory request that the model is opened with.
    /// - Throws: What opening the model, reading the image and answering throw.
    func measure(engine: ComputeEngine, memory: MemoryRequest) throws -> [ImageMeasurement] {
        var rounds: [[Double]] = []
        // The first run does not count.
        _ = try clock.time { rounds.append(try round(engine, memory)) }
        rounds.removeFirst()
        return ImageMeasurement.Part.allCases.enumerated().map { index, part in
            ImageMeasurement(
                part: part, threads: engine.threadCount, times: RunTimes(seconds: rounds.map { $0[index] }))
        }
    }

    /// The seconds of each part in one run.
    private func round(_ engine: ComputeEngine, _ memory: MemoryRequest) throws -> [Double] {
        let model = try withContainer(at: file) {
            try LoadedModel(opening: file, engine: engine, memory: memory)
        }
        let generator = try Generator(model, contextLength: memory.contextLength, storage: kvCache)
        let start = ContinuousClock.now
        let picture = try model.image(contentsOf: image)
        let decoding = (ContinuousClock.now - start).seconds
        let question = picture.scaled == nil ? "What is in the picture?" : "What is in \(Self.region)?"
        let answer = try generator.complete(
            "<image>\n\(question)", image: picture, GenerationOptions(maximumTokens: 1))
        let vision = answer.visionTimings
        let parts = [
            decoding, (vision.image - vision.imageProjection).seconds,
            (vision.regions - vision.regionProjection).seconds,
            (vision.imageProjection + vision.regionProjection).seconds, answer.prefillTime.seconds,
        ]
        return parts + [parts.reduce(0, +)]
    }
}
