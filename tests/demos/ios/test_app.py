"""The whole app: compiled against stubs of Apple's modules, parsed and looked over, with faults planted."""

import json
import plistlib
import re
import shutil

import pytest

from tests.demos.ios import build, project
from tests.demos.ios.tools import Tools
from tests.demos.tools import MissingToolError, plant


def test_it_compiles_with_warnings_as_errors_against_the_stubs(tools):
    build.compile_app(tools, build.APP)


def test_the_stubs_cite_apple_s_documentation():
    for module in build.MODULES:
        text = (build.STUBS / f"{module}.swift").read_text(encoding="utf-8")
        assert "developer.apple.com/documentation/" in text, module
    assert {path.stem for path in build.STUBS.glob("*.swift")} == set(build.MODULES)


# Found all at once where the compiler knows types, and what crosses actors only when all types are right.
TYPES = (
    ("Engine/StyleModel.swift", "configuration.computeUnits", "configuration.computeUnit", "no member 'computeUnit'"),
    (
        "Engine/Processor+CoreML.swift",
        "case .cpuAndGPU: .cpuAndGPU",
        "case .cpuAndGPU: .gpuOnly",
        "no member 'gpuOnly'",
    ),
    ("Engine/Features.swift", "imageBufferValue else", "multiArrayValue else", "no member 'multiArrayValue'"),
    (
        "Engine/PixelBuffers.swift",
        "CVPixelBufferUnlockBaseAddress(buffer, [])",
        "CVPixelBufferUnlockBaseAddress(buffer)",
        "missing argument",
    ),
    (
        "Live/Camera.swift",
        "didOutput sampleBuffer: CMSampleBuffer,",
        "didOutput sampleBuffer: CVPixelBuffer,",
        "does not conform to protocol 'AVCaptureVideoDataOutputSampleBufferDelegate'",
    ),
    ("Live/LiveView.swift", "await live.run(studio, facesUser", "live.run(studio, facesUser", "'await'"),
    (
        "Pictures/PhotoReader.swift",
        "CGImageSourceCreateWithData(file as CFData, nil)",
        "CGImageSourceCreateWithURL(file as CFData, nil)",
        "cannot find 'CGImageSourceCreateWithURL'",
    ),
    ("Studio/Studio.swift", "strength = 1.0", "strength = 1", "'Int' conform to 'BinaryFloatingPoint'"),
    (
        "Views/EaselView.swift",
        ".fullScreenCover(item: $camera)",
        ".fullScreenCover(item: camera)",
        "use wrapper instead",
    ),
    ("Views/MixSlider.swift", "styles[second].title", "styles[second].titel", "no member 'titel'"),
    ("Views/StyleStrip.swift", ".contextMenu {", ".contextMenus {", "no member 'contextMenus'"),
    ("Views/CanvasView.swift", "minimumDuration: .infinity", "minimumDuration: 1, numberOfTaps: 2", "extra arguments"),
)
ACTORS = (
    ("Engine/ModelStore.swift", "actor ModelStore", "final class ModelStore", "no 'async' operations"),
    ("Pictures/Picture.swift", ": @unchecked Sendable", "", "type 'Picture' returned"),
    ("Benchmark/BenchmarkModel.swift", "        let name = device[", "        var name = device[", "never mutated"),
)
FLOW = (
    ("Engine/Frame.swift", ": @unchecked Sendable", "", "risks causing data races"),
    (
        "Engine/StyleModel.swift",
        "            model = try Self.loadOnCPU(url)\n        }\n        try manifest",
        "        }\n        try manifest",
        "before being initialized",
    ),
    (
        "Live/LiveModel.swift",
        "        let camera = Camera(facesUser ? .front : .back)\n",
        "        let camera: Camera\n",
        "before being initialized",
    ),
)


@pytest.mark.parametrize("faults", [TYPES, ACTORS, FLOW], ids=["types", "actors", "flow"])
def test_the_compiler_finds_planted_faults(tools, tmp_path, faults):
    sources = shutil.copytree(build.APP, tmp_path / "app", ignore=shutil.ignore_patterns("Model", "*.xcassets"))
    for file, was, fault, _ in faults:
        plant(sources / file, was, fault)
    with pytest.raises(build.CompilerError) as caught:
        build.compile_app(tools, sources)
    said = [line for line in str(caught.value).splitlines() if re.search(r"error:|warning:", line)]
    for file, _, _, words in faults:
        assert any(words in line for line in said), f"{file}: {words}\n{caught.value}"


def test_every_swift_file_parses_and_is_well_kept(tools):
    assert build.lint(tools, build.DEMO) == ""
    assert build.lint(tools, build.HOST) == ""


@pytest.mark.parametrize(
    ("was", "fault", "words"),
    [
        ("let buffer: CVPixelBuffer", "let buffer : CVPixelBuffer", "Spacing"),
        ("let buffer: CVPixelBuffer", "let buffer: CVPixelBuffer;", "DoNotUseSemicolons"),
        ("let buffer: CVPixelBuffer", "let buffer: CVPixelBuffer!", "NeverUseImplicitlyUnwrappedOptionals"),
        ("struct Frame: @unchecked Sendable {", "struct Frame: @unchecked Sendable", "expected"),
    ],
)
def test_planted_faults_of_style_are_found(tools, tmp_path, was, fault, words):
    shutil.copy(build.APP / "Engine/Frame.swift", tmp_path)
    plant(tmp_path / "Frame.swift", was, fault)
    assert words in build.lint(tools, tmp_path)


