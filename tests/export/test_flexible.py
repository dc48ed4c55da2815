"""One file for many picture sizes, on both targets: right at sizes that it was not compiled at, or refused."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.api import export_model
from export.flexible import MAX_ENUMERATED, Request, Sizes, find_step, parse_flexible, probes, resolve
from export.hub import load_hub
from export.targets import TARGETS
from tests.export.painter import save_painter
from validate.coreml import CoreMLModel
from validate.errors import BrushportError, UnsupportedError
from validate.runners import OnnxRunner, open_artifact


def save_network(path, *, halvings=1, upsampling="linear", size=("h", "w")):
    """Reflect pads, ``halvings`` convolutions of stride 2, instance norms, upsamplings by 2, a channel attention."""
    random = np.random.default_rng(5)
    weights, nodes, value = [], [], "x"

    def constant(name, array):
        weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(op, *inputs, **attributes):
        output = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [output], name=f"{op}{len(nodes)}", **attributes))
        return output

    pads, ones = constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1])), constant("ones", np.ones(4, np.float32))
    zeros, scales = constant("zeros", np.zeros(4, np.float32)), constant("scales", np.float32([1, 1, 2, 2]))
    for i in range(halvings):
        value = node("Pad", value, pads, mode="reflect")
        weight = constant(f"down{i}", random.normal(0, 0.3, (4, 3 if i == 0 else 4, 3, 3)).astype(np.float32))
        value = node("Conv", value, weight, strides=[2, 2])
        value = node("InstanceNormalization", value, ones, zeros)
    gate = node("Sigmoid", node("GlobalAveragePool", value))
    value = node("Relu", node("Mul", value, gate))
    for i in range(halvings):
        mode = "half_pixel" if upsampling == "linear" else "asymmetric"
        nearest = {} if upsampling == "linear" else {"nearest_mode": "floor"}
        value = node("Resize", value, "", scales, mode=upsampling, coordinate_transformation_mode=mode, **nearest)
        weight = constant(f"up{i}", random.normal(0, 0.3, (4, 4, 3, 3)).astype(np.float32))
        value = node("Conv", value, weight, pads=[1, 1, 1, 1])
    value = node("Conv", value, constant("last", random.normal(0, 0.3, (3, 4, 1, 1)).astype(np.float32)))
    nodes.append(helper.make_node("Sigmoid", [value], ["y"], name="paint"))
    info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, *size]) for name in "xy"]
    graph = helper.make_graph(nodes, "network", info[:1], info[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def paints_alike(model, artifact, hub, size, floor):
    other = load_hub(model, size=size)
    feed = {port.name: np.random.default_rng(0).random(port.shape, np.float32) for port in other.inputs}
    want = OnnxRunner(other_bytes(other), other.inputs, other.outputs).run(feed)["y"]
    got = open_artifact(artifact, (hub.inputs, hub.outputs)).run(feed)["y"]
    assert got.shape == want.shape
    assert -10 * np.log10(np.mean((got - want) ** 2)) > floor


def other_bytes(hub):
    import onnx_ir as ir

    return ir.to_proto(hub.model).SerializeToString()


@pytest.mark.parametrize("upsampling", ["linear", "nearest"])
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_right_at_sizes_it_was_not_compiled_at(tmp_path, target, upsampling):
    model = save_network(tmp_path / "net.onnx", halvings=2, upsampling=upsampling)
    hub = load_hub(model, size=(64, 64))
    sizes = resolve(hub, Request(32, 128))
    assert (sizes.step, sizes.low, sizes.high) == (4, 32, 128)
    sizes = sizes if TARGETS[target].any_step else sizes.enumerated()
    artifact = tmp_path / f"net{TARGETS[target].suffix}"
    options = {"precision": "fp32", "io": "tensor", "metadata": {}}
    TARGETS[target].compile_flexible(*probes(hub, sizes), artifact, sizes, **options)
    for size in ((32, 128), (64, 64), (128, 80)):
        paints_alike(model, artifact, hub, size, floor=85)


def test_core_ml_states_the_sizes(tmp_path):
    every = export_model(save_painter(tmp_path / "p.onnx", metadata=False), size=(64, 64), output=tmp_path,
                         flexible=Request(48, 96))  # fmt: skip
    model = CoreMLModel(every.path)
    image = next(feature for feature in model.inputs if feature.is_image)
    assert image.ranges[2:] == ((48, 96), (48, 96))
    assert every.manifest["sizes"]["max"] == [96, 96]
    assert {tuple(one["size"]) for one in every.manifest["sizes"]["verified"]} == {(48, 48), (48, 72), (96, 96)}
    listed = export_model(tmp_path / "p.onnx", size=(64, 64), output=tmp_path,
                          flexible=parse_flexible("64,48x80"))  # fmt: skip
    image = next(feature for feature in CoreMLModel(listed.path).inputs if feature.is_image)
    assert {choice[2:] for choice in image.choices} == {(64, 64), (48, 80)}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_tflite_picture_of_another_size(tmp_path, precision):
    result = export_model(save_painter(tmp_path / "p.onnx"), "tflite", precision=precision, output=tmp_path,
                          flexible=Request(64, 128))  # fmt: skip
    assert result.manifest["sizes"]["multiple"] == 1
    stored = json.loads(result.manifest_path.read_text())["artifacts"]["tflite"]["sizes"]["verified"]
    assert len(stored) == 3
    assert min(one["ssim"] for one in stored) > 0.9


def test_a_size_that_is_written_in_is_refused(tmp_path):
    rows = numpy_helper.from_array(np.arange(64)[::-1].copy(), "rows")
    node = helper.make_node("Gather", ["x", "rows"], ["y"], name="turned", axis=2)
    info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 64, "w"]) for name in "xy"]
    graph = helper.make_graph([node], "g", info[:1], info[1:], [rows])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "g.onnx")
    hub = load_hub(tmp_path / "g.onnx", size=(64, 64))
    for target in TARGETS.values():
        with pytest.raises((BrushportError, UnsupportedError)) as error:
            sizes = resolve(hub, Request(64, 128))
            target.compile_flexible(*probes(hub, sizes), tmp_path / f"g{target.suffix}", sizes,
                                    precision="fp32", io="tensor", metadata={})  # fmt: skip
        assert "size" in str(error.value)


def test_a_file_of_open_size_needs_no_other_size(tmp_path):
    model = save_network(tmp_path / "net.onnx", halvings=1)
    result = export_model(model, "tflite", output=tmp_path, flexible=Request(64, 128))
    assert result.manifest["inputs"][0]["shape"] == [1, 128, 128, 3]
    assert Request(256, 1024).usual == (512, 512)
    assert Request(65, 71).usual == (65, 65)
    assert Request(choices=((48, 80), (64, 64))).usual == (48, 80)


def test_steps_are_found(tmp_path):
    for halvings, step in ((1, 2), (3, 8)):
        hub = load_hub(save_network(tmp_path / f"{step}.onnx", halvings=halvings), size=(64, 64))
        assert find_step(hub) == step
    with pytest.raises(BrushportError, match="50x50"):
        resolve(hub, Request(choices=((64, 64), (50, 50))))
    with pytest.raises(BrushportError, match="8 divides"):
        resolve(hub, Request(65, 71))


@pytest.mark.parametrize(
    ("low", "high", "step", "default"), [(256, 1024, 16, 512), (64, 96, 4, 64), (100, 1000, 4, 512)]
)
def test_listed_sizes_are_not_too_many_and_keep_the_ends(low, high, step, default):
    sizes = Sizes((default, default), step, low, high).enumerated()
    sides = {side for size in sizes.choices for side in size}
    assert len(sizes.choices) <= MAX_ENUMERATED
    assert {low, high, default} <= sides
    assert all(side % step == 0 for side in sides)


@pytest.mark.parametrize("text", ["256..", "..256", "1024..256", "a..b", "256..1e9", "0..64", "12,x"])
def test_requests_that_make_no_sense(text):
    with pytest.raises(BrushportError):
        parse_flexible(text)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_square_a_portrait_and_a_landscape(tmp_path, target):
    """No size differs from the first in both sides, yet both sides vary."""
    model = save_network(tmp_path / "net.onnx")
    result = export_model(model, target, size=(32, 32), io="tensor", output=tmp_path, precision="fp32",
                          value_range=(0, 1), flexible=parse_flexible("32,32x48,48x32"))  # fmt: skip
    assert len(result.manifest["sizes"]["verified"]) == 3
    hub = load_hub(model, size=(32, 32))
    for size in ((32, 48), (48, 32)):
        paints_alike(model, result.path, hub, size, floor=85)


def test_lists_that_cannot_be(tmp_path):
    model = save_painter(tmp_path / "p.onnx", metadata=False)
    with pytest.raises(BrushportError, match=r"one size only; .* --size 64x64"):
        export_model(model, size=(64, 64), output=tmp_path, flexible=parse_flexible("64,64"))
    with pytest.raises(BrushportError, match="--flexible x is no size"):
        parse_flexible("64,x")
    many = ",".join(str(side) for side in range(20, 21 + MAX_ENUMERATED))
    with pytest.raises(BrushportError, match=r"129 sizes and coreml takes 128; list fewer\.$"):
        export_model(model, size=(64, 64), output=tmp_path, flexible=parse_flexible(many))
