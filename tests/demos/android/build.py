"""Compiles the app and its tests on a host, and packs it, without Gradle. Results are cached by their sources."""

from __future__ import annotations

import re
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
PACKAGE = "app.brushport"
MIN_SDK, TARGET_SDK = 24, 36


class CompilerError(Exception):
    """A compiler found a mistake; the message is what it printed."""


def stubs(tools: Tools) -> Path:
    """Class files that stand in for LiteRT, and for what Android has from API 24 on."""

    def make(folder: Path) -> None:
        java(tools, HERE / "stubs", folder)

    return once(cache() / f"stubs-{key(HERE / 'stubs')}", make)


def kotlin(tools: Tools, sources: Iterable[Path], classpath: Sequence[Path], out: Path, flags: Sequence[str]) -> None:
    """Compile Kotlin files and folders into ``out``; raises :class:`CompilerError` with the compiler's words."""
    compiler = [tools.java, "-Xmx1g", "-cp", tools.kotlin / "lib/kotlin-compiler.jar"]
    compiler += ["org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-kotlin-home", tools.kotlin]
    try:
        run([*compiler, *flags, "-cp", ":".join(map(str, classpath)), "-d", out, *sources])
    except subprocess.CalledProcessError as error:
        raise CompilerError(error.output) from error


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


def linked(tools: Tools, main: Path = MAIN) -> Path:
    """The app's resources, manifest and assets as ``app.apk``, without code, and ``R`` as classes under ``classes``.

    What Gradle puts into the manifest (package, versions, SDKs) is given on the command line. Raises
    :class:`CompilerError` with aapt2's words.
    """
    aapt2, environment = tools.program("aapt2")

    def make(folder: Path) -> None:
        compiled, generated = folder / "compiled.zip", folder / "generated"
        manifest = folder / "AndroidManifest.xml"
        text = (main / "AndroidManifest.xml").read_text(encoding="utf-8")
        text = re.sub(r"<uses-native-library[^>]*/>", "", text)  # of API 31, which this aapt2 does not know
        manifest.write_text(text.replace("<manifest ", f'<manifest package="{PACKAGE}" ', 1), encoding="utf-8")
        link = [aapt2, "link", "-o", folder / "app.apk", "-I", tools.framework, "--manifest", manifest]
        link += ["--min-sdk-version", str(MIN_SDK), "--target-sdk-version", str(TARGET_SDK)]
        link += ["--version-code", "1", "--version-name", "1.0", "--java", generated]
        link += ["-A", main / "assets", "-0", ".tflite", compiled]  # the dot matters: "tflite" compresses it
        try:
            run([aapt2, "compile", "--dir", main / "res", "-o", compiled], env=environment)
            run(link, env=environment)
        except subprocess.CalledProcessError as error:
            raise CompilerError(error.output) from error
        java(tools, generated, folder / "classes")

    return once(cache() / f"linked-{key(main / 'AndroidManifest.xml', main / 'res', main / 'assets')}", make)


def apk(tools: Tools) -> Path:
    """A signed APK of the whole app, with the host's stand-in for LiteRT's Java classes and no native library."""
    resources = linked(tools)
    classes = app_classes(tools, MAIN / "java", resources / "classes")

    def make(folder: Path) -> None:
        together, shrunk, dex = folder / "classes", folder / "shrunk.jar", folder / "classes.dex"
        for source in (classes, resources / "classes"):
            shutil.copytree(source, together, dirs_exist_ok=True)
        shutil.copytree(stubs(tools) / "org", together / "org")
        _shrink(tools, together, shrunk)
        compiler = [tools.java, "-cp", tools.jar("com.android.dx"), "com.android.dx.command.Main"]
        run([*compiler, "--dex", f"--min-sdk-version={MIN_SDK}", f"--output={dex}", shrunk])
        package, aligned, signed = (folder / f"{name}.apk" for name in ("package", "aligned", "signed"))
        shutil.copyfile(resources / "app.apk", package)
        with zipfile.ZipFile(package, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.write(dex, dex.name)
        zipalign, environment = tools.program("zipalign")
        run([zipalign, "-f", "4", package, aligned], env=environment)
        store = folder / "debug.keystore"
        secret = ["-storepass", "android", "-keypass", "android", "-alias", "debug", "-dname", "CN=Android Debug"]
        run([tools.keytool, "-genkeypair", "-keystore", store, "-keyalg", "RSA", "-keysize", "2048", *secret])
        sign = [*apksigner(tools), "sign", "--ks", store, "--ks-pass", "pass:android"]
        run([*sign, "--min-sdk-version", str(MIN_SDK), "--out", signed, aligned])
        shutil.rmtree(together)

    return once(cache() / f"apk-{key(classes.name, resources.name, HERE / 'build.py')}", make) / "signed.apk"


def apksigner(tools: Tools) -> list[str | Path]:
    """The command that signs a package and checks its signature."""
    return [tools.java, "-cp", f"{tools.jar('apksigner')}:{tools.jar('apksig')}", "com.android.apksigner.ApkSignerTool"]


def _shrink(tools: Tools, classes: Path, out: Path) -> None:
    """``classes`` with what they use of Kotlin's library, in the class file version that dx reads."""
    rules = out.with_suffix(".pro")
    rules.write_text(
        f"-injars {classes}\n-injars {tools.stdlib}(!META-INF/**)\n-outjars {out}\n-libraryjars {tools.android_jar}\n"
        "-target 1.7\n-dontoptimize\n-dontobfuscate\n-dontwarn\n-dontnote\n"
        f"-keep class {PACKAGE}.** {{ *; }}\n-keep class org.tensorflow.** {{ *; }}\n"
    )
    run([tools.java, "-jar", tools.jar("proguard"), f"@{rules}"])


def java(tools: Tools, sources: Path, out: Path) -> None:
    """Compile the Java files under ``sources`` into ``out``."""
    quietly = ["-nowarn", "-source", "8", "-target", "8", "-Xlint:-options"]
    run([tools.javac, *quietly, "-d", out, *sorted(sources.rglob("*.java"))])
