// swift-tools-version: 6.2

import PackageDescription

// The folder of the checkout of pvit, whose name a package by path has. A program elsewhere writes
// `.package(url: …)` and `package: "pvit"`.
let checkout = Context.packageDirectory.split(separator: "/").dropLast(3).last.map(String.init) ?? "pvit"

let package = Package(
    name: "regions",
    dependencies: [.package(path: "../../..")],
    targets: [
        .executableTarget(name: "regions", dependencies: [.product(name: "PVITModel", package: checkout)])
    ]
)
