// swift-tools-version: 6.2

import PackageDescription

let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
/// For modules that call little or no C: what is not memory-safe is marked `unsafe` there, and a warning otherwise.
let memorySafe: [SwiftSetting] = [.strictMemorySafety()]

let package = Package(
    name: "pvit",
    products: [
        .executable(name: "pvit", targets: ["pvit"]),
        .library(name: "PVITModel", targets: ["PVITModel"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CEdit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),

        .target(name: "CPlatform"),
        .target(name: "Platform", dependencies: ["CPlatform", systemPackage]),
        .target(name: "Storage", dependencies: ["CCrypto", "CDeflate", "Platform", systemPackage]),
        .target(name: "Tensors", dependencies: ["Storage", systemPackage]),
        .target(
            name: "CKernels", cSettings: [.headerSearchPath(".")],
            linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
        .target(name: "Architectures", dependencies: ["Storage", "Tensors", systemPackage], swiftSettings: memorySafe),
        .target(
            name: "ConstrainedDecoding", dependencies: ["Platform", "Storage", "Tensors"], swiftSettings: memorySafe),
        .target(name: "CImageDecoders", dependencies: ["CJPEG", "CPNG"]),
        .target(name: "Parallelism", dependencies: ["CKernels", "Platform", "Storage"]),
        .target(name: "CDefaultCalibration", exclude: ["default_calibration.txt"]),
        .target(name: "CServicePage", exclude: ["index.html"]),
        .target(name: "LinearAlgebra", dependencies: ["Parallelism", "Platform", "Storage"]),
        .target(name: "Tokenization", dependencies: ["Storage", "Tensors"], swiftSettings: memorySafe),
        .target(
            name: "Container",
            dependencies: ["CKernels", "CXXHash", "CZstd", "Platform", "Storage", "Tensors", systemPackage]),
        .target(
            name: "Quantization",
            dependencies: [
                "Architectures", "CKernels", "LinearAlgebra", "Parallelism", "Platform", "Storage", "Tensors",
            ]),
        .target(
            name: "Compute",
            dependencies: ["CKernels", "Container", "Parallelism", "Platform", "Storage", "Tensors"]),
        .target(
            name: "LanguageModel",
            dependencies: [
                "Architectures", "CKernels", "Compute", "Container", "Platform", "Storage", "Tensors",
            ]),
        .target(
            name: "Vision",
            dependencies: [
                "Architectures", "CImageDecoders", "Compute", "Container", "CWebP", "Storage", "Tensors", systemPackage,
            ]),
        .target(
            name: "PVITModel",
            dependencies: [
                "Architectures", "Compute", "Container", "LanguageModel", "Parallelism", "Platform", "Storage",
                "Tensors", "Tokenization", "Vision", systemPackage,
            ], swiftSettings: memorySafe),
        .target(
            name: "Checkpoints",
            dependencies: [
                "Architectures", "Parallelism", "Platform", "Storage", "Tensors", "Tokenization", systemPackage,
            ]),
        .target(
            name: "Conversion",
            dependencies: [
                "Architectures", "CDefaultCalibration", "Checkpoints", "CKernels", "Container", "Parallelism",
                "Platform",
                "Quantization", "Storage", "Tensors", "Tokenization", systemPackage,
            ]),
        .systemLibrary(name: "CPVIT"),
        .target(
            name: "PVITLibrary",
            dependencies: [
                "Architectures", "Checkpoints", "Compute", "Container", "Conversion", "CPVIT", "LanguageModel",
                "Platform", "PVITModel", "Storage", "Tensors", "Tokenization", "Vision", systemPackage,
            ]),
        .target(
            name: "PVITService",
            dependencies: [
                "ConstrainedDecoding", "CServicePage", "LanguageModel", "Parallelism", "Platform", "PVITModel",
                "Storage", "Tensors",
                "Tokenization", "Vision", httpTypes, hummingbird, logging, systemPackage,
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        .executableTarget(
            name: "pvit",
            dependencies: [
                "Architectures", "CEdit", "Checkpoints", "Compute", "Container", "Conversion", "LanguageModel",
                "Platform", "PVITModel", "PVITService", "Quantization", "Storage", "Tensors", "Tokenization", "Vision",
                argumentParser, logging, systemPackage,
            ]),
        .executableTarget(
            name: "time-vision",
            dependencies: [
                "Architectures", "Compute", "Container", "Conversion", "Quantization", "Storage", "Tensors", "Vision",
                argumentParser, systemPackage,
            ], path: "tools/TimeVision"),

        .target(
            name: "TestSupport", dependencies: ["Storage"], path: "Tests/TestSupport", exclude: ["Fixtures"]),
        .target(
            name: "CheckpointTestSupport",
            dependencies: ["Checkpoints", "Platform", "Storage", "Tensors", "TestSupport", systemPackage],
            path: "Tests/CheckpointTestSupport"),
        .target(
            name: "ModelTestSupport",
            dependencies: [
                "CheckpointTestSupport", "Checkpoints", "Compute", "Container", "Conversion", "Platform", "PVITModel",
                "Storage", "Tensors", "TestSupport", systemPackage,
            ], path: "Tests/ModelTestSupport"),
        .testTarget(
            name: "PublicAPITests",
            dependencies: ["CheckpointTestSupport", "ModelTestSupport", "PVITModel", "TestSupport", systemPackage],
            packageAccess: false
        ),
        .testTarget(name: "PlatformTests", dependencies: ["CheckpointTestSupport", "Platform"]),
        .target(name: "ChecksumSupport", dependencies: ["Container"], path: "Tests/ChecksumSupport"),
        .testTarget(name: "StorageTests", dependencies: ["Storage", systemPackage]),
        .testTarget(name: "TensorsTests", dependencies: ["Storage", "Tensors"]),
        .testTarget(
            name: "ArchitecturesTests", dependencies: ["Architectures", "Storage", "Tensors"],
            resources: [.copy("Fixtures")]),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "TestSupport"]),
        .testTarget(name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "Parallelism"]),
        .testTarget(name: "ParallelismTests", dependencies: ["Parallelism", "Platform"]),
        .testTarget(
            name: "TokenizationTests", dependencies: ["Storage", "Tensors", "TestSupport", "Tokenization"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ContainerTests",
            dependencies: [
                "ChecksumSupport", "CKernels", "Container", "Platform", "Storage", "Tensors", "TestSupport",
                systemPackage,
            ]),
        .testTarget(
            name: "QuantizationTests",
            dependencies: [
                "Architectures", "CheckpointTestSupport", "CKernels", "LinearAlgebra", "Parallelism",
                "Platform", "Quantization", "Storage", "Tensors",
                "TestSupport", systemPackage,
            ]),
        .testTarget(
            name: "CheckpointsTests",
            dependencies: [
                "Architectures", "Checkpoints", "CheckpointTestSupport", "Storage", "Tensors", "TestSupport",
                "Tokenization", systemPackage,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ConstrainedDecodingTests",
            dependencies: ["ConstrainedDecoding", "Storage", "Tensors", "TestSupport", "Tokenization"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "ConversionTests",
            dependencies: [
                "Architectures", "Checkpoints", "CheckpointTestSupport", "Container", "Conversion", "Platform",
                "Storage", "Tensors", "TestSupport", "Tokenization", systemPackage,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "LanguageModelTests",
            dependencies: [
                "Architectures", "Checkpoints", "CheckpointTestSupport", "Compute", "Container", "Conversion",
                "LanguageModel", "Platform", "Storage", "Tensors", "TestSupport", "Tokenization", systemPackage,
            ],
            exclude: ["Fixtures/README.md", "Fixtures/divergence.py"], resources: [.copy("Fixtures/divergence.json")]),
        .testTarget(
            name: "VisionTests",
            dependencies: [
                "Architectures", "Checkpoints", "CheckpointTestSupport", "ChecksumSupport", "Compute", "Container",
                "Conversion", "Quantization", "Storage", "Tensors", "TestSupport",
                "Vision", systemPackage,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "PVITModelTests",
            dependencies: [
                "Architectures", "Checkpoints", "CheckpointTestSupport", "Compute", "Container", "Conversion",
                "LanguageModel", "ModelTestSupport", "PVITModel", "Storage", "Tensors", "TestSupport", "Tokenization",
                "Vision",
                systemPackage,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ComputeTests",
            dependencies: [
                "CheckpointTestSupport", "CKernels", "Compute", "Container", "Parallelism", "Quantization", "Storage",
                "Tensors", systemPackage,
            ]),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "CheckpointTestSupport", "Container", "PVITModel", "Storage", "Tensors", "TestSupport", "pvit",
                systemPackage,
            ]),
    ]
)

// The shared library is linked by `tools/library`, which sets PVIT_LIBRARY. Ordinary builds only compile its modules.
if Context.environment["PVIT_LIBRARY"] != nil {
    package.products += [.library(name: "pvit-library", type: .static, targets: ["PVITLibrary"])]
}

// `tools/program` and `tools/library` set PVIT_COMPACT, for what is copied to other machines.
if Context.environment["PVIT_COMPACT"] != nil {
    // Modules without loops over weights, activations or images.
    for target in package.targets where ["Architectures", "PVITLibrary", "PVITModel"].contains(target.name) {
        target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-Osize"])]
    }
    // Neither uses the asynchronous interface, which would bring Swift's concurrency and Dispatch into the library.
    for target in package.targets where target.name == "PVITModel" { target.exclude += ["Model", "PVITModel.docc"] }
}

// The fuzzers get their `main` from libFuzzer, which ordinary builds are not linked with: `tools/fuzz` sets PVIT_FUZZ.
if Context.environment["PVIT_FUZZ"] != nil {
    package.targets += [
        .executableTarget(
            name: "fuzz-readers",
            dependencies: [
                "Architectures", "Checkpoints", "ChecksumSupport", "ConstrainedDecoding", "Container", "PVITModel",
                "Storage", "Tensors", "Tokenization", "Vision", systemPackage,
            ], path: "Tests/Fuzzing", exclude: ["Corpus"])
    ]
}
