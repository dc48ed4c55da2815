import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.training.hubs import in_onnxruntime, in_torch, one_node, random_inputs
from training.hub_network import HubNetwork
from training.hub_rounding import BIAS_UNITS, NARROWEST, RoundedConstant, Scale, rounded, train_scales
from validate.errors import UnsupportedError

RANDOM = np.random.default_rng(0)
X = (1, 4, 6, 8)


def float32(*values):
    return np.array(values if len(values) > 1 else values[0], np.float32)


@pytest.mark.parametrize(
    ("scale", "zero_point", "axis"),
    [
        (float32(0.02), np.int8(3), None),
        (float32(0.02), np.uint8(120), None),
        (float32(0.001), np.int16(-100), None),
        (float32(0.01, 0.02, 0.05, 0.1), np.array([0, 3, -3, 9], np.int8), 1),
        (float32(0.01, 0.02, 0.05, 0.1, 0.2, 0.5), np.zeros(6, np.int8), 2),
    ],
)
def test_rounding_is_that_of_onnxruntime_clipping_and_all(scale, zero_point, axis):
    attributes = {} if axis is None else {"axis": axis}
    model = one_node("QuantizeLinear", [X, scale, zero_point], attributes)
    fed = [x * 2 for x in random_inputs(model)]
    expected, network = in_onnxruntime(model, fed)[0], HubNetwork(model)
    got = in_torch(network, fed)[0]
    np.testing.assert_array_equal(got, expected)
    assert np.ptp(expected.astype(int)) > 100
    limits = np.iinfo(zero_point.dtype)
    assert got.min() >= limits.min
    assert got.max() <= limits.max
    np.testing.assert_array_equal(in_onnxruntime(network.to_model(), fed)[0], expected)


def test_halves_go_to_even():
    assert rounded(torch.tensor([0.5, 1.5, 2.5, -0.5])).tolist() == [0, 2, 2, 0]


@pytest.mark.parametrize(("dtype", "axis"), [(np.int8, 0), (np.int8, None), (np.uint8, 1), (np.int32, 0)])
def test_a_rounded_constant_is_read_as_onnxruntime_reads_it_and_written_back(dtype, axis):
    array = RANDOM.integers(0 if dtype == np.uint8 else -100, 100, (4, 3, 3, 3)).astype(dtype)
    count = 1 if axis is None else array.shape[axis]
    scale = (RANDOM.random(count) + 0.1).astype(np.float32) if axis is not None else np.float32(0.1)
    zero_point = np.zeros_like(scale, dtype) + dtype(0 if dtype == np.int32 else 7)
    inputs = [array, scale, zero_point]
    network = HubNetwork(one_node("DequantizeLinear", inputs, {} if axis is None else {"axis": axis}))
    np.testing.assert_allclose(in_torch(network, [])[0], in_onnxruntime(network.to_model(), [])[0], rtol=1e-6)
    written = network.to_model().graph.node(0).inputs[0].const_value.numpy()
    assert written.dtype == dtype
    np.testing.assert_array_equal(written, array)


def test_dynamic_rounding_is_that_of_onnxruntime_row_by_row():
    model = one_node("DynamicQuantizeLinear", [X], outputs=3)
    network, fed = HubNetwork(model), random_inputs(model)
    for got, expected in zip(in_torch(network, fed), in_onnxruntime(model, fed), strict=True):
        np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-6)
    rows = np.concatenate([fed[0], 3 * fed[0] + 1])
    together = in_torch(network, [rows])
    for index in (0, 1):
        for got, expected in zip(together, in_onnxruntime(model, [rows[index : index + 1]]), strict=True):
            np.testing.assert_allclose(
                got[index].reshape(expected.shape[1:]),
                np.squeeze(expected, 0) if expected.ndim else expected,
                rtol=1e-6,
            )


def test_scales_of_blocks_are_refused():
    scales = np.ones((2, 6, 1, 1), np.float32)
    with pytest.raises(UnsupportedError, match="has scales of blocks"):
        HubNetwork(one_node("DequantizeLinear", [np.ones((4, 6, 1, 1), np.int8), scales], {"block_size": 2, "axis": 0}))


