"""The app's model, pixels, tiles and manifest, run on a host with the app's own model file."""

import re
import shutil
import subprocess
import sys

import numpy as np
import onnx_ir as ir
import pytest
from typer.testing import CliRunner

from export.hub import load_hub
from tests.demos import pictures
from tests.demos.android import build
from tests.demos.android.pictures import bundled, save_photos, whole_by_file
from tests.demos.tools import plant
from tests.demos.vectors import FOLDER as VECTORS
from validate.cli import app as validate
from validate.files import sha256
from validate.manifest import write_entry
from validate.metrics import psnr, ssim

UNIT_TESTS = ("ManifestTest", "PixelsTest", "TilerTest", "BenchmarkTest", "VectorsTest")
HEAP = "160m"  # of which a photo of 4032x3024 and its painting take 98
STYLE = 0


def java(tools, classes, *command, heap="512m", assets=build.ASSETS, folder="."):
    settings = {"brushport.python": sys.executable, "brushport.assets": assets, "brushport.folder": folder}
    settings["brushport.vectors"] = VECTORS
    path = ":".join(map(str, [classes, *build.test_classpath(tools)]))
    line = [tools.java, f"-Xmx{heap}", *(f"-D{name}={value}" for name, value in settings.items()), "-cp", path]
    return subprocess.run(
        [*line, *map(str, command)], cwd=build.REPOSITORY, capture_output=True, text=True, check=False, timeout=600
    )


def junit(tools, classes, *names, **options):
    tests = [f"app.brushport.paint.{name}" for name in names]
    return java(tools, classes, "org.junit.runner.JUnitCore", *tests, **options)


@pytest.fixture(scope="module")
def classes(tools):
    return build.host_classes(tools)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    save_photos(folder)
    return folder


def test_units(tools, classes):
    result = junit(tools, classes, *UNIT_TESTS)
    assert result.returncode == 0, result.stdout
    assert re.search(r"OK \(\d{2} tests\)", result.stdout)


def test_photos_are_painted_as_python_paints_them(tools, classes, photos):
    result = junit(tools, classes, "InferenceTest", folder=photos)
    assert result.returncode == 0, result.stdout
    assert len(re.findall(r"figure painted-.*difference to Python [01] / 255", result.stdout)) == 3


def test_planted_faults_in_the_code_are_caught(tools, tmp_path):
    core = shutil.copytree(build.CORE, tmp_path / "paint")
    plant(core / "Pixels.kt", "(pixel shr 16).toByte()).put((pixel shr 8).toByte()).put(pixel.toByte()",
          "pixel.toByte()).put((pixel shr 8).toByte()).put((pixel shr 16).toByte()")  # fmt: skip
    plant(core / "Pixels.kt", "val scale = (port.white - port.black) / WHITE", "val scale = port.white / WHITE")
    plant(core / "Manifest.kt", "styles.size != count", "styles.size > count")
    plant(core / "Tiler.kt", "+ 2 * mean * sum", "")
    result = junit(tools, build.host_classes(tools, core), *UNIT_TESTS)
    failed = set(re.findall(r"^\d+\) (\w+)\(", result.stdout, re.MULTILINE))
    assert failed == {
        "bytesAreRedGreenBlue",  # another order of channels
        *("floatsFillTheRangeOfThePort", "rangesAreThoseOfPython"),  # another range
        "whatAnAppCannotWorkWithIsSaidInWords",  # a style that the manifest lacks
        *("aPhotoInTilesIsThePhotoPaintedAtOnce", "tilesAddUpToTheWholePhoto"),  # another variance
    }


@pytest.mark.parametrize(
    ("was", "fault", "words"),
    [
        ('"wave",\n', "", "names 3 styles, the model takes 4"),
        ('"artifacts"', '"artifact"', "damaged"),
        ('"uint8"', '"float32"', "replace both files"),
    ],
)
def test_planted_faults_in_the_bundle_are_caught(tools, classes, photos, tmp_path, was, fault, words):
    assets = shutil.copytree(build.ASSETS, tmp_path / "assets")
    plant(next(assets.glob("*.json")), was, fault)
    result = junit(tools, classes, "InferenceTest", assets=assets, folder=photos)
    assert result.returncode == 1
    assert words in result.stdout


def painted(tools, classes, folder, size):
    """A large photo, its painting in tiles, and what LargePhoto said of it."""
    height, width = size
    photo = pictures.large_photo(size)
    photo.tofile(folder / "photo.rgb")
    command = ["app.brushport.paint.LargePhotoKt", build.ASSETS, folder / "photo.rgb", width, height, STYLE]
    result = java(tools, classes, *command, folder / "painting.rgb", heap=HEAP)
    assert result.returncode == 0, result.stderr
    said = dict(line.split(" ", 1) for line in result.stdout.splitlines() if " " in line)
    painting = np.fromfile(folder / "painting.rgb", np.uint8).reshape(height, width, 3)
    return photo, painting, said


def test_a_large_photo_in_tiles_is_one_look_at_it_without_a_seam(tools, classes, tmp_path, capsys):
    photo, painting, said = painted(tools, classes, tmp_path, pictures.LARGE)
    whole = whole_by_file(photo, STYLE)
    likeness = ssim(painting / np.float32(255), whole / np.float32(255))
    decibels = psnr(painting / np.float32(255), whole / np.float32(255))
    seams = [
        pictures.steps_at(painting, whole, [int(cut) for cut in said[name].split()[1:-1]], axis)
        for name, axis in (("rows", 0), ("columns", 1))
    ]
    worst = max(steps.worst for steps in seams)
    with capsys.disabled():
        print(
            f"\n4032x3024 in tiles, to one look by the file: SSIM {likeness:.4f}, {decibels:.1f} dB; the worst "
            f"seam steps {worst:.3f} times as far as there without; peak heap {int(said['heap']) / 1e6:.0f} MB, "
            f"{int(said['pictures']) / 1e6:.0f} of it pictures; {said['runs']} runs in {float(said['seconds']):.0f} s"
        )
    assert likeness >= 0.99
    assert worst < 1.03
    assert all(steps.largest <= steps.elsewhere for steps in seams)
    assert int(said["heap"]) < 160e6


def test_tiles_paint_what_the_network_paints(tools, classes, tmp_path):
    photo, painting, _ = painted(tools, classes, tmp_path, (1152, 1536))
    _, facts = bundled()
    whole = pictures.whole_by_hub(facts["name"], photo, STYLE)
    likeness = ssim(painting / np.float32(255), whole / np.float32(255))
    assert likeness > facts["quality"]["ssim_worst"] - 0.01  # no further away than a single look at a photo is


def test_the_benchmark_s_report_is_judged_by_validate(tools, classes, tmp_path):
    model, facts = bundled()
    shutil.copy(model, tmp_path)
    network = load_hub(facts["name"], check=False)
    hub = tmp_path / facts["hub"]["file"]
    hub.write_bytes(ir.to_proto(network.model).SerializeToString())
    write_entry(tmp_path / model.name, facts | {"hub": {"file": hub.name, "sha256": sha256(hub)}})
    report = tmp_path / "device" / "report.json"
    report.parent.mkdir()
    written = java(tools, classes, "app.brushport.paint.DeviceReportKt", build.ASSETS, report)
    assert written.returncode == 0, written.stderr
    result = CliRunner().invoke(validate, [str(tmp_path / model.name), "--device-report", str(report)])
    assert result.exit_code == 0, result.output
    assert result.output.count("same picture") == 2
    assert "no GPU on this host" in result.output
