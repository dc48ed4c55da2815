"""compile_coreml: what the saved package holds, for each precision and kind of input, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from skimage import data

from export.coreml import compile_coreml, feature_name, supported_ops
from export.coreml.registry import lowers
from export.hub import Hub
from tests.export.coreml.graphs import finish, hub_of, run
from validate.coreml import CoreMLModel
from validate.coreml.tools import load_coremltools
from validate.errors import BrushportError, UnsupportedError

SIDE = 48


def network(
    channels: int = 3, value_range: tuple[float, float] = (0, 1), names: tuple[str, str] = ("image", "out")
) -> tuple[onnx.ModelProto, Hub]:
    """A padded convolution whose output spills over its range on both sides."""
    rng = np.random.default_rng(3)
    low, high = value_range
    weight = rng.normal(0, 0.5 / np.sqrt(9 * channels), (channels, channels, 3, 3)).astype(np.float32)
    weight[range(channels), range(channels), 1, 1] += 2
    bias = np.full(channels, -0.3 * (high - low), np.float32)
    nodes = [
        helper.make_node("Pad", [names[0], "pads"], ["padded"], mode="reflect", name="pad"),
        helper.make_node("Conv", ["padded", "weight", "bias"], [names[1]], name="conv"),
    ]
    shape = (1, channels, SIDE, SIDE)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads"),
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    model = finish(graph)
    return model, hub_of(model, dict.fromkeys(names, value_range))


def photo(channels: int) -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((SIDE, SIDE)).convert("RGB" if channels == 3 else "L")


def tensor(picture: Image.Image, low: float, high: float) -> np.ndarray:
    pixels = np.atleast_3d(np.asarray(picture, np.float32)).transpose(2, 0, 1)[None]
    return pixels / 255 * (high - low) + low


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1), (0, 255)])
@pytest.mark.parametrize("channels", [3, 1])
def test_image_in_image_out(tmp_path: Path, channels: int, value_range: tuple[float, float], precision: str) -> None:
    low, high = value_range
    model, hub = network(channels, value_range)
    compile_coreml(hub, tmp_path / "m.mlpackage", precision=precision, io="image")
    painted = CoreMLModel(tmp_path / "m.mlpackage").predict({"image": photo(channels)})["out"]
    expected = run(model, {"image": tensor(photo(channels), low, high)})["out"]
    expected = np.clip((expected - low) / (high - low) * 255, 0, 255)
    assert expected.min() == 0 and expected.max() == 255  # the clamp is exercised
    assert painted.mode == ("RGB" if channels == 3 else "L")
    pixels = np.atleast_3d(np.asarray(painted, np.float32)).transpose(2, 0, 1)[None]
    assert np.abs(pixels - expected).max() <= (0.501 if precision == "fp32" else 1.01)


@pytest.mark.parametrize("channels", [3, 1])
def test_image_features_are_pixel_buffers(tmp_path: Path, channels: int) -> None:
    _, hub = network(channels)
    compile_coreml(hub, tmp_path / "m.mlpackage", io="image")
    spec = load_coremltools().models.MLModel(str(tmp_path / "m.mlpackage"), skip_model_load=True).get_spec()
    for feature in (spec.description.input[0], spec.description.output[0]):
        image = feature.type.imageType
        assert feature.type.WhichOneof("Type") == "imageType"
        assert (image.width, image.height) == (SIDE, SIDE)
        assert image.ColorSpace.Name(image.colorSpace) == ("RGB" if channels == 3 else "GRAYSCALE")
        assert "0 to 255" in feature.shortDescription


def test_image_program_ends_in_whole_numbers(tmp_path: Path) -> None:
    _, hub = network()
    compile_coreml(hub, tmp_path / "m.mlpackage", io="image")
    types = [op.type for op in operations(tmp_path / "m.mlpackage") if op.type not in ("const", "cast")]
    assert types[-2:] == ["clip", "round"]


def test_tensor_in_tensor_out(tmp_path: Path) -> None:
    model, hub = network(value_range=(-1, 1))
    compile_coreml(hub, tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    spec = load_coremltools().models.MLModel(str(tmp_path / "m.mlpackage"), skip_model_load=True).get_spec()
    for feature in (spec.description.input[0], spec.description.output[0]):
        array = feature.type.multiArrayType
        assert list(array.shape) == [1, 3, SIDE, SIDE]
        assert array.ArrayDataType.Name(array.dataType) == "FLOAT32"
    x = tensor(photo(3), -1, 1)
    result = CoreMLModel(tmp_path / "m.mlpackage").predict({"image": x})["out"]
    np.testing.assert_allclose(result, run(model, {"image": x})["out"], atol=1e-5)


@pytest.mark.parametrize(("precision", "bytes_each"), [("fp16", 2), ("fp32", 4)])
def test_precision_sets_the_weights_and_the_arithmetic(tmp_path: Path, precision: str, bytes_each: int) -> None:
    _, hub = network()
    compile_coreml(hub, tmp_path / "m.mlpackage", precision=precision, io="tensor")
    convolution = next(op for op in operations(tmp_path / "m.mlpackage") if op.type == "conv")
    dtype = convolution.outputs[0].type.tensorType.dataType
    assert dtype == {"fp16": 10, "fp32": 11}[precision]  # MIL.proto's FLOAT16 and FLOAT32
    size = (tmp_path / "m.mlpackage/Data/com.apple.CoreML/weights/weight.bin").stat().st_size
    assert 81 * bytes_each <= size < 81 * bytes_each + 400  # the kernel, and each blob's header


def test_needs_no_more_than_ios_16(tmp_path: Path) -> None:
    _, hub = network()
    compile_coreml(hub, tmp_path / "m.mlpackage")
    assert CoreMLModel(tmp_path / "m.mlpackage").specification_version == 7


def test_metadata_is_kept(tmp_path: Path) -> None:
    _, hub = network()
    facts = {"ports": '{"a": 1}', "author": "Ada", "license": "MIT", "version": "1.2", "description": "Waves"}
    compile_coreml(hub, tmp_path / "m.mlpackage", metadata=facts)
    model = load_coremltools().models.MLModel(str(tmp_path / "m.mlpackage"), skip_model_load=True)
    assert {key: model.user_defined_metadata[key] for key in facts} == facts
    assert (model.author, model.license, model.version) == ("Ada", "MIT", "1.2")
    assert model.short_description == "Waves"


def test_a_port_that_is_no_picture_stays_an_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("MatMul", ["style", "table"], ["row"], name="select"),
        helper.make_node("Reshape", ["row", "three"], ["gamma"], name="flatten"),
        helper.make_node("InstanceNormalization", ["image", "gamma", "beta"], ["out"], name="norm"),
    ]
    shape = (1, 3, SIDE, SIDE)
    graph = helper.make_graph(
        nodes,
        "conditional",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, (1, 4)),
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(rng.uniform(0.1, 0.3, (4, 3)).astype(np.float32), "table"),
            numpy_helper.from_array(np.array([3]), "three"),
            numpy_helper.from_array(np.full(3, 0.5, np.float32), "beta"),
        ],
    )
    model = finish(graph)
    compile_coreml(hub_of(model, {"image": (0, 1), "out": (0, 1)}), tmp_path / "m.mlpackage", io="image")
    style = np.array([[0.5, 0, 0.25, 0.25]], np.float32)
    painted = CoreMLModel(tmp_path / "m.mlpackage").predict({"image": photo(3), "style": style})["out"]
    expected = run(model, {"image": tensor(photo(3), 0, 1), "style": style})["out"]
    pixels = np.asarray(painted, np.float32).transpose(2, 0, 1)[None]
    assert np.abs(pixels - np.clip(expected * 255, 0, 255)).max() <= 1.01


def test_names_that_core_ml_refuses_are_cleaned(tmp_path: Path) -> None:
    model, hub = network(names=("in.put/0", "1:out"))
    compile_coreml(hub, tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    compiled = CoreMLModel(tmp_path / "m.mlpackage")
    assert [port.name for port in (*compiled.inputs, *compiled.outputs)] == ["in_put_0", "_1_out"]
    assert feature_name("1:out") == "_1_out"
    x = tensor(photo(3), 0, 1)
    expected = run(model, {"in.put/0": x})["1:out"]
    np.testing.assert_allclose(compiled.predict({"in_put_0": x})["_1_out"], expected, atol=1e-5)


def test_unknown_operator_is_named_with_what_is_supported(tmp_path: Path) -> None:
    model, _ = network()
    model.graph.node[1].op_type = "MaxRoiPool"
    with pytest.raises(UnsupportedError) as caught:
        compile_coreml(hub_of(model), tmp_path / "m.mlpackage", io="tensor")
    message = str(caught.value)
    assert "'conv'" in message and "MaxRoiPool" in message and f"[1, 3, {SIDE + 2}, {SIDE + 2}]" in message
    assert all(op in message for op in supported_ops())
    assert not (tmp_path / "m.mlpackage").exists()


@pytest.mark.parametrize("names", [("tensor", "bool"), ("conv_0", "pad_0"), ("x", "x_to_fp16")])
def test_names_that_mil_uses_itself(tmp_path: Path, names: tuple[str, str]) -> None:
    compile_coreml(network(names=names)[1], tmp_path / "m.mlpackage")
    compiled = CoreMLModel(tmp_path / "m.mlpackage")
    assert [port.name for port in (*compiled.inputs, *compiled.outputs)] == [feature_name(name) for name in names]


def test_two_ports_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="a_b"):
        compile_coreml(network(names=("a.b", "a/b"))[1], tmp_path / "m.mlpackage")


def test_an_input_that_is_also_the_output(tmp_path: Path) -> None:
    shape = (1, 3, 8, 8)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"], name="same")],
        "nothing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    x = np.random.default_rng(0).random(shape, np.float32)
    compile_coreml(hub_of(finish(graph)), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    np.testing.assert_array_equal(CoreMLModel(tmp_path / "m.mlpackage").predict({"x": x})["y"], x)


@pytest.mark.parametrize(
    ("op", "attributes", "reason"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2], "auto_pad": "SAME_UPPER"}, "dilated"),
        ("AveragePool", {"kernel_shape": [1, 1], "strides": [2, 2], "ceil_mode": 1}, "behind the picture"),
        ("Cast", {"to": TensorProto.UINT64}, "uint64"),
    ],
)  # fmt: skip
def test_unsupported_attribute_is_an_error(tmp_path: Path, op: str, attributes: dict, reason: str) -> None:
    graph = helper.make_graph(
        [
            helper.make_node(op, ["x"], ["y"], name="odd_one", **attributes),
            helper.make_node("Cast", ["y"], ["z"], to=TensorProto.FLOAT, name="back"),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    with pytest.raises(UnsupportedError, match=rf"'odd_one' \({op} of float32\[1, 3, 8, 8\]\).*{reason}"):
        compile_coreml(hub_of(finish(graph)), tmp_path / "m.mlpackage", io="tensor")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"precision": "fp8"}, "precision"),
        ({"io": "video"}, "image or tensor"),
        ({"precision": "int8"}, "quantize it"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict, reason: str) -> None:
    with pytest.raises(BrushportError, match=reason):
        compile_coreml(network()[1], tmp_path / "m.mlpackage", **arguments)
    with pytest.raises(BrushportError, match=r"\.mlpackage"):
        compile_coreml(network()[1], tmp_path / "m.onnx")


def test_a_picture_of_two_channels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no picture"):
        compile_coreml(network(channels=2)[1], tmp_path / "m.mlpackage", io="image")


def test_a_second_lowering_of_an_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="conv"):
        lowers("Conv", since=1)(lambda call: None)


def test_imports_neither_torch_nor_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.export.coreml.test_compile import network\n"
        "from export.coreml import compile_coreml\n"
        f"compile_coreml(network()[1], Path({str(tmp_path / 'm.mlpackage')!r}))\n"
        "assert not {'torch', 'tensorflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def operations(package: Path) -> list:
    """The operations of a saved program, in order."""
    spec = load_coremltools().models.MLModel(str(package), skip_model_load=True).get_spec()
    return list(next(iter(spec.mlProgram.functions["main"].block_specializations.values())).operations)