def test_weights_that_leave_their_lowest_number_out_go_on_doing_so():
    network = HubNetwork(one_node("DequantizeLinear", [np.array([-127, 100], np.int8), np.float32(1), np.int8(0)]))
    (module,) = network.nodes
    with torch.no_grad():
        module.steps.copy_(torch.tensor([-300.0, 300.0]))
    assert module.held[0].tolist() == [-127, 127]
    assert in_torch(network, [])[0].tolist() == [-127, 127]


def quantized_pair(per_channel=True):
    """image, rounded → Conv of int8 weights → rounded → Conv of int8 weights → rounded twice in one scale."""
    constants, nodes, random = [], [], np.random.default_rng(0)

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(op_type, inputs, output, **attributes):
        nodes.append(helper.make_node(op_type, inputs, [output], name=f"node_{output}", **attributes))
        return output

    def pair(x, scale, zero_point, source):
        if not any(c.name == f"{source}_s" for c in constants):
            constant(f"{source}_s", np.float32(scale))
            constant(f"{source}_z", np.int8(zero_point))
        q = node("QuantizeLinear", [x, f"{source}_s", f"{source}_z"], f"{x}_q")
        return node("DequantizeLinear", [q, f"{source}_s", f"{source}_z"], f"{x}_dq")

    def conv(x, name, inputs, outputs, scale):
        scales = (0.004 * (1 + random.random(outputs))).astype(np.float32) if per_channel else np.float32(0.005)
        attributes = {"axis": 0} if per_channel else {}
        zeros = np.zeros_like(scales, np.int8)
        weight = random.integers(-127, 128, (outputs, inputs, 3, 3)).astype(np.int8)
        given = [constant(f"{name}_w", weight), constant(f"{name}_ws", scales), constant(f"{name}_wz", zeros)]
        read = [x, node("DequantizeLinear", given, f"{name}_wdq", **attributes)]
        numbers = random.integers(-9000, 9000, outputs).astype(np.int32)
        bias_scales = (scales.astype(np.float64) * np.float64(np.float32(scale))).astype(np.float32)
        given = [constant(f"{name}_b", numbers), constant(f"{name}_bs", bias_scales)]
        read.append(node("DequantizeLinear", given, f"{name}_bdq", **attributes))
        return node("Conv", read, name, pads=[1] * 4)

    x = pair("image", 1 / 255, -128, "image")
    x = pair(node("Relu", [conv(x, "first", 3, 5, 1 / 255)], "relu"), 0.02, -128, "relu")
    x = pair(conv(x, "second", 5, 3, 0.02), 0.05, 0, "second")
    x = node("Mul", [pair(node("Neg", [x], "neg"), 0, 0, "second"), constant("gain", np.float32(0.5))], "painting")
    graph = helper.make_graph(
        nodes,
        "pair",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 6, 8))],
        [onnx.ValueInfoProto(name=x)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True))


def scale_of(model, output):
    return next(node for node in model.graph if node.outputs[0].name == output).inputs[1].const_value.numpy()


def factor(stretch):
    return NARROWEST + (1 - NARROWEST) * np.exp(stretch / (1 - NARROWEST))


PICTURE = np.random.default_rng(3).random((1, 3, 6, 8), np.float32)


def test_scales_of_activations_are_trained_and_shared_and_those_of_ports_stay():
    network = HubNetwork(quantized_pair())
    parameters = train_scales(network.graph_nodes())
    assert len(parameters) == 2
    holders = [p for m in network.modules() for p in m.parameters(recurse=False)]
    assert [sum(p is parameter for p in holders) for parameter in parameters] == [2, 4]
    unchanged = in_torch(network, [PICTURE])[0]
    np.testing.assert_allclose(unchanged, in_onnxruntime(quantized_pair(), [PICTURE])[0], atol=1e-6)


