import PVITModel

/// Asks a PVIT model about two regions of an image, and prints the answer while it is made.
///
///     swift run --package-path tools/examples/swift regions pvit.pvq dogs.jpg
@main
enum Regions {
    static func main() async throws {
        guard CommandLine.arguments.count == 3 else { return print("usage: regions MODEL.pvq IMAGE") }
        let model = try await Model(FilePath(CommandLine.arguments[1]))
        let image = try model.image(contentsOf: FilePath(CommandLine.arguments[2]))
        let regions = [
            try NamedRegion("left", left: 0.0, top: 0.2, right: 0.5, bottom: 0.9),
            try NamedRegion("right", left: 0.5, top: 0.2, right: 1.0, bottom: 0.9),
        ]
        let answer = model.answer(
            to: "How do {left} and {right} differ?", about: image, regions: regions,
            options: GenerationOptions(maximumTokens: 32))
        for try await piece in answer { print(piece, terminator: "") }
        print()
    }
}
