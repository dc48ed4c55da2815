"""The app's own package with the app's own model: what it understands of it, and what it paints with it."""

import json
import shutil
import subprocess

import numpy as np
import onnx_ir as ir
import pytest
from typer.testing import CliRunner

from export import export_model
from export.bundle import APPS, bundle
from export.hub import load_hub
from tests.demos import pictures
from tests.demos.ios import build
from tests.demos.ios.worker import Worker
from tests.demos.tools import plant
from tests.demos.vectors import layout
from tests.export.painter import save_painter
from validate.cli import app as validate
from validate.coreml.tools import load_coremltools
from validate.files import sha256
from validate.manifest import write_entry
from validate.metrics import psnr, ssim

STYLE = 0
PHOTO = (704, 848)  # height and width: more than a tile both ways


def bundled():
    """The app's model, its manifest, and the entry in it."""
    manifest = next(build.MODEL.glob("*.json"))
    facts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]["coreml"]
    return build.MODEL / facts["file"], manifest, facts


def facts_of(tools, manifest):
    """What the app's own package understands of a manifest; raises CompilerError with its words."""
    script = f"/host/Host facts /src/{manifest.name} 2>&1"
    return json.loads(build.run(tools, script, src=manifest.parent, host=build.host(tools).parent))


def test_the_pair_lies_where_the_app_and_the_exporter_look_for_it():
    demo, inside = APPS["coreml"]
    assert build.REPOSITORY / demo / inside == build.MODEL
    model, manifest, facts = bundled()
    assert model.is_dir()
    assert [path.name for path in build.MODEL.glob("*.json")] == [manifest.name]
    assert facts["sha256"] == sha256(model)
    assert facts["verified"] is True


def test_the_app_s_names_shapes_ranges_and_styles_are_those_of_the_model(tools):
    model, manifest, facts = bundled()
    understood = facts_of(tools, manifest)
    specification = load_coremltools().utils.load_spec(str(model))
    description = specification.description
    for side, features in (("inputs", description.input), ("outputs", description.output)):
        assert sorted(port["name"] for port in understood[side]) == sorted(feature.name for feature in features)
        for port in understood[side]:
            feature = next(feature for feature in features if feature.name == port["name"])
            assert_same(port, feature.type)
    own = json.loads(description.metadata.userDefined["brushport_manifest"])
    assert understood["styles"] == own["styles"] == facts["styles"]
    paintings = own["card"]["styles"]
    assert understood["titles"] == [paintings[name]["painting"] for name in own["styles"]]
    assert understood["artists"] == [paintings[name]["artist"] for name in own["styles"]]
    assert understood["resource"] == model.stem
    assert understood["sha256"] == sha256(model)
    assert specification.specificationVersion <= 7  # iOS 16's
    if tiles := facts.get("tiles"):
        assert (understood["halo"], understood["block"]) == (tiles["halo"], tiles["block"])
        sizes = [layer["channels"] * layer["moments"] for layer in tiles["layers"]]
        assert [layer[3] for layer in understood["layers"]] == np.cumsum([0, *sizes[:-1]]).tolist()


def assert_same(port, kind):
    """That the model's own words for a port are the app's."""
    if port["element"] == "image":
        image = kind.imageType
        assert kind.WhichOneof("Type") == "imageType"
        assert port["shape"] == [1, 3, image.height, image.width]
        assert image.ColorSpace.Name(image.colorSpace) == "RGB"
        assert port["range"] == [0, 255]
    else:
        array = kind.multiArrayType
        assert port["element"] == "float32"
        assert port["shape"] == list(array.shape)
        assert array.ArrayDataType.Name(array.dataType) == "FLOAT32"
        assert port.get("range") is None


@pytest.mark.parametrize(
    ("was", "fault", "words"),
    [
        ('"composition"\n', '"composition",\n"another"\n', "names 5 styles, the model takes 4"),
        ('"artifacts"', '"artifact"', "damaged"),
        ('"coreml": {', '"tflite": {', "no Core ML file"),
        ('"halo": 88', '"halo": 300', "do not fit the model's size"),
    ],
)
def test_planted_faults_in_the_manifest_are_said_in_words(tools, tmp_path, was, fault, words):
    _, manifest, _ = bundled()
    shutil.copy(manifest, tmp_path)
    plant(tmp_path / manifest.name, was, fault)
    with pytest.raises(build.CompilerError, match=words):
        facts_of(tools, tmp_path / manifest.name)


def test_a_planted_fault_in_the_names_is_found(tools, tmp_path):
    _, manifest, _ = bundled()
    shutil.copy(manifest, tmp_path)
    plant(tmp_path / manifest.name, '"name": "painting"', '"name": "picture"')
    names = [port["name"] for port in facts_of(tools, tmp_path / manifest.name)["outputs"]]
    specification = load_coremltools().utils.load_spec(str(bundled()[0]))
    assert sorted(names) != sorted(feature.name for feature in specification.description.output)