@pytest.mark.parametrize("per_channel", [True, False])
def test_what_was_trained_is_written_as_onnxruntime_reads_it(per_channel):
    network = HubNetwork(quantized_pair(per_channel=per_channel))
    relu, second = train_scales(network.graph_nodes())
    torch.manual_seed(0)
    with torch.no_grad():
        relu.fill_(0.2)
        second.fill_(-0.3)
        for module in network.modules():
            if isinstance(module, RoundedConstant):
                module.steps.add_(torch.randn(module.steps.shape))
    model = network.to_model()
    np.testing.assert_allclose(scale_of(model, "relu_q"), 0.02 * factor(0.2), rtol=1e-6)
    assert scale_of(model, "image_q") == np.float32(1 / 255)
    for output in ("second_q", "second_dq", "neg_q", "neg_dq"):
        np.testing.assert_allclose(scale_of(model, output), 0.05 * factor(-0.3), rtol=1e-6)
    for name, read in (("first", np.float32(1 / 255)), ("second", scale_of(model, "relu_q"))):
        product = (scale_of(model, f"{name}_wdq").astype(np.float64) * np.float64(read)).astype(np.float32)
        np.testing.assert_array_equal(scale_of(model, f"{name}_bdq"), product)
    expected = in_onnxruntime(model, [PICTURE])[0]
    # What lies on the border of two steps may fall to either side: the bias is not rounded in torch.
    assert np.mean(np.abs(in_torch(network, [PICTURE])[0] - expected) > 1e-5) < 0.05
    assert np.mean(np.abs(in_torch(HubNetwork(quantized_pair(per_channel)), [PICTURE])[0] - expected) > 1e-5) > 0.5


def test_gradients_pass_what_is_rounded_and_stop_at_what_is_clipped():
    network = HubNetwork(one_node("QuantizeLinear", [(1, 4), np.float32(0.1), np.int8(0)]))
    x = torch.tensor([[0.03, -1.0, 40.0, -40.0]], requires_grad=True)
    network(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[10.0, 10.0, 0.0, 0.0]]))


def test_the_gradient_of_a_scale_is_the_error_of_rounding_or_the_end_of_the_range():
    """Of (q - z) s with respect to log s: s (round(x/s) - x/s) inside, s (end - z) outside (LSQ, equation 3)."""
    network = HubNetwork(quantized_pair())
    (stretch, _) = train_scales(network.graph_nodes())
    relu, dequantize = (
        next(m for node, m in network.graph_nodes() if node.name == f"node_relu_{kind}") for kind in ("q", "dq")
    )
    x = torch.tensor([0.033, 0.047, 9.0, -3.0])
    scale = relu.scale().item()
    for value in x:
        (gradient,) = torch.autograd.grad(dequantize(relu(value)), stretch)
        steps = value.item() / scale
        expected = scale * (np.clip(np.round(steps), 0, 255) - (steps if 0 <= steps <= 255 else 0))
        assert gradient.item() == pytest.approx(expected, abs=1e-5)


def test_a_range_grows_freely_and_narrows_in_part():
    scale = Scale(torch.tensor(0.5), ())
    assert (scale().item(), scale.held) == (0.5, {})
    scale.stretch = torch.nn.Parameter(torch.zeros(()))
    (slope,) = torch.autograd.grad(scale(), scale.stretch)
    assert (scale().item(), slope.item()) == pytest.approx((0.5, 0.5))
    for stretch, expected in ((-9, NARROWEST), (1, factor(1))):
        torch.nn.init.constant_(scale.stretch, stretch)
        assert scale().item() == pytest.approx(0.5 * expected)


def test_a_bias_moves_in_units_of_many_steps():
    network = HubNetwork(one_node("DequantizeLinear", [np.array([1000, -5], np.int32), np.float32(0.5)]))
    (module,) = network.nodes
    with torch.no_grad():
        module.steps.add_(1)
    assert module.held[0].tolist() == [1000 + BIAS_UNITS, BIAS_UNITS - 5]
