import json
import os
import shutil

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from export.hub import HUB_OPSET, Hub, load_hub, source, zoo_names
from export.hub.passes.rewrite import dims
from tests.export.hub.graphs import build, normal, ops
from validate.errors import BrushportError, UnsupportedError

STYLES = ["wave", "scream", "starry_night"]
FIXED = "g (float[1,3,32,48] image) => (float[N,C,H,W] painting)"
OPEN = "g (float[N,3,H,W] image) => (float[N,C,A,B] painting)"
STYLED = "g (float[1,3,H,W] image, float[1,3] style) => (float[N,C,A,B] painting)"
PAINT = "c = Conv<pads=[1,1,1,1]>(image, w) painting = Sigmoid(c)"
STYLED_PAINT = (
    "c = Conv(image, w) n = InstanceNormalization(c, one, zero) "
    "g = MatMul(style, gammas) gc = Reshape(g, column) b = MatMul(style, betas) bc = Reshape(b, column) "
    "s = Mul(n, gc) t = Add(s, bc) painting = Sigmoid(t)"
)
STYLE_WEIGHTS = {
    "w": normal(4, 3, 1, 1),
    "one": np.ones(4),
    "zero": np.zeros(4),
    "gammas": normal(3, 4),
    "betas": normal(3, 4, seed=1),
    "column": np.array([1, 4, 1, 1]),
}
W = {"w": normal(3, 3, 3, 3)}


def save(path, signature, body, weights, metadata=None, opset=HUB_OPSET):
    proto = ir.to_proto(build(signature, body, weights, opset))
    if metadata is not None:
        proto.metadata_props.add(key="brushport", value=json.dumps(metadata))
    onnx.save(proto, path)
    return path


@pytest.fixture
def fixed(tmp_path):
    return save(tmp_path / "fixed.onnx", FIXED, PAINT, W)


@pytest.fixture
def styled(tmp_path):
    metadata = {"value_range": [0, 1], "styles": STYLES}
    return save(tmp_path / "styled.onnx", STYLED, STYLED_PAINT, STYLE_WEIGHTS, metadata)


def compute(model, **feeds):
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    return session.run(None, {name: np.asarray(x, np.float32) for name, x in feeds.items()})[0]


def test_hub_keeps_its_promises(fixed):
    hub = load_hub(fixed)
    assert isinstance(hub, Hub)
    assert hub.model.opset_imports == {"": HUB_OPSET}
    assert (hub.name, hub.source) == ("fixed", str(fixed))
    assert [(p.name, p.shape, p.value_range, p.color) for p in (*hub.inputs, *hub.outputs)] == [
        ("image", (1, 3, 32, 48), (0, 1), "RGB"),
        ("painting", (1, 3, 32, 48), (0, 1), "RGB"),
    ]
    for node in hub.model.graph:
        assert node.op_type != "Constant"
        for value in (*node.inputs, *node.outputs):
            assert dims(value) is not None
            assert value.dtype is ir.DataType.FLOAT
    assert all(value.const_value is not None for value in hub.model.graph.initializers.values())


def test_nothing_is_written_beside_the_source(styled):
    before = sorted(os.listdir(styled.parent))
    stamp = styled.stat().st_mtime_ns
    load_hub(styled, size=(16, 16), styles=["wave"])
    assert sorted(os.listdir(styled.parent)) == before
    assert styled.stat().st_mtime_ns == stamp


def test_training_run_and_checkpoint(tmp_path, styled):
    run = tmp_path / "monet"
    run.mkdir()
    shutil.copy(styled, run / "model.onnx")
    (run / "checkpoint.pt").write_bytes(b"weights")
    assert load_hub(run, size=(16, 16)).name == "monet"
    assert load_hub(run / "checkpoint.pt", size=(16, 16)).name == "monet"
    assert load_hub(run, size=(16, 16), name="poppies").name == "poppies"


def test_zoo_name(monkeypatch, fixed):
    monkeypatch.setattr(source, "ZOO_FOLDER", fixed.parent)
    assert zoo_names() == ("fixed",)
    assert load_hub("fixed").name == "fixed"
    with pytest.raises(BrushportError, match="did you mean 'fixed'"):
        load_hub("fixd")


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 18, 20, 21, 22])
def test_opsets(tmp_path, opset):
    body = "c = Conv(image, w) b = BatchNormalization(c, g, o, o, g) r = Relu(b) painting = GlobalAveragePool(r)"
    path = save(tmp_path / "m.onnx", FIXED, body, {**W, "g": np.ones(3), "o": np.zeros(3)}, opset=opset)
    assert ops(load_hub(path).model) == {"Conv": 1, "Relu": 1, "GlobalAveragePool": 1}


