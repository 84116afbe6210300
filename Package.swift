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
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
        .target(
            name: "Container",
            dependencies: ["Tensors", "CZstd", "CXXHash", .product(name: "Crypto", package: "swift-crypto")]),
        .testTarget(
            name: "ContainerTests",
            dependencies: ["Container", .product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "CKernels", cSettings: [.headerSearchPath(".")]),
        .target(name: "Parallelism", dependencies: ["CKernels"]),
    ]
)
