"""A hub that does not compute what its file computes is found out; rounding is not taken for a mistake."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from export.hub import check, load, load_hub
from export.hub.check import FLOOR, check_hub, smaller
from tests.export.hub.graphs import build, normal
from validate.errors import BrushportError

W = {"w": normal(3, 3, 3, 3) / 5, "b": normal(3)}
CONV = "c = Conv<pads=[1,1,1,1]>(image, w, b)  painting = Sigmoid(c)"


def save(path, signature, body, weights=None, opset=21):
    onnx.save(ir.to_proto(build(signature, body, weights, opset)), path)
    return path


@pytest.fixture
def picture(tmp_path):
    return save(tmp_path / "m.onnx", "g (float[1,3,32,24] image) => (float[1,3,32,24] painting)", CONV, W)


def altered(hub, change):
    """The hub with one more node at its end."""
    proto = ir.to_proto(hub.model)
    proto.graph.node[-1].output[0] = "before"
    proto.graph.node.append(change)
    return hub.with_model(ir.from_proto(proto))


def test_a_right_hub_is_as_good_as_equal(picture):
    assert check_hub(load_hub(picture, check=False), picture) >= FLOOR


def test_a_changed_weight_is_found(picture):
    hub = load_hub(picture, check=False)
    weight = next(v for v in hub.model.graph.initializers.values() if len(v.shape) == 4)
    array = weight.const_value.numpy().copy()
    array[1, 2, 0, 1] += 0.01
    weight.const_value = ir.tensor(array, name=weight.name)
    with pytest.raises(BrushportError, match=r"does not compute what the file computes .*report"):
        check_hub(hub, picture)


def test_load_hub_checks(picture, monkeypatch):
    real = load.simplify

    def wrong(model):
        real(model)
        for value in model.graph.initializers.values():
            value.const_value = ir.tensor(value.const_value.numpy() * np.float32(1.01), name=value.name)

    monkeypatch.setattr(load, "simplify", wrong)
    load_hub(picture, check=False)
    with pytest.raises(BrushportError, match="does not compute"):
        load_hub(picture)


def test_another_shape_is_found(picture):
    flat = onnx.helper.make_node("Transpose", ["before"], ["painting"], perm=[0, 1, 3, 2])
    with pytest.raises(BrushportError, match="'painting' has the shape"):
        check_hub(altered(load_hub(picture, check=False), flat), picture)


def test_another_dtype_is_found(tmp_path):
    path = save(
        tmp_path / "m.onnx", "g (float[1,3,8,8] image) => (int64[1,1,8,8] classes)", "classes = ArgMax<axis=1>(image)"
    )
    hub = load_hub(path, check=False)
    cast = onnx.helper.make_node("Cast", ["before"], ["classes"], to=1)
    made = altered(hub, cast)
    made.model.graph.outputs[0].dtype = ir.DataType.FLOAT
    assert check_hub(hub, path) == np.inf
    with pytest.raises(BrushportError, match="float32 and not int64"):
        check_hub(made, path)


def test_files_with_channels_last_are_compared(tmp_path):
    body = """
        x = Transpose<perm=[0,3,1,2]>(image)  c = Conv<pads=[1,1,1,1]>(x, w, b)
        s = Sigmoid(c)  painting = Transpose<perm=[0,2,3,1]>(s)
    """
    path = save(tmp_path / "m.onnx", "g (float[1,16,24,3] image) => (float[1,16,24,3] painting)", body, W)
    assert check_hub(load_hub(path, check=False), path) >= FLOOR


def test_rounding_that_the_network_blows_up_is_no_mistake(tmp_path):
    """Sub and Mul by 2²⁰ leave little but rounding; half of it depends on the order of a sum."""
    body = """
        a = Conv<pads=[1,1,1,1]>(image, w, b)  p = Conv<pads=[1,1,1,1]>(image, v, b)
        d = Sub(a, p)  painting = Mul(d, big)
    """
    weights = {**W, "v": W["w"] * np.float32(1 + 2e-7), "big": np.float32(2**20)}
    path = save(tmp_path / "m.onnx", "g (float[1,3,64,64] image) => (float[1,3,64,64] painting)", body, weights)
    load_hub(path)


@pytest.mark.parametrize("places", [4, 40])
def test_a_few_pixels_of_a_mask_may_stand_on_the_edge(tmp_path, places):
    """Of 64x64x1 truth values, 4 fell to the other side in the hub; 40, a line of the picture, would be a mistake."""
    body = "c = Conv<pads=[1,1,1,1]>(image, w, b)  s = ReduceMean<keepdims=1>(c, axes)  mask = Greater(s, half)"
    weights = {**W, "axes": np.array([1]), "half": np.float32(0.2)}
    path = save(tmp_path / "m.onnx", "g (float[1,3,64,64] image) => (bool[1,1,64,64] mask)", body, weights)
    hub = load_hub(path, check=False)
    proto = ir.to_proto(hub.model)
    proto.graph.node[-1].output[0] = "before"
    turned = np.zeros((1, 1, 64, 64), bool)
    turned[0, 0, 7, :places] = True
    proto.graph.initializer.append(onnx.numpy_helper.from_array(turned, "turned"))
    proto.graph.node.append(onnx.helper.make_node("Xor", ["before", "turned"], ["mask"]))
    made = hub.with_model(ir.from_proto(proto))
    if places == 4:
        check_hub(made, path)
    else:
        with pytest.raises(BrushportError, match="does not compute"):
            check_hub(made, path)


def test_half_precision_files_are_compared_with_less(tmp_path):
    weights = {name: array.astype(np.float16) for name, array in W.items()}
    path = save(tmp_path / "m.onnx", "g (float16[1,3,16,16] image) => (float16[1,3,16,16] painting)", CONV, weights)
    db = check_hub(load_hub(path, check=False), path, rounded=True)
    assert 45 <= db < FLOOR


def test_half_precision_that_overflows_is_not_compared(tmp_path):
    body = "big = Mul(image, many)  painting = Mul(big, big)"
    path = save(
        tmp_path / "m.onnx",
        "g (float16[1,3,16,16] image) => (float16[1,3,16,16] painting)",
        body,
        {"many": np.float16(1000)},
    )
    assert check_hub(load_hub(path, check=False), path, rounded=True) is None


def test_classes_of_half_precision_have_the_noise_of_half_precision(tmp_path):
    weights = {}
    body, x = "", "image"
    for i in range(12):
        random = np.random.default_rng(i)
        weights[f"w{i}"] = (random.standard_normal((16, 3 if i == 0 else 16, 3, 3)) * 0.08).astype(np.float16)
        body += f"c{i} = Conv<pads=[1,1,1,1]>({x}, w{i})  x{i} = Relu(c{i})  "
        x = f"x{i}"
    signature = "g (float16[1,3,64,64] image) => (int64[1,1,64,64] classes)"
    path = save(tmp_path / "m.onnx", signature, f"{body} classes = ArgMax<axis=1>({x})", weights)
    check_hub(load_hub(path, value_range=(0, 1), check=False), path, rounded=True)


def test_bytes_that_are_no_picture(tmp_path):
    body = "f = Cast<to=1>(planes)  painting = Conv(f, v)"
    signature = "g (uint8[1,4,16,16] planes) => (float[1,3,16,16] painting)"
    path = save(tmp_path / "m.onnx", signature, body, {"v": normal(3, 4, 1, 1)})
    assert check_hub(load_hub(path, check=False), path) >= FLOOR


def test_nothing_to_compare_with(picture, tmp_path):
    assert check_hub(load_hub(picture, size=(16, 16), check=False), picture) is None
    (tmp_path / "broken.onnx").write_bytes(b"none")
    assert check_hub(load_hub(picture, check=False), tmp_path / "broken.onnx") is None


def test_large_pictures_of_open_size_are_checked_small(tmp_path, monkeypatch):
    path = save(tmp_path / "m.onnx", "g (float[1,3,H,W] image) => (float[1,3,H,W] painting)", CONV, W)
    seen = []
    monkeypatch.setattr(load, "check_hub", lambda hub, path, **kwargs: seen.append(hub.inputs[0].shape))
    hub = load_hub(path, size=(768, 512))
    assert seen == [(1, 3, 192, 128)]
    assert hub.inputs[0].shape == (1, 3, 768, 512)
    load_hub(path, size=(100, 90))
    assert seen[1:] == [(1, 3, 100, 90)]


def test_sizes_keep_what_divides_them():
    assert smaller((1024, 768)) == (256, 192)
    assert smaller((512, 512)) == (128, 128)
    assert smaller((514, 512)) == (257, 256)
    assert smaller((255, 4096)) == (255, 4096)


def test_zoo_networks_are_their_files():
    hub = load_hub("unet", size=(128, 128), check=False)
    found = check_hub(hub, Path(hub.source))
    assert found is None or found >= FLOOR


def test_a_512_pixel_network_of_fixed_size_is_checked_and_a_huge_one_is_not(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(check, "_session", seen.append)  # None: nothing is run
    for side in (512, 2048):
        path = save(
            tmp_path / f"{side}.onnx",
            f"g (float[1,3,{side},{side}] image) => (float[1,3,{side},{side}] painting)",
            "c = Conv<pads=[1,1,1,1]>(image, u)  painting = Conv<pads=[1,1,1,1]>(c, d)",
            {"u": normal(32, 3, 3, 3), "d": normal(3, 32, 3, 3)},
        )
        check_hub(load_hub(path, check=False), path)
    assert seen == [str(tmp_path / "512.onnx")]