def test_functions_are_inlined(tmp_path):
    text = (
        f'<ir_version: 8, opset_import: ["": {HUB_OPSET}, "local": 1]> '
        "g (float[1,3,8,8] image) => (float[1,3,8,8] painting) { painting = local.Squash(image) } "
        f'<domain: "local", opset_import: ["": {HUB_OPSET}]> Squash (x) => (y) {{ r = Relu(x) y = Tanh(r) }}'
    )
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    assert ops(load_hub(tmp_path / "m.onnx").model) == {"Relu": 1, "Tanh": 1}


def test_external_data(tmp_path):
    proto = ir.to_proto(build(FIXED, PAINT, W))
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert ops(load_hub(path).model) == {"Conv": 1, "Sigmoid": 1}
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(BrushportError, match=r"weights\.bin"):
        load_hub(path)


# --- sizes


def test_open_size(tmp_path):
    path = save(tmp_path / "m.onnx", OPEN, PAINT, W)
    with pytest.raises(BrushportError, match="--size"):
        load_hub(path)
    assert load_hub(path, size=(24, 40)).outputs[0].shape == (1, 3, 24, 40)


@pytest.mark.parametrize("size", [(0, 8), (8, -1), (8,), "512", (8.5, 8), (10**6, 8), None])
def test_wrong_sizes(tmp_path, size):
    path = save(tmp_path / "m.onnx", OPEN, PAINT, W)
    with pytest.raises(BrushportError):
        load_hub(path, size=size)


def test_size_multiple(tmp_path):
    path = save(tmp_path / "m.onnx", OPEN, PAINT, W, {"value_range": [0, 1], "size_multiple": 8})
    with pytest.raises(BrushportError, match="480x640"):
        load_hub(path, size=(481, 639))
    assert load_hub(path, size=(48, 64)).inputs[0].shape == (1, 3, 48, 64)


def test_default_size(tmp_path):
    path = save(tmp_path / "m.onnx", OPEN, PAINT, W, {"value_range": [0, 1], "default_size": 24})
    assert load_hub(path).inputs[0].shape == (1, 3, 24, 24)
    assert load_hub(path, size=(16, 32)).inputs[0].shape == (1, 3, 16, 32)


RESIZABLE = {
    "convolution": PAINT,
    "resize by scales": 'u = Resize<mode="nearest">(image, , scales) painting = Sigmoid(u)',
    "resize to twice the size": 'u = Resize<mode="linear">(image, , , twice) painting = Sigmoid(u)',
    "pixel shuffle": "c = Conv(image, w12) a = Reshape(c, six) t = Transpose<perm=[0,1,4,2,5,3]>(a) "
    "painting = Reshape(t, result)",
    "crop": "u = ConvTranspose<strides=[2,2]>(image, w) painting = Slice(u, starts, ends, axes)",
    "shape computed": "s = Shape(image) u = Conv<strides=[2,2], pads=[1,1,1,1]>(image, w) "
    'painting = Resize<mode="nearest">(u, , , s)',
    "mean by sum": "t = ReduceSum(image, axes) m = Div(t, count) d = Sub(image, m) q = Mul(d, d) "
    "w2 = ReduceSum(q, axes) v = Div(w2, count) e = Sqrt(v) painting = Div(d, e)",
}
NOT_RESIZABLE = {
    "resize to three halves": 'painting = Resize<mode="linear">(image, , , odd)',
    "reshape": "f = Reshape(image, flat) painting = Reshape(f, back)",
    "slice": "painting = Slice(image, starts, half, axes)",
    "pooling of the whole plane": "m = AveragePool<kernel_shape=[32,48]>(image) painting = Sub(image, m)",
    "plane of constants": "painting = Add(image, plane)",
    "sum of the plane": "t = ReduceSum(image, axes) m = Div(t, count) painting = Sub(image, m)",
    "matrix": "painting = MatMul(image, matrix)",
}
SIZE_WEIGHTS = {
    **W,
    "w12": normal(12, 3, 1, 1),
    "scales": np.array([1.0, 1, 2, 2]),
    "twice": np.array([1, 3, 64, 96]),
    "odd": np.array([1, 3, 48, 72]),
    "six": np.array([-1, 3, 2, 2, 32, 48]),
    "result": np.array([-1, 3, 64, 96]),
    "starts": np.array([0, 0]),
    "ends": np.array([64, 96]),
    "half": np.array([16, 24]),
    "axes": np.array([2, 3]),
    "flat": np.array([1, 3, 32 * 48]),
    "back": np.array([-1, 3, 32, 48]),
    "plane": normal(32, 48),
    "matrix": normal(48, 48),
    "count": np.float32(32 * 48),
}


