"""Small graphs with random weights, and what runs them."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import helper, numpy_helper

from validate.photos import default_photos, photo_samples
from validate.ports import Port


class Builder:
    """Collects nodes; ``op`` gives the name of the one output it adds."""

    def __init__(self, shape, seed=0):
        self.random = np.random.default_rng(seed)
        self.inputs = [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)]
        self.nodes, self.initializers = [], []

    def constant(self, array):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, op_type, *inputs, name=None, **attributes):
        name = name or f"{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [f"{name}_out"], name, **attributes))
        return f"{name}_out"

    def conv(self, x, cin, cout, kernel=3, spread=0.0, bias=True, **attributes):
        """A Conv; with ``spread``, output channels differ in scale and offset by factors of up to e**spread."""
        scales = np.exp(self.random.uniform(-spread, spread, cout)) if spread else np.ones(cout)
        groups = attributes.get("group", 1)
        weight = self.random.normal(0, (cin // groups * kernel**2) ** -0.5, (cout, cin // groups, kernel, kernel))
        inputs = [x, self.constant((weight * scales[:, None, None, None]).astype(np.float32))]
        if bias:
            inputs.append(self.constant((self.random.normal(0, 0.3, cout) * scales).astype(np.float32)))
        attributes.setdefault("pads", [kernel // 2] * 4)
        return self.op("Conv", *inputs, **attributes)

    def conv_transpose(self, x, cin, cout, group=1):
        weight = self.random.normal(0, (cin / group * 9) ** -0.5 * 2, (cin, cout // group, 3, 3)).astype(np.float32)
        bias = self.random.normal(0, 0.1, cout).astype(np.float32)
        spread = {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1], "group": group}
        return self.op("ConvTranspose", x, self.constant(weight), self.constant(bias), **spread)

    def norm(self, x, channels, epsilon=1e-5):
        scale = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        shift = self.constant(self.random.normal(0, 0.2, channels).astype(np.float32))
        return self.op("InstanceNormalization", x, scale, shift, epsilon=epsilon)

    def build(self, *outputs, opset=21):
        infos = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "graph", self.inputs, infos, self.initializers)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
        onnx.checker.check_model(proto, full_check=True)
        return ir.from_proto(proto)


def style_net(size=48, spread=1.5, epsilon=1e-5):
    """A style network in small: reflected padding, norms, a residual block, nearest upsampling; picture to picture."""
    b = Builder([1, 3, size, size])
    pads = b.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    x = b.op("Pad", "image", pads, mode="reflect")
    x = b.op("Relu", b.norm(b.conv(x, 3, 8, spread=spread, pads=[0] * 4), 8, epsilon))
    x = b.op("Relu", b.norm(b.conv(x, 8, 16, spread=spread, strides=[2, 2]), 16, epsilon))
    y = b.op("Relu", b.norm(b.conv(x, 16, 16, spread=spread), 16, epsilon))
    y = b.norm(b.conv(y, 16, 16, spread=spread), 16, epsilon)
    x = b.op("Add", x, y)
    scales = b.constant(np.array([1, 1, 2, 2], np.float32))
    x = b.op("Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    x = b.op("Relu", b.norm(b.conv(x, 16, 8, spread=spread), 8, epsilon))
    return b.build(b.op("Sigmoid", b.conv(x, 8, 3)))


def ports(model):
    """Its ports, as pictures in 0..1."""
    of = lambda value: Port(value.name, tuple(value.shape), (0.0, 1.0))  # noqa: E731
    return {"inputs": [of(v) for v in model.graph.inputs], "outputs": [of(v) for v in model.graph.outputs]}


def samples(model, count=4, use="calibration"):
    inputs = ports(model)["inputs"]
    return list(photo_samples(default_photos(count, inputs[0].shape[2:], use=use), inputs))


def run(model, sample):
    """The outputs of ``model`` in ONNX Runtime, its int8 kernels switched off."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    proto = model if isinstance(model, onnx.ModelProto) else ir.to_proto(model)
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, sample)


def decibels(expected, got):
    """PSNR against the expected tensor's own span."""
    error = np.mean(np.square(expected.astype(np.float64) - got))
    return np.inf if error == 0 else 10 * np.log10(np.square(np.ptp(expected)) / error)
