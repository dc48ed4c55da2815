"""Mistakes in the app that no compiler sees: its manifest, its API levels, its Gradle files, its words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests.demos.android.build import APP, MAIN, MIN_SDK, PACKAGE, TARGET_SDK
from tests.demos.android.tools import API_TYPES, Tools
from tests.demos.tools import npm, run

ANDROID = "{http://schemas.android.com/apk/res/android}"
COMPONENTS = ("activity", "service", "receiver", "provider")
# What the app may call only with a permission, and which.
GUARDED = {
    "android/hardware/camera2/CameraManager.openCamera": "android.permission.CAMERA",
    "android/provider/MediaStore$Images$Media": "android.permission.WRITE_EXTERNAL_STORAGE",
}
# Stubs of what Android has from API 24 on, which the app may use: its minSdk is 24.
STUBBED = {"android/media/ExifInterface"}


def manifest_faults(manifest: Path, classes: Path) -> Iterator[str]:
    """What is wrong with the app's manifest, given its compiled ``classes``."""
    root = ElementTree.parse(manifest).getroot()
    if root.get("package"):
        yield "the package belongs into build.gradle.kts (namespace), not into the manifest"
    application = root.find("application")
    launchers = 0
    for component in (one for kind in COMPONENTS for one in application.iter(kind)):
        name = component.get(f"{ANDROID}name", "")
        full = PACKAGE + name if name.startswith(".") else name
        if not (classes / f"{full.replace('.', '/')}.class").is_file():
            yield f"there is no class {full}"
        exported = component.get(f"{ANDROID}exported")
        if exported not in ("true", "false"):
            yield f"{name} does not say whether it is exported, which targetSdk 31 and later demand"
        actions = [action.get(f"{ANDROID}name") for action in component.iter("action")]
        if actions and exported != "true":
            yield f"{name} has an intent filter and is not exported"
        launchers += "android.intent.action.MAIN" in actions
    if launchers != 1:
        yield f"{launchers} activities start the app, not one"
    declared = {one.get(f"{ANDROID}name") for one in root.iter("uses-permission")}
    used = references(classes)
    for what, permission in GUARDED.items():
        if any(what in one for one in used) and permission not in declared:
            yield f"{what} is used without {permission}"
    activities = {path.stem for path in classes.rglob("*Activity.class")}
    named = {one.get(f"{ANDROID}name", "").rsplit(".", 1)[-1] for one in application.iter("activity")}
    yield from (f"{missing} is in no manifest" for missing in sorted(activities - named))


def references(classes: Path) -> set[str]:
    """Members that the class files under ``classes`` name: ``package/Class.member``, or the class alone."""
    found = set()
    for path in classes.rglob("*.class"):
        text = path.read_bytes().decode("latin-1")
        found.update(re.findall(r"android/[\w/$]+", text))
    return found | {f"{owner}.{name}" for owner, name in _members(classes)}


def _members(classes: Path) -> set[tuple[str, str]]:
    """(owner, name) of each of Android's methods and fields that is called."""
    files = sorted(classes.rglob("*.class"))
    printed = run(["javap", "-c", "-p", *files]) if files else ""
    return set(re.findall(r"// (?:Interface)?(?:Method|Field) (android/[\w/$]+)\.\"?([\w$<>]+)\"?:", printed))


@dataclass
class ApiClass:
    """One of Android's classes: since when, what it inherits from, and since when each member is there."""

    since: int = 1
    parents: list[str] = field(default_factory=list)
    members: dict[str, int] = field(default_factory=dict)


def api_classes() -> dict[str, ApiClass]:
    """Android's public classes by name (``android/view/View``), as of API 37, with the level of what came after 21."""
    text = (npm(API_TYPES) / "lib/android/android-platform-21-37-merged.d.ts").read_text(encoding="utf-8")
    classes: dict[str, ApiClass] = {}
    scopes: list[str] = []
    since = 1
    current: ApiClass | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if found := re.match(r"/\*\* @since (\d+)", stripped):
            since = int(found[1])
            continue
        if found := re.match(r"(?:declare|export) module ([\w.$]+) \{", stripped):
            scopes.append(found[1])
        elif found := re.match(r"export (?:abstract )?(?:class|interface) ([\w$]+)(.*)\{", stripped):
            scopes.append(found[1])
            current = classes.setdefault(_name(scopes), ApiClass())
            current.since = since
            current.parents += [name.replace(".", "/") for name in re.findall(r"((?:android|java)\.[\w.$]+)", found[2])]
        elif stripped.startswith("}"):
            scopes.pop()
            current = classes.get(_name(scopes))
        elif stripped.endswith("{"):
            scopes.append("")
        elif current is not None and (found := re.match(r"(?:public |protected |static )*([\w$]+)[(:<]", stripped)):
            member = "<init>" if found[1] == "constructor" else found[1]
            current.members[member] = min(since, current.members.get(member, since))
        since = 1
    return classes


