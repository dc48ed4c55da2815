"""Mistakes in the app that no compiler at hand sees: its Xcode project, its assets, its privacy manifest, its words."""

from __future__ import annotations

import json
import plistlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from openstep_parser import OpenStepDecoder
from pbxproj import XcodeProject
from PIL import Image

IDENTIFIER = re.compile(r"[0-9A-F]{24}")
PROJECT = "Brushport.xcodeproj"
SETTINGS = {
    "IPHONEOS_DEPLOYMENT_TARGET": "16.0",
    "SWIFT_VERSION": "6.0",
    "TARGETED_DEVICE_FAMILY": "1,2",
    "COREML_CODEGEN_LANGUAGE": "None",  # the app loads any model by its name, so that two files can be replaced
    "GENERATE_INFOPLIST_FILE": "YES",
    "PRODUCT_BUNDLE_IDENTIFIER": "app.brushport.Brushport",
}
# What the app may do only with a sentence for the user, and in which key of Info.plist that is.
USAGE = {
    r"AVCaptureDevice|UIImagePickerController": "NSCameraUsageDescription",
    r"PHPhotoLibrary": "NSPhotoLibraryAddUsageDescription",
    r"AVCaptureDevice\S*\(.*audio|AVAudioSession": "NSMicrophoneUsageDescription",
}
# developer.apple.com/documentation/bundleresources/describing-use-of-required-reason-api: the reasons that there are,
# and what in the sources takes one.
REASONS = {
    "FileTimestamp": ("DDA9.1 C617.1 3B52.1 0A2A.1", r"creationDate|odificationDate|attributesOfItem|\bf?l?stat\("),
    "SystemBootTime": ("35F9.1 8FFB.1 3D61.1", r"systemUptime|mach_absolute_time"),
    "DiskSpace": ("85F4.1 E174.1 7D9E.1 B728.1", r"volumeAvailableCapacity|systemFreeSize|systemSize|statv?fs"),
    "ActiveKeyboards": ("3EC4.1 54BD.1", r"activeInputModes"),
    "UserDefaults": ("CA92.1 1C8F.1 C56D.1 AC6B.1", r"UserDefaults|@AppStorage|@SceneStorage"),
}
PRIVACY = {
    "NSPrivacyTracking": bool,
    "NSPrivacyTrackingDomains": list,
    "NSPrivacyCollectedDataTypes": list,
    "NSPrivacyAccessedAPITypes": list,
}
ICON = (1024, 1024)


def project_faults(demo: Path) -> Iterator[str]:
    """What is wrong with the project file in ``demo``, the app's folder, and with its scheme."""
    path = demo / PROJECT / "project.pbxproj"
    XcodeProject.load(str(path))  # which knows of more than the format
    with path.open(encoding="utf-8") as file:
        whole = OpenStepDecoder.ParseFromFile(file)
    objects = whole["objects"]
    if whole["objectVersion"] != "77":
        yield f"objectVersion is {whole['objectVersion']}, not 77: Xcode 16's, with synchronized folders"
    named = set(_identifiers([whole["rootObject"], *objects.values()]))
    yield from (f"nothing has the id {missing}, which is named" for missing in sorted(named - objects.keys()))
    yield from (f"nothing names the {objects[one]['isa']} {one}" for one in sorted(objects.keys() - named))
    yield from _reference_faults(demo, objects)
    yield from _setting_faults(demo, objects)
    yield from _scheme_faults(demo, objects)


