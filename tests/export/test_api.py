import errno
import hashlib
import json
import re

import numpy as np
import onnx
import onnx_ir
import pytest
from PIL import Image

from export import export_model
from export import targets as known
from export.hub import load_hub
from quantize import quantize_hub
from tests.export.painter import save_painter
from validate.compare import SSIM_FLOORS
from validate.errors import BrushportError, QualityError
from validate.files import sha256
from validate.photos import default_photos, photo_samples, photo_to_tensor
from validate.runners import OnnxRunner, open_artifact

EVERY = [(target.name, precision) for target in known.TARGETS.values() for precision in target.precisions]


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    return save_painter(tmp_path_factory.mktemp("model") / "painter.onnx")


@pytest.fixture(scope="module")
def wide_painter(tmp_path_factory):
    """With weights that are large enough for the precisions that store them in palettes, or without their zeros."""
    return save_painter(tmp_path_factory.mktemp("wide") / "painter.onnx", channels=24)


@pytest.mark.parametrize(("target", "precision"), EVERY)
def test_every_target_and_precision_paints_the_same_and_says_so(wide_painter, tmp_path, target, precision):
    result = export_model(wide_painter, target, precision=precision, output=tmp_path)
    assert result.manifest_path == tmp_path / f"painter-{precision}.json"
    assert result.path == tmp_path / f"painter-{precision}{known.TARGETS[target].suffix}"
    facts = json.loads(result.manifest_path.read_text())["artifacts"][target]
    assert facts["quality"]["ssim"] >= SSIM_FLOORS[precision]
    assert facts["styles"] == ["dawn", "dusk"]
    assert facts["source"]["sha256"] == hashlib.sha256(wide_painter.read_bytes()).hexdigest()
    assert facts["bytes"] > 1000
    shares = facts["census"]["macs_share"]
    in_8_bit = sum(share for key, share in shares.items() if key in ("int8 x int8", "uint8 x int8"))
    assert sum(shares.values()) == pytest.approx(1)
    if precision == "int8":
        assert in_8_bit == pytest.approx(facts["int8"]["int8_share_of_macs"], abs=0.02)
        assert in_8_bit > 0.5
    else:
        assert in_8_bit == 0
    assert facts["sha256"] == sha256(result.path)
    assert re.fullmatch(r"painter-64x64-[0-9a-f]{8}\.onnx", facts["hub"]["file"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [result.path.name, f"painter-{precision}.json", facts["hub"]["file"]]
    )


@pytest.mark.parametrize("target", sorted(known.TARGETS))
def test_the_artifact_paints_the_style_that_is_asked_for(painter, tmp_path, target):
    result = export_model(painter, target, precision="fp32", io="tensor", output=tmp_path)
    artifact = open_artifact(result.path)  # knows its ports from its own metadata
    hub = OnnxRunner(tmp_path / result.manifest["hub"]["file"], artifact.inputs, artifact.outputs)
    image = photo_to_tensor(default_photos(1, 64)[0], artifact.inputs[0])
    for style in ([1, 0], [0, 1], [0.3, 0.7]):
        feed = {"image": image, "style": np.array([style], np.float32)}
        assert np.abs(hub.run(feed)["painting"] - artifact.run(feed)["painting"]).max() < 1e-4


@pytest.mark.parametrize("target", sorted(known.TARGETS))
def test_a_baked_style_is_that_style_and_the_input_is_gone(painter, tmp_path, target):
    both = export_model(painter, target, precision="fp32", io="tensor", output=tmp_path / "both")
    one = export_model(painter, target, precision="fp32", io="tensor", styles=["dusk"], output=tmp_path / "one")
    assert [port["name"] for port in one.manifest["inputs"]] == ["image"]
    assert one.manifest["styles"] == ["dusk"]
    artifacts = open_artifact(both.path), open_artifact(one.path)
    image = photo_to_tensor(default_photos(1, 64)[0], artifacts[0].inputs[0])
    expected = artifacts[0].run({"image": image, "style": np.array([[0, 1]], np.float32)})["painting"]
    assert np.abs(expected - artifacts[1].run({"image": image})["painting"]).max() < 1e-4


@pytest.mark.parametrize("target", sorted(known.TARGETS))
@pytest.mark.parametrize(
    ("op", "value_range", "expected"),
    [("Tanh", None, [-1, 1]), ("Sigmoid", None, [0, 1]), ("Sigmoid", (0, 255), [0, 255])],
)
def test_every_value_range_is_drawn_right(tmp_path, target, op, value_range, expected):
    model = save_painter(tmp_path / "painter.onnx", op=op, metadata=False)
    options = {"size": (64, 64), "value_range": value_range, "styles": ["style_1"], "output": tmp_path}
    pixels, floats = (export_model(model, target, precision="fp32", io=io, **options) for io in ("image", "tensor"))
    assert floats.manifest["inputs"][0]["range"] == expected
    assert pixels.manifest["inputs"][0]["range"] == [0, 255]
    assert pixels.comparison.mean_psnr > 55 or pixels.comparison.mean_psnr == float("inf")
    assert floats.comparison.mean_psnr > 80


def test_a_wrong_picture_is_not_kept(painter, tmp_path, monkeypatch):
    target = known.TARGETS["tflite"]

    def wrong(hub, path, **options):
        weights = hub.model.graph.initializers["last"]
        weights.const_value = onnx_ir.tensor(-weights.const_value.numpy(), name="last")
        target.compile(hub, path, **options)

    monkeypatch.setitem(known.TARGETS, "tflite", type(target)(**{**target.__dict__, "compile": wrong}))
    with pytest.raises(QualityError, match="does not paint"):
        export_model(painter, "tflite", output=tmp_path)
    assert list(tmp_path.iterdir()) == []
    kept = export_model(painter, "tflite", output=tmp_path, verify=False)
    assert kept.manifest["verified"] is False
    assert kept.path.exists()


def test_without_verification_a_hub_that_seems_wrong_is_compiled_all_the_same(painter, tmp_path, monkeypatch):
    def refuse(hub, path, **options):
        raise BrushportError("It differs.")

    monkeypatch.setattr("export.hub.load.check_hub", refuse)
    with pytest.raises(BrushportError, match="differs"):
        export_model(painter, "tflite", output=tmp_path)
    assert export_model(painter, "tflite", output=tmp_path, verify=False).path.exists()


def test_an_older_artifact_survives_a_failed_export(painter, tmp_path):
    first = export_model(painter, "tflite", output=tmp_path)
    before = first.path.read_bytes()
    with pytest.raises(QualityError):
        export_model(painter, "tflite", output=tmp_path, floor=1.1)
    assert first.path.read_bytes() == before


def test_a_full_disk_leaves_nothing(painter, tmp_path, monkeypatch):
    target = known.TARGETS["tflite"]

    def full(hub, path, **options):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setitem(known.TARGETS, "tflite", type(target)(**{**target.__dict__, "compile": full}))
    with pytest.raises(OSError, match="No space"):
        export_model(painter, "tflite", output=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_hub_file_leaves_the_older_artifact_alone(painter, tmp_path):
    first = export_model(painter, "tflite", output=tmp_path)
    before = first.path.read_bytes()
    other = export_model(painter, "tflite", size=(48, 80), output=tmp_path / "other")
    (tmp_path / other.manifest["hub"]["file"]).mkdir()
    with pytest.raises(BrushportError, match="folder of other things"):
        export_model(painter, "tflite", size=(48, 80), output=tmp_path)
    assert first.path.read_bytes() == before


def save_graph(path, nodes, inputs, outputs, constants=()):
    """Write an ONNX file of ``nodes``; inputs and outputs are name → shape."""
    make = onnx.helper.make_tensor_value_info
    kinds = [[make(name, onnx.TensorProto.FLOAT, shape) for name, shape in side.items()] for side in (inputs, outputs)]
    graph = onnx.helper.make_graph(nodes, "graph", *kinds, list(constants))
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.mark.parametrize("target", sorted(known.TARGETS))
def test_two_output_pictures_keep_their_own_ranges(tmp_path, target):
    nodes = [onnx.helper.make_node("Sigmoid", ["x"], ["unit"]), onnx.helper.make_node("Tanh", ["x"], ["signed"])]
    shape = [1, 3, 32, 32]
    model = save_graph(tmp_path / "two.onnx", nodes, {"x": shape}, {"unit": shape, "signed": shape})
    result = export_model(model, target, precision="fp32", io="tensor", output=tmp_path)
    assert [output["range"] for output in result.manifest["outputs"]] == [[0, 1], [-1, 1]]
    pixels = export_model(model, target, precision="fp32", output=tmp_path)
    assert pixels.comparison.passes("fp32")


@pytest.mark.parametrize("target", sorted(known.TARGETS))
def test_a_block_of_equal_sides_keeps_its_layout(tmp_path, target):
    weights = onnx.numpy_helper.from_array(
        np.random.default_rng(0).standard_normal((16, 3, 1, 1)).astype(np.float32), "weights"
    )
    node = onnx.helper.make_node("Conv", ["x", "weights"], ["y"])
    shapes = {"x": [1, 3, 16, 16]}, {"y": [1, 16, 16, 16]}
    model = save_graph(tmp_path / "cube.onnx", [node], *shapes, [weights])
    result = export_model(model, target, precision="fp32", output=tmp_path)
    assert result.comparison.mean_psnr > 60


@pytest.mark.parametrize("target", sorted(known.TARGETS))
def test_a_scalar_beside_the_picture(tmp_path, target):
    node, shape = onnx.helper.make_node("Mul", ["x", "gain"], ["y"]), [1, 3, 32, 32]
    model = save_graph(tmp_path / "scalar.onnx", [node], {"x": shape, "gain": []}, {"y": shape})
    result = export_model(model, target, precision="fp32", output=tmp_path)
    assert result.comparison.passes("fp32")
    assert result.manifest["inputs"][1]["shape"] == ([1] if target == "coreml" else [])


def test_a_file_newer_than_the_runtimes_is_brought_down_to_them(painter, tmp_path):
    model = onnx.load(painter)
    model.ir_version = onnx.IR_VERSION
    onnx.save(model, tmp_path / "new.onnx")
    result = export_model(tmp_path / "new.onnx", "tflite", output=tmp_path)
    assert onnx.load(tmp_path / result.manifest["hub"]["file"]).ir_version == 10


def test_a_constant_output_is_an_output(tmp_path):
    constant = onnx.numpy_helper.from_array(np.full((1, 3, 32, 32), 0.5, np.float32), "c")
    nodes = [onnx.helper.make_node("Sigmoid", ["x"], ["y"]), onnx.helper.make_node("Identity", ["c"], ["o"])]
    shape = [1, 3, 32, 32]
    model = save_graph(tmp_path / "constant.onnx", nodes, {"x": shape}, {"y": shape, "o": shape}, [constant])
    result = export_model(model, "tflite", precision="fp32", output=tmp_path)
    assert [output["name"] for output in result.manifest["outputs"]] == ["y", "o"]


def test_photos_of_ones_own_are_used(painter, tmp_path):
    with pytest.raises(BrushportError, match="nowhere"):
        export_model(painter, "tflite", photos=tmp_path / "nowhere", output=tmp_path)
    with pytest.raises(BrushportError, match="holds no photos"):
        export_model(painter, "tflite", precision="int8", calibration=tmp_path, output=tmp_path)


@pytest.mark.parametrize(("side", "target"), [((48, 80), "coreml"), ((48, 80), "tflite")])
def test_sides_may_differ(painter, tmp_path, side, target):
    result = export_model(painter, target, size=side, output=tmp_path)
    shape = result.manifest["inputs"][0]["shape"]
    assert shape == ([1, 3, 48, 80] if target == "coreml" else [1, 48, 80, 3])
    assert result.comparison.mean_ssim > 0.99


@pytest.mark.parametrize("target", sorted(known.TARGETS))
def test_a_model_that_is_quantized_already_compiles_as_it_is(painter, tmp_path, target):
    hub = load_hub(painter)
    samples = photo_samples(default_photos(4, 64, use="calibration"), hub.inputs)
    onnx_ir.save(quantize_hub(hub.model, samples, inputs=hub.inputs, outputs=hub.outputs).model, tmp_path / "qdq.onnx")
    result = export_model(tmp_path / "qdq.onnx", target, output=tmp_path)
    assert result.path.stem == "qdq-int8"
    assert result.comparison.mean_psnr > 40
    assert "int8" not in result.manifest  # nothing was quantized here
    assert sum(share for key, share in result.manifest["census"]["macs_share"].items() if key.count("int8") == 2) > 0.5
    with pytest.raises(BrushportError, match="quantized already"):
        export_model(tmp_path / "qdq.onnx", target, precision="fp32", output=tmp_path)


def test_a_plan_is_saved_drawn_and_followed(painter, tmp_path):
    out, plan = tmp_path / "out", tmp_path / "plan.yaml"
    wanted = {"precision": "int8", "min_ssim": 0.9, "save_plan": plan, "pareto": tmp_path / "pareto.png"}
    found = export_model(painter, "tflite", output=out, **wanted)
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")
    facts = found.manifest["int8"]
    assert facts["aim"]["ssim"] == 0.9
    assert {row["precision"] for row in facts["plan"] if row["op"] == "Conv"} == {"int8"}
    assert facts["trials"][0]["int8_share_of_macs"] == pytest.approx(facts["int8_share_of_macs"])
    assert sum(found.manifest["census"]["weight_bytes_share"].values()) == pytest.approx(1, abs=0.01)
    plan.write_text(plan.read_text().replace("conv1: int8", "conv1: float"))
    for target in sorted(known.TARGETS):
        followed = export_model(painter, target, precision="int8", plan=plan, output=out)
        precisions = {row["node"]: row["precision"] for row in followed.manifest["int8"]["plan"]}
        assert (precisions["conv1"], precisions["conv2"]) == ("float", "int8")
        assert followed.manifest["int8"]["int8_share_of_macs"] < facts["int8_share_of_macs"] - 0.3
        assert followed.share_in_8_bit < 0.75


@pytest.mark.parametrize("target", sorted(known.TARGETS))
def test_what_is_rounded_is_trained_and_the_manifest_says_so(painter, tmp_path, target):
    (tmp_path / "photos").mkdir()
    for index, photo in enumerate(default_photos(6, 64, use="calibration")):
        Image.fromarray(photo).save(tmp_path / "photos" / f"{index}.png")
    settings = {"precision": "int8", "learn": 10, "calibration": tmp_path / "photos"}
    result = export_model(painter, target, **settings, output=tmp_path)
    facts = json.loads(result.manifest_path.read_text())["artifacts"][target]["int8"]
    said = facts["learning"]
    assert set(said) == {"steps", "photos", "before", "after", "kept", "became"}
    assert (said["steps"], said["photos"]) == (10, 3)
    scored = {"ssim": facts["calibration_ssim"], "psnr_db": facts["calibration_psnr"]}
    assert scored == (said["after"] if said["kept"] else said["before"])
    assert result.comparison.mean_ssim > 0.97
    assert result.share_in_8_bit == pytest.approx(facts["int8_share_of_macs"], abs=0.02)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"learn": 3}, "--learn of fp16 means nothing"),
        ({"learn": -1, "precision": "int8"}, "--learn -1 is no number of steps"),
        ({"min_ssim": 0.9}, "--min-ssim of fp16 means nothing: only int8 has a plan"),
        ({"plan": "p.yaml", "pareto": "p.png"}, "--plan, --pareto of fp16 means nothing"),
        ({"precision": "int8", "plan": "p.yaml", "min_psnr": 30.0}, "leave out either --plan or --min-psnr"),
        ({"precision": "int8", "plan": "nowhere.yaml"}, "There is no plan nowhere.yaml"),
        ({"precision": "int8", "min_ssim": 1.5}, "--min-ssim 1.5 is no SSIM"),
        ({"precision": "int8", "min_share": 95}, "--min-share 95 is no share"),
        ({"min_share": 0.9}, "--min-share of fp16 means nothing"),
        ({"precision": "int8", "plan": "p.yaml", "min_share": 0.9}, "leave out either --plan or --min-share"),
    ],
)
def test_options_about_the_plan_that_make_no_sense(painter, tmp_path, options, words):
    with pytest.raises(BrushportError, match=words):
        export_model(painter, "tflite", output=tmp_path / "out", **options)
