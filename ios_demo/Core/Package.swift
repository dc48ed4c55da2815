// swift-tools-version: 6.0

import PackageDescription

let package = Package(
    name: "Core",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "BrushportCore", targets: ["BrushportCore"])],
    targets: [
        .target(name: "BrushportCore"),
        .testTarget(name: "BrushportCoreTests", dependencies: ["BrushportCore"]),
    ],
    swiftLanguageModes: [.v6]
)