@pytest.mark.parametrize("body", RESIZABLE.values(), ids=RESIZABLE)
def test_fixed_size_can_be_changed(tmp_path, body):
    path = save(tmp_path / "m.onnx", FIXED, body, SIZE_WEIGHTS)
    native, other = load_hub(path), load_hub(path, size=(16, 24))
    assert native.inputs[0].shape == (1, 3, 32, 48)
    assert other.inputs[0].shape == (1, 3, 16, 24)
    assert [n * 2 for n in other.outputs[0].shape[2:]] == list(native.outputs[0].shape[2:])
    assert ops(native.model) == ops(other.model)


@pytest.mark.parametrize("body", NOT_RESIZABLE.values(), ids=NOT_RESIZABLE)
def test_fixed_size_that_cannot_be_changed(tmp_path, body):
    path = save(tmp_path / "m.onnx", FIXED, body, SIZE_WEIGHTS)
    assert load_hub(path, size=(32, 48)).inputs[0].shape == (1, 3, 32, 48)
    with pytest.raises(BrushportError, match=r"fixed at 32x48|made for 32x48"):
        load_hub(path, size=(16, 24))


# --- styles


def test_styles_stay(styled):
    hub = load_hub(styled, size=(16, 16))
    assert hub.styles == tuple(STYLES)
    assert [(p.name, p.shape, p.is_image) for p in hub.inputs] == [
        ("image", (1, 3, 16, 16), True),
        ("style", (1, 3), False),
    ]


def test_one_style_is_baked_in(styled):
    image = np.random.default_rng(0).random((1, 3, 16, 16))
    full, baked = load_hub(styled, size=(16, 16)), load_hub(styled, size=(16, 16), styles=["Scream"])
    assert [p.name for p in baked.inputs] == ["image"]
    assert baked.styles == ("scream",)
    assert ops(baked.model) == {"Conv": 1, "InstanceNormalization": 1, "Sigmoid": 1}
    expected = compute(full.model, image=image, style=[[0, 1, 0]])
    np.testing.assert_allclose(compute(baked.model, image=image), expected, atol=1e-6)


def test_some_styles_in_an_order_of_ones_own(styled):
    image = np.random.default_rng(0).random((1, 3, 16, 16))
    full, some = load_hub(styled, size=(16, 16)), load_hub(styled, size=(16, 16), styles=["starry_night", "wave"])
    assert some.styles == ("starry_night", "wave")
    assert [p.shape for p in some.inputs] == [(1, 3, 16, 16), (1, 2)]
    assert ops(some.model) == ops(full.model)
    expected = compute(full.model, image=image, style=[[0.7, 0, 0.3]])
    np.testing.assert_allclose(compute(some.model, image=image, style=[[0.3, 0.7]]), expected, atol=1e-6)


def test_saved_hub_loads_as_the_same(styled, tmp_path):
    some = load_hub(styled, size=(16, 16), styles=["starry_night", "wave"])
    onnx.save(ir.to_proto(some.model), tmp_path / "again.onnx")
    again = load_hub(tmp_path / "again.onnx")
    assert (again.styles, again.inputs, again.outputs) == (some.styles, some.inputs, some.outputs)
    assert ops(again.model) == ops(some.model)


@pytest.mark.parametrize(
    ("styles", "message"),
    [(["wav"], "did you mean 'wave'"), (["picasso"], "starry_night"), ([], "No style"), (["wave", "wave"], "twice")],
)
def test_wrong_styles(styled, styles, message):
    with pytest.raises(BrushportError, match=message):
        load_hub(styled, size=(16, 16), styles=styles)


def test_styles_of_a_model_without_any(fixed):
    with pytest.raises(BrushportError, match="style"):
        load_hub(fixed, styles=["wave"])


def test_metadata_that_contradict_the_input(tmp_path):
    path = save(tmp_path / "m.onnx", STYLED, STYLED_PAINT, STYLE_WEIGHTS, {"styles": ["wave"]})
    with pytest.raises(BrushportError, match="3 weights"):
        load_hub(path, size=(16, 16))


