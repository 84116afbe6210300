// swift-tools-version: 6.2

import PackageDescription

let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "pvit",
    products: [
        .executable(name: "pvit", targets: ["pvit"]),
        .library(name: "PVITModel", targets: ["PVITModel"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CEdit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),

        .target(name: "CMappings"),
        .target(name: "CProcess"),
        .target(name: "Tensors", dependencies: ["CCrypto", "CMappings", systemPackage]),
        .target(
            name: "CKernels", cSettings: [.headerSearchPath(".")],
            linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
        .target(name: "Architectures", dependencies: ["Tensors", systemPackage]),
        .target(name: "CImageDecoders", dependencies: ["CJPEG", "CPNG"]),
        .target(name: "Parallelism", dependencies: ["CKernels", "Tensors"]),
        .target(name: "Tokenization", dependencies: ["Tensors"]),
        .target(name: "Container", dependencies: ["Tensors", "CZstd", "CXXHash"]),
        .target(name: "Quantization", dependencies: ["Architectures", "CKernels", "Parallelism", "Tensors"]),
        .target(name: "Compute", dependencies: ["CKernels", "Container", "Parallelism", "Tensors"]),
        .target(
            name: "LanguageModel",
            dependencies: [
                "Architectures", "CKernels", "CProcess", "Compute", "Container", "Tensors", "Tokenization",
            ]),
        .target(
            name: "Vision",
            dependencies: [
                "Architectures", "CImageDecoders", "Compute", "Container", "CWebP", "Tensors", systemPackage,
            ]),
        .target(
            name: "PVITModel",
            dependencies: [
                "Architectures", "Compute", "Container", "LanguageModel", "Tensors", "Tokenization", "Vision",
                systemPackage,
            ]),
        .target(
            name: "Checkpoints",
            dependencies: ["Architectures", "Parallelism", "Tensors", "Tokenization", systemPackage]),
        .target(
            name: "Conversion",
            dependencies: [
                "Architectures", "Checkpoints", "CKernels", "Container", "Parallelism", "Quantization", "Tensors",
                "Tokenization", systemPackage,
            ]),
        .executableTarget(
            name: "pvit",
            dependencies: [
                "Architectures", "CEdit", "CProcess", "Checkpoints", "Compute", "Container", "Conversion",
                "LanguageModel",
                "PVITModel", "Tensors",
                "Tokenization", "Vision", argumentParser, systemPackage,
            ]),
        .executableTarget(
            name: "time-vision",
            dependencies: [
                "Checkpoints", "Compute", "Container", "Tensors", "Vision", argumentParser, systemPackage,
            ], path: "tools/TimeVision"),

        .target(name: "TestSupport", path: "Tests/TestSupport", exclude: ["Fixtures"]),
        .target(
            name: "CheckpointTestSupport", dependencies: ["Checkpoints", "Tensors", "TestSupport", systemPackage],
            path: "Tests/CheckpointTestSupport"),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors", systemPackage]),
        .testTarget(name: "ArchitecturesTests", dependencies: ["Architectures", "Tensors"]),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "TestSupport"]),
        .testTarget(name: "ParallelismTests", dependencies: ["Parallelism"]),
        .testTarget(
            name: "TokenizationTests", dependencies: ["Tokenization", "Tensors", "TestSupport"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ContainerTests", dependencies: ["CKernels", "Container", "Tensors", "TestSupport", systemPackage]),
        .testTarget(
            name: "QuantizationTests",
            dependencies: [
                "Architectures", "CheckpointTestSupport", "CKernels", "Quantization", "Tensors", "TestSupport",
                systemPackage,
            ]),
        .testTarget(
            name: "CheckpointsTests",
            dependencies: ["Architectures", "Checkpoints", "CheckpointTestSupport", "TestSupport", "Tokenization"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ConversionTests",
            dependencies: [
                "CheckpointTestSupport", "Checkpoints", "Container", "Conversion", "Parallelism", "Tensors",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "LanguageModelTests",
            dependencies: [
                "Architectures", "CheckpointTestSupport", "Checkpoints", "Compute", "Container", "Conversion",
                "LanguageModel",
                "Tensors",
                "Tokenization", systemPackage,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "VisionTests",
            dependencies: [
                "Architectures", "CheckpointTestSupport", "Checkpoints", "Compute", "Container", "Tensors",
                "TestSupport",
                "Vision", systemPackage,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "PVITModelTests",
            dependencies: [
                "Architectures", "CheckpointTestSupport", "Checkpoints", "Compute", "Container", "Conversion",
                "LanguageModel",
                "PVITModel",
                "Tensors", "TestSupport", "Tokenization", "Vision", systemPackage,
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "ComputeTests",
            dependencies: [
                "CheckpointTestSupport", "CKernels", "Compute", "Container", "Parallelism", "Quantization",
                "Tensors", systemPackage,
            ]),
        .testTarget(
            name: "CommandLineTests", dependencies: ["CheckpointTestSupport", "TestSupport", "pvit", systemPackage]),
    ]
)