def test_a_photo_in_tiles_is_one_look_at_it_without_a_seam(tools, tmp_path, capsys):
    model, manifest, facts = bundled()
    tiles = facts.get("tiles")
    if not tiles or tiles.get("halo") is None:
        pytest.skip("The app's model paints no tiles.")
    height, width = PHOTO
    photo = pictures.large_photo(PHOTO)
    photo.tofile(tmp_path / "photo.rgb")
    shutil.copy(manifest, tmp_path)
    arguments = [f"/out/{manifest.name}", "/out/photo.rgb", str(width), str(height), str(STYLE), "/out/painting.rgb"]
    worker = Worker(model, facts)
    worker.serve(tools, ["paint", *arguments], tmp_path)
    painting = np.fromfile(tmp_path / "painting.rgb", np.uint8).reshape(height, width, 3)
    whole = pictures.whole_by_hub(facts["name"], photo, STYLE)
    likeness = ssim(painting / np.float32(255), whole / np.float32(255))
    decibels = psnr(painting / np.float32(255), whole / np.float32(255))
    _, _, *sides = facts["inputs"][0]["shape"]
    seams = [
        pictures.steps_at(painting, whole, layout(length, side, tiles["halo"])[1][1:-1], axis)
        for axis, (length, side) in enumerate(zip(PHOTO, sides, strict=True))
    ]
    worst = max(steps.worst for steps in seams)
    with capsys.disabled():
        print(
            f"\n{width}x{height} in tiles, to the network on the whole photo: SSIM {likeness:.4f}, {decibels:.1f} dB; "
            f"the worst seam steps {worst:.3f} times as far as there without; {worker.runs} runs"
        )
    assert likeness >= 0.99
    assert worst < 1.03
    assert all(steps.largest <= steps.elsewhere for steps in seams)


def test_the_benchmark_s_report_is_judged_by_validate(tools, tmp_path):
    model, manifest, facts = bundled()
    shutil.copytree(model, tmp_path / model.name)
    network = load_hub(facts["name"], check=False)
    hub = tmp_path / facts["hub"]["file"]
    hub.write_bytes(ir.to_proto(network.model).SerializeToString())
    write_entry(tmp_path / model.name, facts | {"hub": {"file": hub.name, "sha256": sha256(hub)}})
    device = tmp_path / "device"
    device.mkdir()
    shutil.copy(manifest, device)
    Worker(model, facts).serve(tools, ["report", f"/out/{manifest.name}", "/out/report.json"], device)
    result = CliRunner().invoke(validate, [str(tmp_path / model.name), "--device-report", str(device / "report.json")])
    assert result.exit_code == 0, result.output
    assert result.output.count("same picture") == 1


def test_what_the_host_program_does_not_know_ends_it(tools):
    with pytest.raises(subprocess.CalledProcessError):
        tools.run("/host/Host dance /src/unet-fp16.json", src=build.MODEL, host=build.host(tools).parent)


@pytest.mark.parametrize(
    "options",
    [{"io": "tensor"}, {"styles": ["dusk"]}, {"tiles": True}, {"precision": "fp32", "tiles": True, "styles": ["dawn"]}],
    ids=["tensor", "one style", "tiles", "one style in tiles"],
)
def test_another_network_takes_the_place_of_the_two_files(tools, tmp_path, options):
    network = save_painter(tmp_path / "painter.onnx")
    exported = export_model(network, "coreml", size=(160, 192), output=tmp_path / "artifacts", **options)
    model, manifest = bundle(exported.path, tmp_path / "Model")
    facts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]["coreml"]
    understood = facts_of(tools, manifest)
    description = load_coremltools().utils.load_spec(str(model)).description
    for side, features in (("inputs", description.input), ("outputs", description.output)):
        kinds = {feature.name: feature.type for feature in features}
        assert {port["name"] for port in understood[side]} == kinds.keys()
        for port in understood[side]:
            array = kinds[port["name"]].multiArrayType
            assert port["element"] == ("float32" if array.shape else "image")
            assert not array.shape or list(array.shape) == port["shape"]
    assert understood["styles"] == options.get("styles", ["dawn", "dusk"])
    if options.get("tiles"):
        size = (264, 416)
        photo = pictures.large_photo(size)
        photo.tofile(tmp_path / "Model/photo.rgb")
        arguments = [f"/out/{manifest.name}", "/out/photo.rgb", str(size[1]), str(size[0]), "0", "/out/painting.rgb"]
        Worker(model, facts).serve(tools, ["paint", *arguments], tmp_path / "Model")
        painting = np.fromfile(tmp_path / "Model/painting.rgb", np.uint8).reshape(*size, 3)
        whole = pictures.whole_by_hub(network, photo, 0)
        assert ssim(painting / np.float32(255), whole / np.float32(255)) >= 0.995