# --- value ranges and ports


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("painting = Sigmoid(image)", (0, 1)),
        ("painting = Tanh(image)", (-1, 1)),
        ("t = Tanh(image) h = Mul(t, half) painting = Add(h, half)", (0, 1)),
        ("t = Tanh(image) h = Mul(t, k150) a = Add(h, k127) painting = Clip(a, zero, k255)", (0, 255)),
        ("s = Sigmoid(image) painting = Mul(s, k255)", (0, 255)),
        ("m = Mul(image, k150) painting = Relu(m)", (0, 255)),  # nothing bounds it: a photo decides
        ("m = Sub(image, half) painting = Mul(m, half)", (0, 1)),
        ("painting = Sub(image, one)", (-1, 1)),
    ],
)
def test_range_is_found_out(tmp_path, body, expected):
    numbers = {"half": 0.5, "one": 1, "zero": 0, "k150": 150, "k127": 127.5, "k255": 255}
    path = save(tmp_path / "m.onnx", FIXED, body, {k: np.float32(v) for k, v in numbers.items()})
    hub = load_hub(path)
    assert hub.inputs[0].value_range == hub.outputs[0].value_range == expected
    (note,) = hub.notes
    assert f"{expected[0]}..{expected[1]} because" in note
    assert "--range" in note


def test_range_that_is_stated(tmp_path, fixed):
    assert load_hub(fixed, value_range=(0, 255)).inputs[0].value_range == (0, 255)
    path = save(tmp_path / "m.onnx", FIXED, PAINT, W, {"value_range": [-1, 1]})
    hub = load_hub(path)
    assert (hub.outputs[0].value_range, hub.notes) == ((-1, 1), ())
    assert load_hub(path, value_range=(0, 1)).outputs[0].value_range == (0, 1)


@pytest.mark.parametrize("value_range", [(1, 0), (0, float("nan")), (0,), "01x", 5])
def test_wrong_ranges(fixed, value_range):
    with pytest.raises(BrushportError, match="range"):
        load_hub(fixed, value_range=value_range)


def test_segmentation_and_features_are_no_pictures(tmp_path):
    body = "classes = Conv(image, w) p = GlobalAveragePool(classes) scores = Flatten(p) gray = ReduceMax(image, one)"
    signature = "g (float[1,3,8,8] image) => (float[N,C,H,W] classes, float[A,B] scores, float[N,D,H,W] gray)"
    path = save(tmp_path / "m.onnx", signature, body, {"w": normal(21, 3, 3, 3), "one": np.array([1])})
    hub = load_hub(path)
    assert [p.is_image for p in hub.outputs] == [False, False, True]
    assert hub.outputs[2].color == "L"


# --- what other tools write


def test_float16_file(tmp_path):
    body = "h = Cast<to=10>(image) a = Add(h, one) b = Mul(a, k) c = Cast<to=1>(b) painting = Sigmoid(c)"
    weights = {"one": np.float16(1), "k": np.full((3, 1, 1), 0.1, np.float16)}
    hub = load_hub(save(tmp_path / "m.onnx", "g (float[1,3,8,8] image) => (float[1,3,8,8] painting)", body, weights))
    assert "Cast" not in ops(hub.model)
    assert {v.dtype for v in hub.model.graph.initializers.values()} == {ir.DataType.FLOAT}
    x = np.random.default_rng(0).random((1, 3, 8, 8))
    np.testing.assert_allclose(
        compute(hub.model, image=x), 1 / (1 + np.exp(-(x + 1) * np.float32(np.float16(0.1)))), atol=1e-6
    )
    assert "float32" in hub.notes[0]


def test_channels_last_file(tmp_path):
    body = "a = Transpose<perm=[0,3,1,2]>(image) c = Conv(a, w) s = Sigmoid(c) painting = Transpose<perm=[0,2,3,1]>(s)"
    path = save(tmp_path / "m.onnx", "g (float[N,H,W,3] image) => (float[N,A,B,C] painting)", body, W)
    hub = load_hub(path, size=(16, 24))
    assert ops(hub.model) == {"Conv": 1, "Sigmoid": 1}
    assert [(p.name, p.shape) for p in (*hub.inputs, *hub.outputs)] == [
        ("image", (1, 3, 16, 24)),
        ("painting", (1, 3, 14, 22)),
    ]


# --- bad input


