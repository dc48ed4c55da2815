// swift-tools-version: 6.0

import PackageDescription

let package = Package(
    name: "Host",
    dependencies: [.package(path: "../../../../ios_demo/Core")],
    targets: [
        .executableTarget(name: "Host", dependencies: [.product(name: "BrushportCore", package: "Core")])
    ],
    swiftLanguageModes: [.v6]
)