def _name(scopes: list[str]) -> str:
    """``android.view`` and ``View`` and ``OnClickListener`` as ``android/view/View$OnClickListener``."""
    parts = [part for scope in scopes for part in scope.split(".")]
    first = next((index for index, part in enumerate(parts) if part[:1].isupper()), len(parts))
    return "/".join([*parts[:first], "$".join(parts[first:])]) if parts[first:] else "/".join(parts)


def api_faults(classes: Path) -> Iterator[str]:
    """What the app calls that came after its minSdk, or that Android has no longer."""
    known = api_classes()
    for owner, member in sorted(_members(classes)):
        if owner in STUBBED:
            continue
        level = _level(known, owner, member)
        if level is None:
            yield f"{owner}.{member} is not in API 37"
        elif level > MIN_SDK:
            yield f"{owner}.{member} came with API {level}, minSdk is {MIN_SDK}"


def _level(known: dict[str, ApiClass], owner: str, member: str) -> int | None:
    """Since when ``owner`` has ``member``, itself or from what it inherits; None where it does not."""
    seen: list[str] = [owner]
    for name in seen:
        found = known.get(name) or known.get(name.replace("$", "/"))
        if found is None:
            continue
        if member in found.members or member == "<init>":
            return max(found.since, found.members.get(member, 1))
        seen += [parent for parent in found.parents if parent not in seen]
    return None


def gradle_faults() -> Iterator[str]:
    """Where Gradle's files and this build, or each other, disagree."""
    script = (APP / "build.gradle.kts").read_text(encoding="utf-8")
    for name, wanted in (("minSdk", MIN_SDK), ("targetSdk", TARGET_SDK), ("compileSdk", TARGET_SDK)):
        if not re.search(rf"\b{name} = {wanted}\b", script):
            yield f"build.gradle.kts does not say {name} = {wanted}"
    if f'namespace = "{PACKAGE}"' not in script:
        yield f"build.gradle.kts does not name {PACKAGE}"
    if not re.search(r'noCompress \+= "tflite"', script):
        yield "build.gradle.kts lets the model be compressed, so that it cannot be mapped"
    catalog = tomllib.loads((APP.parent / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
    everything = script + (APP.parent / "build.gradle.kts").read_text(encoding="utf-8")
    named = set(re.findall(r"libs\.((?!plugins)[\w.]+)\)", everything))
    declared = {name.replace("-", ".") for name in catalog["libraries"]}
    plugins = set(re.findall(r"libs\.plugins\.([\w.]+)\)", everything))
    for difference in sorted(named ^ declared | plugins ^ {name.replace("-", ".") for name in catalog["plugins"]}):
        yield f"{difference} is in the version catalog or used, not both"
    for entry in (*catalog["libraries"].values(), *catalog["plugins"].values()):
        if entry["version"]["ref"] not in catalog["versions"]:
            yield f"the catalog has no version {entry['version']['ref']}"
    runtime = [
        entry["module"] for name, entry in catalog["libraries"].items() if f"implementation(libs.{name}" in script
    ]
    if any(not module.startswith("com.google.ai.edge.litert:") for module in runtime):
        yield f"the app depends on more than LiteRT: {runtime}"


def word_faults() -> Iterator[str]:
    """Strings, sizes and colors that nothing uses, and strings given too few values or too many."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (MAIN / "java").rglob("*.kt"))
    marked = "".join(
        path.read_text(encoding="utf-8") for path in (*MAIN.rglob("res/**/*.xml"), MAIN / "AndroidManifest.xml")
    )
    for file, kind in (("strings", "string"), ("dimens", "dimen"), ("colors", "color")):
        for entry in ElementTree.parse(MAIN / f"res/values/{file}.xml").getroot():
            name = entry.get("name")
            if not re.search(rf"R\.{kind}\.{name}\b", sources) and not re.search(rf"@{kind}/{name}\b", marked):
                yield f"nothing uses {kind} {name}"
            if kind == "string":
                wanted = len(set(re.findall(r"%(\d)\$", entry.text)))
                yield from _argument_faults(sources, name, wanted)


def _argument_faults(sources: str, name: str, wanted: int) -> Iterator[str]:
    for call in re.finditer(rf"getString\(\s*R\.string\.{name}\b", sources):
        depth, commas, place = 1, 0, call.end()
        while depth:
            depth += (sources[place] in "([{") - (sources[place] in ")]}")
            commas += sources[place] == "," and depth == 1
            place += 1
        if commas != wanted:
            yield f"string {name} takes {wanted} values and is given {commas}"


def style_faults(tools: Tools, ktlint: Path) -> str:
    """What ktlint finds in the app's Kotlin and in its Gradle scripts; empty for nothing."""
    places = ["app/src/**/*.kt", "*.kts", "app/*.kts"]
    command = [tools.java, "-jar", ktlint / "resources/ktlint", "--log-level=error", *places]
    try:
        return run(command, cwd=APP.parent)
    except Exception as error:
        return str(getattr(error, "output", error))