def written(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    return path


def one_sentence(error):
    text = str(error.value)
    return "\n" not in text and text.endswith(".") and len(text) < 600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, world\n" * 50,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200),
        b"\0" * 100,
        b"PK\x03\x04" + bytes(99),
    ],
)
def test_files_that_are_no_onnx(tmp_path, content):
    with pytest.raises(BrushportError, match=r"bad\.onnx") as error:
        load_hub(written(tmp_path, content))
    assert one_sentence(error)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_truncated_file(fixed, tmp_path, share):
    content = fixed.read_bytes()
    with pytest.raises(BrushportError) as error:
        load_hub(written(tmp_path, content[: int(len(content) * share)]))
    assert one_sentence(error)


@pytest.mark.parametrize("name", ["missing.onnx", "no/such/folder", "unknown_name", "null\0byte", "x" * 5000, ""])
def test_sources_that_do_not_exist(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BrushportError) as error:
        load_hub(name)
    assert one_sentence(error)


def test_folder_without_model_and_unfinished_run(tmp_path):
    with pytest.raises(BrushportError, match=r"model\.onnx"):
        load_hub(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"weights")
    with pytest.raises(BrushportError, match="resume"):
        load_hub(tmp_path / "checkpoint.pt")


def test_file_too_large_for_protobuf(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31 + 10)  # sparse: takes no space
    with pytest.raises(BrushportError, match="2 GB"):
        load_hub(path)


def test_device_file():
    with pytest.raises(BrushportError, match="neither"):
        load_hub("/dev/null")


def test_graph_that_is_not_valid(tmp_path):
    proto = ir.to_proto(build(FIXED, PAINT, W))
    proto.graph.node[0].input[0] = "nowhere"
    with pytest.raises(BrushportError, match="not valid ONNX") as error:
        load_hub(written(tmp_path, proto.SerializeToString()))
    assert one_sentence(error)


@pytest.mark.parametrize(
    ("signature", "body", "message"),
    [
        ("g (seq(float[1,3,8,8]) s) => (float[N,C,H,W] y)", "y = SequenceAt(s, zero)", "sequence"),
        ("g (string[1,3] s) => (string[1,3] y)", "y = Identity(s)", "string"),
        ("g (uint16[1,3,8,8] s) => (float[1,3,8,8] y)", "y = Cast<to=1>(s)", "uint16"),
        ("g (float[2,3,8,8] x) => (float[2,3,8,8] y)", "s = ReduceSum(x) y = Sub(x, s)", "batch size 1"),
        ("g (float[1,K] x) => (float[1,K] y)", "y = Relu(x)", "open dimensions"),
        ("g (float[1,C,8,8] x) => (float[1,C,8,8] y)", "y = Relu(x)", "channels"),
        ("g (float x) => (float y)", "y = Relu(x)", None),
        ("g () => (float[1] y)", "y = Constant<value_floats=[1.0]>()", "no input"),
        ("g (float[1,3,8,8] x) => (int64[N,4] y)", "y = NonZero(x)", "not fixed"),
    ],
)
def test_graphs_that_no_hub_can_hold(tmp_path, signature, body, message):
    path = save(tmp_path / "m.onnx", signature, body, {"zero": np.array(0)})
    if message is None:
        assert load_hub(path).inputs[0].shape == ()
        return
    with pytest.raises(BrushportError, match=message) as error:
        load_hub(path)
    assert one_sentence(error)


def test_foreign_operator_and_control_flow(tmp_path):
    text = (
        f'<ir_version: 8, opset_import: ["": {HUB_OPSET}, "com.microsoft": 1]> '
        "g (float[1,3,8,8] x) => (float[1,3,8,8] y) { [glow] y = com.microsoft.Gelu(x) }"
    )
    onnx.save(onnx.parser.parse_model(text), tmp_path / "a.onnx")
    with pytest.raises(UnsupportedError, match=r"'glow'.*Gelu.*com\.microsoft"):
        load_hub(tmp_path / "a.onnx")
    body = "s = ReduceSum(x) c = Cast<to=9>(s) [branch] y = If (c) <then_branch = t () => (a) { a = Relu(x) }, "
    body += "else_branch = e () => (b) { b = Neg(x) }>"
    path = save(tmp_path / "b.onnx", "g (float[1,3,8,8] x) => (float[1,3,8,8] y)", body, {})
    with pytest.raises(UnsupportedError, match="branch"):
        load_hub(path)


def test_broken_metadata(tmp_path, fixed):
    proto = onnx.load(fixed)
    proto.metadata_props.add(key="brushport", value="{broken")
    with pytest.raises(BrushportError, match="JSON"):
        load_hub(written(tmp_path, proto.SerializeToString()))