def test_project_assets_privacy_manifest_and_sources_are_in_order():
    assert list(project.project_faults(build.DEMO)) == []
    assert list(project.asset_faults(build.APP)) == []
    assert list(project.privacy_faults(build.APP)) == []
    assert list(project.source_faults(build.DEMO)) == []


@pytest.fixture
def demo(tmp_path):
    """A copy of the app, to be spoiled."""
    return shutil.copytree(build.DEMO, tmp_path / "ios_demo", ignore=shutil.ignore_patterns("Model", ".build"))


@pytest.mark.parametrize(
    ("was", "fault", "words"),
    [
        ("path = Brushport;", "path = Brushprot;", "no folder Brushprot"),
        ("relativePath = Core;", "relativePath = Cores;", "no package Cores"),
        ("productName = BrushportCore;", "productName = BrushportCores;", "no package makes BrushportCores"),
        ("objectVersion = 77;", "objectVersion = 56;", "objectVersion is 56"),
        ("IPHONEOS_DEPLOYMENT_TARGET = 16.0;", "IPHONEOS_DEPLOYMENT_TARGET = 18.0;", "DEPLOYMENT_TARGET is 18.0"),
        ("SWIFT_VERSION = 6.0;", "SWIFT_VERSION = 5.0;", "SWIFT_VERSION is 5.0"),
        ('TARGETED_DEVICE_FAMILY = "1,2";', "TARGETED_DEVICE_FAMILY = 1;", "DEVICE_FAMILY is 1 "),
        ("INFOPLIST_KEY_NSCameraUsageDescription", "INFOPLIST_KEY_NSCameraUsage", "no sentence NSCameraUsage"),
        ("APPICON_NAME = AppIcon;", "APPICON_NAME = Icon;", "no asset Icon.appiconset"),
        ("productReference = B5A1", "productReference = A5A1", "nothing has the id A5A1"),
        ("			fileSystemSynchronizedGroups = (\n", "			otherGroups = (\n", "no target takes"),
    ],
)
def test_planted_faults_of_the_project_are_found(demo, was, fault, words):
    plant(demo / project.PROJECT / "project.pbxproj", was, fault)
    assert any(words in found for found in project.project_faults(demo))


def test_a_fault_of_the_scheme_is_found(demo):
    plant(demo / project.PROJECT / "xcshareddata/xcschemes/Brushport.xcscheme", "B5A1", "A5A1")
    assert any("no such target" in found for found in project.project_faults(demo))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.pop("NSPrivacyTracking"), "has no NSPrivacyTracking"),
        (lambda facts: facts.update(NSPrivacyTracked=True), "no privacy manifest has NSPrivacyTracked"),
        (lambda facts: facts["NSPrivacyAccessedAPITypes"].clear(), "uses UserDefaults without a reason"),
        (
            lambda facts: facts["NSPrivacyAccessedAPITypes"][0].update(NSPrivacyAccessedAPITypeReasons=["CA92.2"]),
            "no reasons for UserDefaults",
        ),
        (
            lambda facts: facts["NSPrivacyAccessedAPITypes"][0].update(
                NSPrivacyAccessedAPIType="NSPrivacyAccessedAPICategoryDefaults"
            ),
            "no category Defaults",
        ),
    ],
)
def test_planted_faults_of_the_privacy_manifest_are_found(demo, change, words):
    path = demo / "Brushport/PrivacyInfo.xcprivacy"
    facts = plistlib.loads(path.read_bytes())
    change(facts)
    path.write_bytes(plistlib.dumps(facts))
    assert any(words in found for found in project.privacy_faults(demo / "Brushport"))


def test_what_takes_a_reason_or_hides_is_found_in_the_sources(demo):
    plant(demo / "Brushport/Engine/Memory.swift", "enum Memory {", "#if DEBUG\nenum Memory {")
    plant(demo / "Brushport/Live/LiveModel.swift", "ContinuousClock.now\n", "ProcessInfo.processInfo.systemUptime\n")
    plant(demo / "Core/Sources/BrushportCore/Fit.swift", "/// A picture's", "import UIKit\n\n/// A picture's")
    assert list(project.source_faults(demo)) == [
        "Memory.swift hides code from the compiler at hand",
        "Fit.swift imports UIKit",
    ]
    assert "the app uses SystemBootTime without a reason" in list(project.privacy_faults(demo / "Brushport"))


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("AppIcon.appiconset", lambda facts: facts["images"][0].update(filename="Icon.png"), "not both"),
        ("SecondAccent.colorset", lambda facts: facts["colors"].pop(), "both for light and for dark"),
        ("AccentColor.colorset", lambda facts: facts.pop("info"), "whose it is"),
    ],
)
def test_planted_faults_of_the_assets_are_found(demo, file, change, words):
    path = demo / "Brushport/Assets.xcassets" / file / "Contents.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))
    assert any(words in found for found in project.asset_faults(demo / "Brushport"))


def test_a_color_that_is_not_there_is_found(demo):
    plant(demo / "Brushport/Views/StyleStrip.swift", 'Color("SecondAccent")', 'Color("ThirdAccent")')
    assert list(project.asset_faults(demo / "Brushport")) == [
        "there is no color ThirdAccent",
        "nothing uses the color SecondAccent",
    ]


def test_where_it_cannot_be_checked_the_reason_is_said(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MissingToolError, match="only root may change the root"):
        Tools.find()
