"""Compiles the app and its tests on a host, and packs it, without Gradle. Results are cached by their sources."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.demos.android.tools import Tools
from tests.demos.tools import cache, key, once, run

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
APP = REPOSITORY / "android_demo" / "app"
MAIN = APP / "src/main"
CORE = MAIN / "java/app/brushport/paint"
ASSETS = MAIN / "assets"
UNIT_TESTS = APP / "src/test/java"
# As Gradle compiles the app, but that each lambda is a class: Debian's dx knows no invokedynamic.
FLAGS = ("-no-jdk", "-no-reflect", "-jvm-target", "1.8", "-Werror", "-Xlambdas=class", "-Xsam-conversions=class")
FLAGS += ("-Xstring-concat=inline",)
TEST_FLAGS = ("-no-reflect", "-jvm-target", "1.8", "-Werror")
MIN_SDK, TARGET_SDK = 24, 36


class Refused(Exception):
    """A compiler found a mistake; the message is what it printed."""


def stubs(tools: Tools) -> Path:
    """Class files that stand in for LiteRT, and for what Android has from API 24 on."""

    def make(folder: Path) -> None:
        sources = sorted((HERE / "stubs").rglob("*.java"))
        run([tools.javac, "-nowarn", "-source", "8", "-target", "8", "-Xlint:-options", "-d", folder, *sources])

    return once(cache() / f"stubs-{key(HERE / 'stubs')}", make)


def kotlin(tools: Tools, sources: Iterable[Path], classpath: Sequence[Path], out: Path, flags: Sequence[str]) -> None:
    """Compile Kotlin files and folders into ``out``; raises :class:`Refused` with the compiler's words."""
    compiler = [tools.java, "-Xmx1g", "-cp", tools.kotlin / "lib/kotlin-compiler.jar"]
    compiler += ["org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-kotlin-home", tools.kotlin]
    try:
        run([*compiler, *flags, "-cp", ":".join(map(str, classpath)), "-d", out, *sources])
    except subprocess.CalledProcessError as error:
        raise Refused(error.output) from error


def test_classpath(tools: Tools) -> list[Path]:
    """What the app's model code and its tests need on a host."""
    return [stubs(tools), *(tools.jar(name) for name in ("json-android", "junit4", "hamcrest-all")), tools.stdlib]


def host_classes(tools: Tools, core: Path = CORE) -> Path:
    """The app's model, pixel, tiling and manifest code (in ``core``) and its tests, compiled for the host."""
    sources = [core, UNIT_TESTS, HERE / "jvm"]

    def make(folder: Path) -> None:
        kotlin(tools, sources, test_classpath(tools), folder, TEST_FLAGS)

    return once(cache() / f"host-{key(*sources, HERE / 'stubs', *TEST_FLAGS)}", make)


def app_classes(tools: Tools, sources: Path, resources: Path) -> Path:
    """The whole app, compiled against Android's own class library; ``resources`` holds the generated R."""
    made = key(sources, resources, HERE / "stubs", *FLAGS)

    def make(folder: Path) -> None:
        classpath = [stubs(tools), resources, tools.android_jar, tools.stdlib]
        kotlin(tools, [sources], classpath, folder, FLAGS)

    return once(cache() / f"app-{made}", make)
