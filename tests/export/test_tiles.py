import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantize
from export import export_model
from export.tiles import INT8_AIM, STEP, set_halo
from tests.export.painter import save_painter
from validate.artifacts import load_families
from validate.errors import BrushportError
from validate.photos import default_photos, photo_to_tensor
from validate.ports import Port
from validate.runners import open_artifact

SIDE, CHANNELS, BLOCK = 64, 8, 32


@pytest.fixture(scope="module", params=["tflite", "coreml"])
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    model = save_painter(folder / "painter.onnx")
    return export_model(model, request.param, precision="fp32", io="tensor", tiles=True, output=folder / "artifacts")


@pytest.fixture
def paint(exported):
    """A function of a photo (float NCHW), statistics and what of them is given: the painting and what was measured."""
    bare = open_artifact(exported.path)
    beyond = tuple(Port(name, (1, 2 * CHANNELS, 1, 1)) for name in ("statistics", "given"))
    measured = Port("measured", (1, 2 * CHANNELS, SIDE // BLOCK, SIDE // BLOCK))
    runner = open_artifact(exported.path, ((*bare.inputs, *beyond), (*bare.outputs, measured)))

    def run(photo, statistics=0.0, given=0.0):
        whole = {"image": photo, "style": np.array([[1, 0]], np.float32)}
        for name, value in (("statistics", statistics), ("given", given)):
            whole[name] = np.broadcast_to(np.asarray(value, np.float32), (1, 2 * CHANNELS, 1, 1))
        result = runner.run(whole)
        return result["painting"], result["measured"]

    return run


def a_photo(exported, index=0):
    return photo_to_tensor(default_photos(index + 1, SIDE)[index], open_artifact(exported.path).inputs[0])


def test_the_manifest_describes_ports_layers_and_reach(exported):
    target = exported.manifest["target"]
    facts = json.loads(exported.manifest_path.read_text())["artifacts"][target]
    assert [port["name"] for port in facts["inputs"]] == ["image", "style", "statistics", "given"]
    lengths, layout = {"N": 1, "C": 2 * CHANNELS, "H": SIDE // BLOCK, "W": SIDE // BLOCK}, facts["outputs"][1]["layout"]
    assert layout == {"tflite": "NHWC", "coreml": "NCHW"}[target]
    assert facts["outputs"][1]["shape"] == [lengths[axis] for axis in layout]
    assert facts["tiles"] == {
        "statistics": "statistics", "given": "given", "measured": "measured", "block": BLOCK,
        "layers": [{"channels": CHANNELS, "moments": 2, "level": 1}], "halo": None,
    }  # fmt: skip
    assert "apps paint no larger" in facts["notes"][-1]  # tiles of 64 pixels leave nothing


def test_with_nothing_given_it_paints_as_it_would_without(exported, paint, tmp_path):
    model = save_painter(tmp_path / "painter.onnx")
    plain = export_model(model, exported.manifest["target"], precision="fp32", io="tensor", output=tmp_path)
    photo = a_photo(exported)
    expected = open_artifact(plain.path).run({"image": photo, "style": np.array([[1, 0]], np.float32)})["painting"]
    assert np.abs(paint(photo)[0] - expected).max() < 1e-5
    painting = open_artifact(exported.path).run({"image": photo, "style": [[1, 0]]})["painting"]
    assert np.abs(painting - expected).max() < 1e-5


def test_blocks_measure_mean_and_deviation_from_the_mean_that_was_used(exported, paint):
    _, measured = paint(a_photo(exported))
    means, variances = measured[:, :CHANNELS], measured[:, CHANNELS:]
    own = means.mean(axis=(2, 3), keepdims=True)
    _, about_zero = paint(a_photo(exported), 0.0, 1.0)
    assert np.allclose(about_zero[:, :CHANNELS], means, atol=1e-5)
    squares = about_zero[:, CHANNELS:]  # E x^2 = E (x - m)^2 + 2 m E x - m^2
    assert np.allclose(squares, variances + 2 * own * means - own**2, atol=1e-4)


def test_given_statistics_are_used_number_by_number(exported, paint):
    photo, other = a_photo(exported), a_photo(exported, 1)
    own, measured = paint(photo)
    statistics = measured.mean(axis=(2, 3), keepdims=True)
    assert np.abs(paint(photo, statistics, 1.0)[0] - own).max() < 1e-5
    assert np.abs(paint(other, statistics, 1.0)[0] - paint(other)[0]).max() > 0.01
    half = np.arange(2 * CHANNELS).reshape(1, -1, 1, 1) < CHANNELS  # means only
    strange = np.where(half, statistics, 1e6)
    assert np.abs(paint(photo, strange, half)[0] - own).max() < 1e-5


def test_validate_takes_such_a_file_for_what_it_paints(exported):
    (family,) = load_families([exported.path], None, 3)
    assert all(row.passed for row in family.rows(None))


@pytest.mark.parametrize("target", ["tflite", "coreml"])
def test_a_network_without_norms_needs_no_statistics_and_sees_as_far_as_its_convolutions(tmp_path, target):
    result = export_model(
        save_convolutions(tmp_path / "blur.onnx"), target, precision="fp32", tiles=True, output=tmp_path
    )
    assert result.manifest["tiles"] == {"layers": [], "halo": STEP}
    assert [port["name"] for port in result.manifest["inputs"]] == ["image"]


def save_convolutions(path):
    """Three 3x3 means, one after the other: a pixel is seen three pixels away."""
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3)] = 1 / 9
    names = ["image", "a", "b", "painting"]
    pads = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    nodes = [helper.make_node("Conv", [names[i], "k"], [names[i + 1]], f"conv{i}", **pads) for i in range(3)]
    shape = [1, 3, 256, 256]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "painting")]
    graph = helper.make_graph(nodes, "blur", ports[:1], ports[1:], [numpy_helper.from_array(kernel, "k")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_a_halo_that_leaves_too_little_is_not_offered():
    facts = {"tiles": {}, "notes": []}
    set_halo(facts, 64, (256, 512))
    assert facts["tiles"]["halo"] == 64
    set_halo(facts, 72, (256, 512))
    assert facts["tiles"]["halo"] is None
    assert "sees 72 pixels" in facts["notes"][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "coreml", "size": (48, 64)}, "a size that 32 divides"),
        ({"precision": "dynamic"}, "do not match"),
        ({"precision": "int8", "integer_io": True}, "leave --integer-io out"),
        ({"size": (48, 64)}, "a size that 32 divides"),
    ],
)
def test_what_cannot_be_tiled_is_said(tmp_path, options, words):
    model = save_painter(tmp_path / "painter.onnx")
    with pytest.raises(BrushportError, match=words):
        export_model(model, **({"target": "tflite", "tiles": True, "output": tmp_path / "out"} | options))
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("tiles", [True, False])
def test_int8_for_tiles_rounds_nothing_by_what_a_tile_holds_and_aims_higher(tmp_path, monkeypatch, tiles):
    seen = {}

    def quantize_hub(model, samples, **settings):
        seen.update(settings)
        raise BrushportError("seen")

    monkeypatch.setattr(quantize, "quantize_hub", quantize_hub)
    model = save_painter(tmp_path / "painter.onnx")
    with pytest.raises(BrushportError, match="seen"):
        export_model(model, "tflite", precision="int8", tiles=tiles, output=tmp_path)
    assert seen["hybrid"] is not tiles
    assert (seen["aim"].ssim == INT8_AIM) is tiles