def _identifiers(value: Any) -> Iterator[str]:
    """Each id that ``value`` holds as a value or as a key."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for one in value:
            yield from _identifiers(one)
    elif IDENTIFIER.fullmatch(str(value)):
        yield str(value)


def _of(objects: dict, isa: str) -> list[tuple[str, dict]]:
    return [(name, one) for name, one in objects.items() if one["isa"] == isa]


def _reference_faults(demo: Path, objects: dict) -> Iterator[str]:
    groups = _of(objects, "PBXFileSystemSynchronizedRootGroup")
    targets = _of(objects, "PBXNativeTarget")
    for name, group in groups:
        if not (demo / group["path"]).is_dir():
            yield f"there is no folder {group['path']}"
        if not any(name in target.get("fileSystemSynchronizedGroups", []) for _, target in targets):
            yield f"no target takes the files of {group['path']}"
    products = ""
    for _, package in _of(objects, "XCLocalSwiftPackageReference"):
        manifest = demo / package["relativePath"] / "Package.swift"
        if not manifest.is_file():
            yield f"there is no package {package['relativePath']}"
            continue
        products += manifest.read_text(encoding="utf-8")
    for name, product in _of(objects, "XCSwiftPackageProductDependency"):
        if f'.library(name: "{product["productName"]}"' not in products:
            yield f"no package makes {product['productName']}"
        if not any(build.get("productRef") == name for _, build in _of(objects, "PBXBuildFile")):
            yield f"{product['productName']} is not linked"
    if _of(objects, "XCRemoteSwiftPackageReference"):
        yield "the app depends on a package from elsewhere"


def _setting_faults(demo: Path, objects: dict) -> Iterator[str]:
    (_, project), (_, target) = _of(objects, "PBXProject")[0], _of(objects, "PBXNativeTarget")[0]
    lists = [objects[one["buildConfigurationList"]]["buildConfigurations"] for one in (project, target)]
    sources = _sources(demo)
    for outer, inner in zip(*lists, strict=True):
        name = objects[outer]["name"]
        if objects[inner]["name"] != name:
            yield f"configuration {name} of the project is {objects[inner]['name']} of the target"
        settings = objects[outer]["buildSettings"] | objects[inner]["buildSettings"]
        for key, wanted in SETTINGS.items():
            if settings.get(key) != wanted:
                yield f"{key} is {settings.get(key)} in {name}, not {wanted}"
        for used, key in USAGE.items():
            sentence = settings.get(f"INFOPLIST_KEY_{key}", "")
            if re.search(used, sources) and not sentence:
                yield f"{name} has no sentence {key}"
            if sentence and not re.search(used, sources):
                yield f"{name} has a sentence {key} that nothing needs"
        for key, ending in (("APPICON_NAME", "appiconset"), ("GLOBAL_ACCENT_COLOR_NAME", "colorset")):
            asset = f"{settings.get(f'ASSETCATALOG_COMPILER_{key}')}.{ending}"
            if not any(demo.glob(f"Brushport/*.xcassets/{asset}")):
                yield f"there is no asset {asset}"


def _scheme_faults(demo: Path, objects: dict) -> Iterator[str]:
    targets = dict(_of(objects, "PBXNativeTarget"))
    schemes = sorted(demo.glob(f"{PROJECT}/xcshareddata/xcschemes/*.xcscheme"))
    if len(schemes) != 1:
        yield f"{len(schemes)} schemes are shared, not one"
    for scheme in schemes:
        for reference in ElementTree.parse(scheme).iter("BuildableReference"):
            target = targets.get(reference.get("BlueprintIdentifier", ""))
            if target is None or target["name"] != reference.get("BlueprintName"):
                yield f"the scheme names {reference.get('BlueprintName')}, which is no such target"
            if reference.get("ReferencedContainer") != f"container:{PROJECT}":
                yield f"the scheme refers to {reference.get('ReferencedContainer')}"
    if ElementTree.parse(demo / PROJECT / "project.xcworkspace/contents.xcworkspacedata").getroot().tag != "Workspace":
        yield "the workspace is none"


def asset_faults(app: Path) -> Iterator[str]:
    """What is wrong with the app's asset catalogs, and which colors its sources name that are not there."""
    catalogs = sorted(app.glob("*.xcassets"))
    for folder in (one for catalog in catalogs for one in (catalog, *catalog.iterdir()) if one.is_dir()):
        contents = folder / "Contents.json"
        if not contents.is_file():
            yield f"{folder.name} has no Contents.json"
            continue
        facts = json.loads(contents.read_text(encoding="utf-8"))
        if facts.get("info") != {"author": "xcode", "version": 1}:
            yield f"{folder.name} does not say whose it is"
        named = {image["filename"] for image in facts.get("images", []) if "filename" in image}
        there = {path.name for path in folder.iterdir() if path.is_file()} - {contents.name}
        yield from (f"{folder.name} has {name} or names it, not both" for name in sorted(named ^ there))
        if folder.suffix == ".appiconset":
            for name in named & there:
                with Image.open(folder / name) as icon:
                    if icon.size != ICON or "A" in icon.getbands() or "transparency" in icon.info:
                        yield f"{name} is no opaque picture of {ICON[0]} pixels a side"
        if folder.suffix == ".colorset":
            appearances = [color.get("appearances") for color in facts["colors"]]
            if None not in appearances or [{"appearance": "luminosity", "value": "dark"}] not in appearances:
                yield f"{folder.name} is not both for light and for dark"
    colors = {path.stem for catalog in catalogs for path in catalog.glob("*.colorset")}
    sources = _sources(app.parent)
    for name in sorted(set(re.findall(r'\bColor\("(\w+)"\)', sources)) - colors):
        yield f"there is no color {name}"
    for name in sorted(colors - set(re.findall(r'\bColor\("(\w+)"\)', sources)) - {"AccentColor"}):
        yield f"nothing uses the color {name}"


