"""Small hubs to train: graphs of one node, and a network with everything that pruning has to follow."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import TensorProto, helper, numpy_helper

from export.hub import load_hub
from training.hub_network import HubNetwork
from validate.sessions import cpu_session

STYLES = ("calm", "wild")


def one_node(op_type: str, inputs: list, attributes: dict | None = None, outputs: int = 1) -> ir.Model:
    """A graph of one node; tuples among ``inputs`` are shapes of graph inputs, arrays constants, None is left out."""
    names, values, constants = [], [], []
    for index, given in enumerate(inputs):
        names.append("" if given is None else f"x{index}")
        if isinstance(given, tuple):
            values.append(helper.make_tensor_value_info(f"x{index}", TensorProto.FLOAT, given))
        elif given is not None:
            constants.append(numpy_helper.from_array(np.asarray(given), f"x{index}"))
    results = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(op_type, names, results, name="node", **(attributes or {}))
    given = [onnx.ValueInfoProto(name=name) for name in results]
    graph = helper.make_graph([node], "one", values, given, constants)
    return _inferred(graph)


def _inferred(graph: onnx.GraphProto) -> ir.Model:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True))


def random_inputs(model: ir.Model, seed: int = 0) -> list[np.ndarray]:
    """Normally distributed numbers for each input."""
    random = np.random.default_rng(seed)
    return [random.normal(size=tuple(value.shape)).astype(np.float32) for value in model.graph.inputs]


def in_onnxruntime(model: ir.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What ONNX Runtime makes of ``inputs``, rounding where the graph says so."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = cpu_session(ir.to_proto(model).SerializeToString(), options)
    return session.run(None, {value.name: x for value, x in zip(session.get_inputs(), inputs, strict=True)})


def in_torch(network: HubNetwork, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What the network makes of ``inputs``."""
    with torch.no_grad():
        results = network(*(torch.from_numpy(x) for x in inputs))
    return [r.numpy() for r in (results if isinstance(results, tuple) else (results,))]


def painter(path, side: int = 32, twins: bool = False, wide: int = 16, shuffled: bool = False):
    """A hub with skips, a residual sum, depthwise convolutions, a gate and conditional norms of two styles.

    With ``twins``, the second half of the first convolution's channels doubles the first half, norms, depthwise
    convolutions and all.
    With ``shuffled``, channels become pixels on the way up.
    """
    random = np.random.default_rng(0)
    nodes, constants = [], []

    def constant(name: str, array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(op_type: str, inputs: list[str], name: str, **attributes) -> str:
        nodes.append(helper.make_node(op_type, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def conv(x: str, name: str, shape: tuple[int, ...], bias: bool = True, **attributes) -> str:
        weight = random.normal(size=shape).astype(np.float32) / np.sqrt(np.prod(shape[1:]))
        if twins and name in ("first", "depthwise", "over"):
            weight[-wide // 2 :] = weight[-wide : -wide // 2]
        inputs = [x, constant(f"{name}_w", weight.astype(np.float32))]
        if bias:
            inputs.append(constant(f"{name}_b", (0.1 * random.normal(size=shape[0])).astype(np.float32)))
        edge = shape[2] // 2
        return node("Conv", inputs, name, pads=[edge] * 4, kernel_shape=list(shape[2:]), **attributes)

    def norm(x: str, name: str, channels: int) -> str:
        ones = constant(f"{name}_1", np.ones(channels, np.float32))
        zeros = constant(f"{name}_0", np.zeros(channels, np.float32))
        y = node("InstanceNormalization", [x, ones, zeros], f"{name}_n", epsilon=1e-3)
        for what, op_type in (("scale", "Mul"), ("shift", "Add")):
            table = (random.normal(size=(2, channels)) * 0.3 + (what == "scale")).astype(np.float32)
            if twins and name == "norm1":
                table[:, wide // 2 :] = table[:, : wide // 2]
            row = node("MatMul", ["style", constant(f"{name}_{what}_t", table)], f"{name}_{what}_r")
            axes = constant(f"{name}_{what}_axes", np.array([2, 3], np.int64))
            y = node(op_type, [y, node("Unsqueeze", [row, axes], f"{name}_{what}_u")], f"{name}_{what}")
        return y

    x = node("Sub", ["image", constant("mean", np.full((3, 1, 1), 0.5, np.float32))], "centered")
    skip = node("Relu", [norm(conv(x, "first", (wide, 3, 3, 3), bias=False), "norm1", wide)], "skip")
    down = conv(skip, "depthwise", (wide, 1, 3, 3), bias=False, group=wide, strides=[2, 2])
    x = node("Relu", [norm(conv(down, "second", (24, wide, 1, 1), bias=False), "norm2", 24)], "half")
    inner = node("HardSwish", [conv(x, "inner", (20, 24, 3, 3))], "inner_a")
    pooled = node("ReduceMean", [inner, constant("axes", np.array([2, 3], np.int64))], "pooled", keepdims=1)
    gate = node("HardSigmoid", [conv(pooled, "gate", (20, 20, 1, 1))], "gate_a", alpha=1 / 6, beta=0.5)
    inner = node("Mul", [inner, gate], "gated")
    x = node("Add", [x, conv(inner, "outer", (24, 20, 1, 1))], "sum")
    if shuffled:
        up = node("DepthToSpace", [conv(x, "narrow", (32, 24, 1, 1))], "up", blocksize=2)
    else:
        scales = constant("scales", np.array([1, 1, 2, 2], np.float32))
        up = node("Resize", [conv(x, "narrow", (8, 24, 1, 1)), "", scales], "up", mode="linear")
    x = node("Concat", [up, skip], "joined", axis=1)
    x = conv(x, "over", (8 + wide, 1, 3, 3), group=8 + wide)
    x = node("Relu", [conv(x, "join", (16, 8 + wide, 1, 1))], "join_a")
    node("Sigmoid", [conv(x, "paint", (3, 16, 3, 3))], "painting")
    graph = helper.make_graph(
        nodes,
        "painter",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, side, side)),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, (1, 2)),
        ],
        [helper.make_tensor_value_info("painting", TensorProto.FLOAT, (1, 3, side, side))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(model, {"brushport": '{"styles": ["calm", "wild"], "value_range": [0, 1]}'})
    onnx.save(model, path)
    return load_hub(path, check=False)
