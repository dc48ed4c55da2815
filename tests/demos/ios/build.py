"""Builds and checks the app's Swift on a host, without Xcode. Results are cached by their sources."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.demos.ios.tools import Tools
from tests.demos.tools import cache, key, once, plant

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
DEMO = REPOSITORY / "ios_demo"
APP = DEMO / "Brushport"
CORE = DEMO / "Core"
MODEL = APP / "Model"
STUBS = HERE / "stubs"
HOST = HERE / "host"
VECTORS = REPOSITORY / "tests/demos/vectors"
# In the order in which they build on each other.
MODULES = (
    "AppleFoundation", "Darwin", "ObjectiveC", "os", "CoreGraphics", "CoreVideo", "CoreMedia", "Combine",
    "UniformTypeIdentifiers", "CoreTransferable", "ImageIO", "CoreImage", "CoreML", "UIKit", "AVFoundation", "Photos",
    "SwiftUI", "PhotosUI",
)  # fmt: skip
LANGUAGE = "-swift-version 6 -parse-as-library"


class CompilerError(Exception):
    """A compiler found a mistake; the message is what it printed."""


def run(tools: Tools, script: str, **places: Path) -> str:
    """As :meth:`Tools.run`, but raises :class:`CompilerError`."""
    try:
        return tools.run(script, **places)
    except subprocess.CalledProcessError as error:
        raise CompilerError(error.output) from error


def sources_of_core(core: Path) -> list[Path]:
    """What the package is built from."""
    return [core / "Package.swift", core / "Sources", core / "Tests"]


def copy_of_core(folder: Path) -> Path:
    """A copy of the package and of the vectors, to be changed, as the repository has them."""
    core = folder / CORE.relative_to(REPOSITORY)
    for source in sources_of_core(CORE):
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        (core / source.name).parent.mkdir(parents=True, exist_ok=True)
        copy(source, core / source.name)
    shutil.copytree(VECTORS, folder / VECTORS.relative_to(REPOSITORY), ignore=shutil.ignore_patterns("*.py*"))
    return core


@dataclass(frozen=True)
class Fault:
    """What to say instead of ``was`` in a ``file`` of the package, and the ``test`` that is to say so."""

    file: str
    was: str
    fault: str
    test: str


def tested_core(tools: Tools, faults: dict[str, Fault]) -> tuple[str, dict[str, str]]:
    """What ``swift test`` printed of the app's own package, warnings being errors, and with each fault in it."""

    def test(folder: Path) -> str:
        script = "cd /src/ios_demo/Core && swift test -Xswiftc -warnings-as-errors --scratch-path /out/build 2>&1"
        return tools.run(f"{{ {script}; }} || true", src=folder / "src", out=folder)

    def make(folder: Path) -> None:
        core = copy_of_core(folder / "src")
        printed = [test(folder)]
        for fault in faults.values():  # in one place, so that only what changes is compiled again
            path = core / "Sources/BrushportCore" / fault.file
            kept = path.read_text(encoding="utf-8")
            plant(path, fault.was, fault.fault)
            printed.append(test(folder))
            path.write_text(kept, encoding="utf-8")
        (folder / "printed.json").write_text(json.dumps(printed), encoding="utf-8")
        shutil.rmtree(folder / "build")

    made_of = key(*sources_of_core(CORE), VECTORS, *faults.values(), tools.root.name)
    made = once(cache() / f"ios-core-{made_of}", make)
    own, *others = json.loads((made / "printed.json").read_text(encoding="utf-8"))
    return own, dict(zip(faults, others, strict=True))


def modules(tools: Tools) -> Path:
    """Compiled stubs of Apple's modules, and the app's own package."""

    def make(folder: Path) -> None:
        compile_it = f"swiftc -emit-module {LANGUAGE} -suppress-warnings -I /out"
        steps = [f"{compile_it} -module-name {name} -o /out/{name}.swiftmodule /host/{name}.swift" for name in MODULES]
        core = "/src/Sources/BrushportCore/*.swift"
        steps.append(f"{compile_it} -module-name BrushportCore -o /out/BrushportCore.swiftmodule {core}")
        run(tools, "\n".join(steps), src=CORE, host=STUBS, out=folder)

    return once(cache() / f"ios-modules-{key(STUBS, CORE / 'Sources', *MODULES, tools.root.name)}", make)


def compile_app(tools: Tools, sources: Path) -> None:
    """Compile the app's files as far as their meaning goes; raises :class:`CompilerError` with the compiler's words.

    That is more than to check types: only on the way to machine code is it seen what is sent across actors.
    """
    script = f"swiftc -emit-sil -wmo -o /dev/null {LANGUAGE} -warnings-as-errors -module-name Brushport -I /host "
    run(tools, script + "$(find /src -name '*.swift' | sort) 2>&1", src=sources, host=modules(tools))


def lint(tools: Tools, folder: Path) -> str:
    """What swift-format finds in the Swift files of ``folder``, parsed all of them; empty for nothing."""
    script = "cd /src && find . -name '*.swift' -not -path '*/.build/*' | sort | xargs swift-format lint --strict"
    script += " --configuration /host/.swift-format 2>&1"
    try:
        return tools.run(script, src=folder, host=DEMO)
    except subprocess.CalledProcessError as error:
        return error.output


def host(tools: Tools) -> Path:
    """The program that has the app's own package talk to Python."""
    parts = [HOST / "Package.swift", HOST / "Sources", *sources_of_core(CORE)[:2]]

    def make(folder: Path) -> None:
        script = "cd /src/tests/demos/ios/host && swift build -c release --scratch-path /out/build 2>&1"
        # A copy: the package lies where it does in the repository, and nothing is written there.
        copy_of_core(folder / "src")
        shutil.copytree(HOST, folder / "src" / HOST.relative_to(REPOSITORY))
        run(tools, script, src=folder / "src", out=folder)
        shutil.copy2(folder / "build/release/Host", folder / "Host")
        shutil.rmtree(folder / "build")

    return once(cache() / f"ios-host-{key(*parts, tools.root.name)}", make) / "Host"


def executed(printed: str) -> int:
    """How many tests ``swift test`` ran if all of them passed, else 0."""
    found = re.findall(r"Executed (\d+) tests, with 0 failures", printed)
    return int(found[-1]) if "error:" not in printed and found else 0


def failed(printed: str) -> set[str]:
    """The tests that ``swift test`` says failed."""
    return set(re.findall(r"Test Case '\w+\.(\w+)' failed", printed))