def privacy_faults(app: Path) -> Iterator[str]:
    """What is wrong with the app's privacy manifest, given its sources."""
    facts = plistlib.loads((app / "PrivacyInfo.xcprivacy").read_bytes())
    for name, kind in PRIVACY.items():
        if not isinstance(facts.get(name), kind):
            yield f"the privacy manifest has no {name}"
    yield from (f"no privacy manifest has {name}" for name in sorted(facts.keys() - PRIVACY.keys()))
    declared = {}
    for entry in facts.get("NSPrivacyAccessedAPITypes", []):
        kind = entry.get("NSPrivacyAccessedAPIType", "").removeprefix("NSPrivacyAccessedAPICategory")
        declared[kind] = entry.get("NSPrivacyAccessedAPITypeReasons", [])
        if kind not in REASONS:
            yield f"there is no category {kind}"
        elif not declared[kind] or not set(declared[kind]) <= set(REASONS[kind][0].split()):
            yield f"{declared[kind]} are no reasons for {kind}"
    sources = _sources(app.parent)
    used = {kind for kind, (_, pattern) in REASONS.items() if re.search(pattern, sources)}
    yield from (f"the app uses {kind} without a reason" for kind in sorted(used - declared.keys()))
    yield from (f"nothing uses {kind}" for kind in sorted(declared.keys() & REASONS.keys() - used))


def source_faults(demo: Path) -> Iterator[str]:
    """What no Swift file of the app may hold: what hides from these checks, or was left behind."""
    for path in sorted((*demo.glob("Brushport/**/*.swift"), *demo.glob("Core/Sources/**/*.swift"))):
        text = path.read_text(encoding="utf-8")
        for pattern, words in (
            (r"^\s*#if", "hides code from the compiler at hand"), (r"\bprint\(|NSLog\(", "prints"),
            (r"TODO|FIXME", "is not done"), (r"\bas!|\btry!", "ends the app when something is amiss"),
        ):  # fmt: skip
            if re.search(pattern, text, re.MULTILINE):
                yield f"{path.name} {words}"
        if "Core/Sources" in path.as_posix():
            modules = set(re.findall(r"^(?:@\w+ )*import (\w+)", text, re.MULTILINE))
            yield from (f"{path.name} imports {name}" for name in sorted(modules - {"Foundation"}))


def _sources(demo: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(demo.glob("Brushport/**/*.swift")))
