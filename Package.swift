// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "pvit",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),

        .target(name: "Tensors", dependencies: [.product(name: "SystemPackage", package: "swift-system")]),
        .testTarget(
            name: "TensorsTests",
            dependencies: ["Tensors", .product(name: "SystemPackage", package: "swift-system")]),
        .target(
            name: "CKernels", cSettings: [.headerSearchPath(".")],
            linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels"]),
        .target(
            name: "Container",
            dependencies: ["Tensors", "CZstd", "CXXHash", .product(name: "Crypto", package: "swift-crypto")]),
        .testTarget(name: "ContainerTests", dependencies: ["Container"]),
        .target(name: "Parallelism", dependencies: ["CKernels"]),
        .testTarget(name: "ParallelismTests", dependencies: ["Parallelism"]),
        .target(
            name: "Checkpoints", dependencies: ["Tensors", .product(name: "SystemPackage", package: "swift-system")]),
        .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints", "CheckpointTestSupport"]),
        .target(
            name: "CheckpointTestSupport",
            dependencies: ["Checkpoints", "Tensors", .product(name: "SystemPackage", package: "swift-system")],
            path: "Tests/CheckpointTestSupport"),
        .target(
            name: "Conversion",
            dependencies: [
                "Checkpoints", "CKernels", "Container", "Parallelism", "Tensors",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]),
        .testTarget(
            name: "ConversionTests",
            dependencies: [
                "CheckpointTestSupport", "Checkpoints", "Container", "Conversion", "Tensors",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            resources: [.copy("Fixtures")]),
    ]
)
