"""ONNX Runtime's own quantizer, given the same ranges, is the judge where the two ought to agree."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from quantize.graph import name_nodes, values_by_name
from quantize.qdq import calibrated_values, insert_qdq, quantized_output, range_source, why_not
from quantize.ranges import calibrate
from tests.quantize.graphs import Builder, decibels, run, samples, style_net


def convolutions(model):
    return [node for node in model.graph if why_not(node) is None]


def spans(model):
    histograms, _ = calibrate(model, calibrated_values(convolutions(model)), samples(model))
    return {name: histogram.span("minmax") for name, histogram in histograms.items()}


def quantized(model, only=None):
    names = [node.name for node in convolutions(model) if only is None or node.name in only]
    return insert_qdq(model, names, spans(model))


def by_onnx_runtime(model):
    nodes = convolutions(model)
    names = [node.name for node in nodes] + [
        quantized_output(node).producer().name for node in nodes if quantized_output(node) is not node.outputs[0]
    ]
    ranges = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in spans(model).items()
    }
    ranges |= {n.outputs[0].name: next(iter(ranges.values())) for n in nodes if n.outputs[0].name not in ranges}
    quantizer = QDQQuantizer(
        ir.to_proto(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
        nodes_to_quantize=names,
        nodes_to_exclude=[],
        op_types_to_quantize=["Conv", "ConvTranspose", "Relu"],
        extra_options={},
    )
    return quantizer.quantize_model()


def chain(kind="Conv"):
    """conv - relu - conv - relu - conv, where nothing float reads what is rounded."""
    b = Builder([1, 3, 48, 48])
    x = b.op("Relu", b.conv("image", 3, 8, spread=1.0))
    x = (
        b.conv(x, 8, 8, group=8)
        if kind == "depthwise"
        else b.conv_transpose(x, 8, 8, 1)
        if kind != "Conv"
        else (b.conv(x, 8, 8, bias=False))
    )
    x = b.op("Relu", x)
    return b.build(b.conv(x, 8, 3))


@pytest.mark.parametrize("kind", ["Conv", "depthwise", "ConvTranspose"])
def test_a_chain_is_what_onnx_runtime_makes_of_it(kind):
    model = chain(kind)
    ours, theirs = quantized(model), by_onnx_runtime(model)
    sample = samples(model, 1, "verification")[0]
    np.testing.assert_allclose(run(ours, sample)[0], run(theirs, sample)[0], atol=1e-5)
    stored = lambda proto: sorted(  # noqa: E731
        onnx.numpy_helper.to_array(i).tobytes()
        for i in proto.graph.initializer
        if i.data_type == onnx.TensorProto.INT8
        if len(i.dims) == 4
    )
    assert stored(ir.to_proto(ours)) == stored(theirs)
    assert decibels(run(model, sample)[0], run(ours, sample)[0]) > 25


def test_a_chain_stays_int8_with_one_pair_between():
    model = quantized(chain())
    pairs = [node for node in model.graph if node.op_type == "QuantizeLinear"]
    assert len(pairs) == 4  # image, two Relus, the output
    for node in model.graph:
        if node.op_type == "Conv":
            readers = node.outputs[0].consumers()
            assert [n.op_type for n in readers] in (["Relu"], ["QuantizeLinear"])
            assert all(value.producer().op_type == "DequantizeLinear" for value in node.inputs)
        if node.op_type == "Relu":
            assert [n.op_type for n in node.outputs[0].consumers()] == ["QuantizeLinear"]


def test_the_hubs_promises():
    model = style_net()
    result = quantized(model)
    onnx.checker.check_model(ir.to_proto(result), full_check=True)
    assert result.graph.opset_imports == model.graph.opset_imports
    assert [v.name for v in result.graph.inputs] == [v.name for v in model.graph.inputs]
    assert [v.name for v in result.graph.outputs] == [v.name for v in model.graph.outputs]
    names = [node.name for node in result.graph]
    assert len(set(names)) == len(names)
    assert all(node.op_type != "Constant" and node.domain == "" for node in result.graph)
    for node in result.graph:
        for value in node.outputs:
            assert value.dtype is not None
            assert value.shape.is_static()
    inferred = values_by_name(ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(result))).graph)
    for name, value in values_by_name(result.graph).items():
        assert (inferred[name].dtype, inferred[name].shape) == (value.dtype, value.shape)
    dtypes = {value.dtype for value in result.graph.initializers.values() if len(value.shape) == 4}
    assert dtypes == {ir.DataType.INT8}
    assert all(value.uses() for value in result.graph.initializers.values())


def test_the_model_given_is_not_changed():
    model = style_net()
    before = ir.to_proto(model).SerializeToString()
    quantized(model)
    assert ir.to_proto(model).SerializeToString() == before


def test_what_a_float_node_gives_stays_float_for_float_readers():
    model = style_net()
    result = quantized(model)
    add = next(node for node in result.graph if node.op_type == "Add")
    assert [value.producer().op_type for value in add.inputs] == ["Relu", "InstanceNormalization"]


def test_one_pair_for_all_readers_of_a_tensor():
    b = Builder([1, 3, 48, 48])
    first, second = b.conv("image", 3, 3), b.conv("image", 3, 3)
    result = quantized(b.build(b.op("Add", first, second)))
    assert sum(node.inputs[0].name == "image" for node in result.graph if node.op_type == "QuantizeLinear") == 1
    assert len(result.graph.inputs[0].uses()) == 1


def pairs(model):
    """What each pair of ``model`` rounds, and the name of its scale."""
    return [(n.inputs[0].name, n.inputs[1].name) for n in model.graph if n.op_type == "QuantizeLinear"]


def padded_and_pooled(b, x):
    x = b.op("Pad", x, b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), mode="reflect", name="pad")
    return b.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], name="pool")


def test_moving_nodes_between_convolutions_keep_the_scale():
    b = Builder([1, 3, 48, 48])
    x = padded_and_pooled(b, b.op("Relu", b.conv("image", 3, 8)))
    result = quantized(b.build(b.conv(x, 8, 3, pads=[0] * 4)))
    assert [name for name, _ in pairs(result)] == ["image", "Relu_1_out", "Conv_4_out_float"]


def test_a_pair_goes_in_front_of_what_moves_numbers():
    b = Builder([1, 3, 48, 48])
    x = padded_and_pooled(b, b.op("Tanh", "image"))
    model = b.build(b.conv(x, 3, 3, pads=[0] * 4))
    result = quantized(model)
    assert [name for name, _ in pairs(result)][:1] == ["Tanh_0_out"]
    behind = quantized(model)  # the same numbers, rounded behind the pool
    for node in list(behind.graph):
        if node.op_type == "Pad":
            first = node.inputs[0]
            node.replace_input_with(0, first.producer().inputs[0].producer().inputs[0])
        if node.op_type == "Conv":
            pool = node.inputs[0]
            q = ir.node("QuantizeLinear", [pool, *first.producer().inputs[1:]])
            dq = ir.node("DequantizeLinear", [q.outputs[0], *first.producer().inputs[1:]])
            behind.graph.insert_before(node, [q, dq])
            node.replace_input_with(0, dq.outputs[0])
    sample = samples(model, 1)[0]
    np.testing.assert_array_equal(run(result, sample)[0], run(behind, sample)[0])


def test_a_tensor_that_floats_read_too_is_rounded_behind_it():
    b = Builder([1, 3, 48, 48])
    pooled = padded_and_pooled(b, b.op("Tanh", "image"))
    result = quantized(b.build(b.conv(pooled, 3, 3), b.op("Sin", pooled)))
    assert [name for name, _ in pairs(result)][:1] == ["pool_out"]
    sine = next(node for node in result.graph if node.op_type == "Sin")
    assert sine.inputs[0].producer().op_type == "MaxPool"


def test_parts_of_a_concatenation_are_rounded_to_its_scale():
    b = Builder([1, 3, 48, 48])
    parts = b.op("Tanh", "image"), b.op("Relu", b.conv("image", 3, 5))
    model = b.build(b.conv(b.op("Concat", *parts, axis=1, name="cat"), 8, 3))
    result = quantized(model)
    scales = dict(pairs(result))
    assert scales["Tanh_0_out"] == scales["Relu_2_out_DequantizeLinear_Output"] == "cat_out_scale"
    assert "cat_out" not in scales
    sample = samples(model, 1)[0]
    assert decibels(run(model, sample)[0], run(result, sample)[0]) > 25


def test_averages_are_rounded_in_front_and_behind_to_one_scale():
    b = Builder([1, 3, 48, 48])
    x = b.op("AveragePool", b.op("Tanh", "image"), kernel_shape=[2, 2], strides=[2, 2], name="pool")
    result = quantized(b.build(b.conv(x, 3, 3)))
    assert pairs(result)[:2] == [("Tanh_0_out", "Tanh_0_out_scale"), ("pool_out", "Tanh_0_out_scale")]


@pytest.mark.parametrize(
    "op_type, attributes, moves",
    [
        ("Pad", {"mode": "edge"}, True),
        ("Pad", {}, True),
        ("Resize", {"mode": "nearest"}, True),
        ("Resize", {"mode": "linear"}, True),
        ("Resize", {"mode": "cubic"}, False),
        ("AveragePool", {"kernel_shape": [2, 2]}, True),
        ("Sigmoid", {}, False),
    ],
)
def test_range_source(op_type, attributes, moves):
    b = Builder([1, 3, 8, 8])
    extra = {
        "Pad": [b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))],
        "Resize": ["", b.constant(np.ones(4, np.float32))],
    }
    model = b.build(b.op(op_type, "image", *extra.get(op_type, []), **attributes))
    assert (range_source(model.graph.outputs[0]) is model.graph.inputs[0]) == moves


def test_padding_with_a_value_does_not_keep_the_range():
    b = Builder([1, 3, 8, 8])
    pads, value = b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), b.constant(np.float32(5))
    model = b.build(b.op("Pad", "image", pads, value))
    assert range_source(model.graph.outputs[0]) is model.graph.outputs[0]


def test_a_shared_weight_gets_a_scale_for_each_reader():
    b = Builder([1, 3, 48, 48])
    weight, bias = (
        b.constant(b.random.normal(0, 1, (3, 3, 1, 1)).astype(np.float32)),
        b.constant(np.ones(3, np.float32)),
    )
    model = b.build(b.op("Conv", b.op("Conv", "image", weight, bias), weight, bias))
    result = quantized(model)
    sample = samples(model, 1)[0]
    assert decibels(run(model, sample)[0], run(result, sample)[0]) > 30
    first = next(node for node in convolutions(model))
    half = quantized(model, [first.name])  # the float one keeps the float weight
    assert decibels(run(model, sample)[0], run(half, sample)[0]) > 30


def test_grouped_conv_transpose_takes_one_weight_scale():
    b = Builder([1, 4, 12, 12])
    model = b.build(b.conv_transpose("image", 4, 6, group=2))
    result = insert_qdq(model, ["ConvTranspose_0"], {"image": (0.0, 1.0), "ConvTranspose_0_out": (-6.0, 6.0)})
    sample = {"image": np.random.default_rng(0).random((1, 4, 12, 12), np.float32)}
    assert decibels(run(model, sample)[0], run(result, sample)[0]) > 30


def test_what_cannot_be_quantized_says_why():
    b = Builder([1, 3, 8, 8])
    weight = b.op("Relu", b.constant(np.ones((3, 3, 1, 1), np.float32)))
    outputs = [b.op("Relu", "image"), b.op("Conv", "image", weight)]
    constant = b.constant(np.ones((1, 3, 8, 8), np.float32))
    outputs.append(b.conv(constant, 3, 3))
    model = b.build(*outputs)
    reasons = [why_not(node) for node in model.graph if node.name[:4] in ("Conv", "Relu")]
    assert reasons == ["not a convolution", "not a convolution", "its weight is not constant", "its input is constant"]


def test_names_are_made_unique():
    model = style_net()
    for node in model.graph:
        node.name = "same" if node.op_type == "Conv" else ""
    name_nodes(model.graph)
    names = [node.name for node in model.graph]
    assert len(set(names)) == len(names)
    assert all(names)


def joined():
    """Two convolutions, resized and joined, in front of a third."""
    b = Builder([1, 3, 48, 48])
    parts = [b.op("Relu", b.conv("image", 3, 4)) for _ in range(2)]
    return b.build(b.conv(b.op("Concat", *parts, axis=1), 8, 3))


def test_closed_pairs_stand_in_front_of_every_convolution_and_change_nothing():
    model = joined()
    names = [node.name for node in convolutions(model)]
    plain, closed = insert_qdq(model, names, spans(model)), insert_qdq(model, names, spans(model), closed=True)

    def sources(graph):
        return [node.inputs[0].producer().op_type for node in graph.graph if node.op_type == "Conv"]

    assert "Concat" in sources(plain)
    assert set(sources(closed)) == {"DequantizeLinear"}
    last = next(node for node in closed.graph if node.op_type == "Conv" and node.name == names[-1])
    before = next(node for node in closed.graph if node.op_type == "Concat").outputs[0]
    closed.graph.outputs[:] = [before, last.inputs[0]]
    options = onnxruntime.SessionOptions()  # optimized, ONNX Runtime makes one pair of two
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(ir.to_proto(closed).SerializeToString(), options)
    for sample in samples(model, 2, "verification"):
        np.testing.assert_array_equal(*session.run(None, sample))


def test_open_ended_convolutions_read_bytes_and_give_floats():
    model = joined()
    nodes = convolutions(model)
    made = insert_qdq(model, [node.name for node in nodes], spans(model), [nodes[-1].name])
    last = next(node for node in made.graph if node.name == nodes[-1].name)
    assert last.inputs[1].producer().op_type == "DequantizeLinear"
    assert last.outputs[0].is_graph_output()
    first = next(node for node in made.graph if node.name == nodes[0].name)
    assert not first.outputs[0].is_graph_output()
    assert first.outputs[0].consumers()[0].outputs[0].consumers()[0].op_type == "QuantizeLinear"
