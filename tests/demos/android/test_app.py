"""The whole app: compiled with warnings as errors, linked, looked over, packed and signed."""

import re
import shutil
import zipfile

import pytest

from tests.demos.android import build, lint
from tests.demos.android.tools import KTLINT
from tests.demos.tools import npm, plant, run


def test_it_compiles_with_warnings_as_errors_against_androids_own_classes(app):
    assert "-Werror" in build.FLAGS
    for screen in ("MainActivity", "LiveActivity", "BenchmarkActivity"):
        assert (app / f"app/brushport/{screen}.class").is_file()


@pytest.mark.parametrize(
    ("file", "was", "fault", "words"),
    [
        ("Studio.kt", "worker.execute {", "worker.exekute {", "unresolved reference 'exekute'"),
        ("MainActivity.kt", "painting.imageAlpha = 0", "painting.imageAlpha = 0L", "Int"),
        ("Photos.kt", "if (turn.isIdentity)", "if (turn!!.isIdentity)", "warnings found and -Werror"),
    ],
)
def test_the_compiler_finds_planted_faults(tools, tmp_path, file, was, fault, words):
    sources = shutil.copytree(build.MAIN / "java", tmp_path / "java")
    plant(sources / "app/brushport" / file, was, fault)
    with pytest.raises(build.CompilerError, match=re.escape(words)):
        build.app_classes(tools, sources, build.linked(tools) / "classes")


@pytest.mark.parametrize(
    ("file", "was", "fault", "words"),
    [
        ("res/layout/activity_main.xml", "@dimen/margin", "@dimen/margins", "margins"),
        ("res/values/themes.xml", "Theme.Material.Light.NoActionBar", "Theme.Material.Lite", "Theme.Material.Lite"),
        ("AndroidManifest.xml", "@string/live", "@string/alive", "alive"),
        ("res/drawable/ic_stop.xml", "</vector>", "", "ic_stop.xml"),
    ],
)
def test_the_linker_finds_planted_faults(tools, tmp_path, file, was, fault, words):
    main = shutil.copytree(build.MAIN, tmp_path / "main")
    plant(main / file, was, fault)
    with pytest.raises(build.CompilerError, match=words):
        build.linked(tools, main)


def test_manifest_gradle_files_words_and_api_levels_are_in_order(app):
    assert list(lint.manifest_faults(build.MAIN / "AndroidManifest.xml", app)) == []
    assert list(lint.gradle_faults()) == []
    assert list(lint.word_faults()) == []
    assert list(lint.api_faults(app)) == []


def test_api_levels_are_known(app):
    known = lint.api_classes()
    assert lint._level(known, "android/media/ImageReader", "getDataSpace") == 33
    assert lint._level(known, "android/app/Activity", "setContentView") == 1
    assert lint._level(known, "android/widget/SeekBar", "setProgress") == 1  # inherited
    assert lint._level(known, "android/app/Activity", "setContentVieww") is None
    assert ("android/hardware/camera2/CameraManager", "openCamera") in lint._members(app)


@pytest.mark.parametrize(
    ("was", "fault", "words"),
    [
        (".LiveActivity", ".LifeActivity", "no class app.brushport.LifeActivity"),
        ('            android:exported="true">', "            >", "whether it is exported"),
        ("android.permission.CAMERA", "android.permission.CAMARA", "openCamera is used without"),
        ("android.intent.action.MAIN", "android.intent.action.VIEW", "0 activities start"),
    ],
)
def test_planted_faults_of_the_manifest_are_found(app, tmp_path, was, fault, words):
    manifest = tmp_path / "AndroidManifest.xml"
    shutil.copy(build.MAIN / "AndroidManifest.xml", manifest)
    plant(manifest, was, fault)
    assert any(words in found for found in lint.manifest_faults(manifest, app))


def test_the_kotlin_is_well_kept(tools):
    assert lint.style_faults(tools, npm(KTLINT)) == ""


def test_it_is_packed_and_signed_with_the_model_uncompressed(tools):
    package = build.apk(tools)
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        models = [entry for entry in archive.infolist() if entry.filename.endswith(".tflite")]
        assert [entry.compress_type for entry in models] == [zipfile.ZIP_STORED]
        assert archive.read(models[0]) == (build.ASSETS / models[0].filename.removeprefix("assets/")).read_bytes()
        assert archive.read("classes.dex").startswith(b"dex\n")
    signed = run([*build.apksigner(tools), "verify", "--verbose", package])
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in signed
    zipalign, environment = tools.program("zipalign")
    run([zipalign, "-c", "4", package], env=environment)
    aapt2, environment = tools.program("aapt2")
    badging = run([aapt2, "dump", "badging", package], env=environment)
    assert f"sdkVersion:'{build.MIN_SDK}'" in badging
    assert f"targetSdkVersion:'{build.TARGET_SDK}'" in badging
    assert "launchable-activity: name='app.brushport.MainActivity'" in badging
