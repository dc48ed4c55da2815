"""Activations: one kernel where TFLite has it, an exact formula elsewhere; folded into the producer where it can be."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported

# Clip ranges that have a kernel and a fused form of their own. RELU_0_TO_1 has no fused form.
CLIP_KERNELS = {(0.0, math.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1", (0.0, 1.0): "RELU_0_TO_1"}
FUSED = {"RELU", "RELU6", "RELU_N1_TO_1"}
# tanh(log(1 + exp(10))) is 1 to the last bit, and exp(10) fits the half precision of GPU delegates.
MISH_LIMIT = 10.0


def source(context: Lowering, node: ir.Node) -> Tensor:
    """The tensor of the node's first input, in the order in which it lies."""
    return context.place(node.inputs[0]).tensor


def result(context: Lowering, node: ir.Node, y: Tensor) -> None:
    """Binds the output of a node that works element by element."""
    context.bind(node.outputs[0], y, context.place(node.inputs[0]).perm)


def activate(context: Lowering, node: ir.Node, code: str) -> None:
    """Writes the activation, or folds it into the operation in front if nothing else reads that one's output."""
    x = source(context, node)
    value = node.inputs[0]
    alone = len(value.uses()) == 1 and not value.is_graph_output()
    y = x if code in FUSED and alone and context.builder.fuse_activation(x, code) else Formula(context).unary(code, x)
    result(context, node, y)


@lowering("Relu", 14)
def relu(context: Lowering, node: ir.Node) -> None:
    """``max(x, 0)``."""
    x, f = source(context, node), Formula(context)
    if x.dtype == np.float32:
        activate(context, node, "RELU")
    else:
        result(context, node, f.widened(lambda t: f.maximum(t, 0), x))


@lowering("Sigmoid", 13)
def sigmoid(context: Lowering, node: ir.Node) -> None:
    """``1 / (1 + exp(-x))``."""
    activate(context, node, "LOGISTIC")


@lowering("Tanh", 13)
def tanh(context: Lowering, node: ir.Node) -> None:
    """Hyperbolic tangent."""
    activate(context, node, "TANH")


@lowering("HardSwish", 14)
def hard_swish(context: Lowering, node: ir.Node) -> None:
    """``x * clip(x / 6 + 1/2, 0, 1)``."""
    activate(context, node, "HARD_SWISH")


@lowering("Clip", 13)
def clip(context: Lowering, node: ir.Node) -> None:
    """``min(max(x, low), high)``; either bound may be left out or come at run time."""
    x, f = source(context, node), Formula(context)
    low, high = (_bound(context, node, index) for index in (1, 2))
    if x.dtype == np.float32 and not isinstance(low, Tensor) and not isinstance(high, Tensor):
        code = CLIP_KERNELS.get((-math.inf if low is None else float(low), math.inf if high is None else float(high)))
        if code is not None:
            activate(context, node, code)
            return

    def clipped(t: Tensor) -> Tensor:
        for bound, limit in ((low, f.maximum), (high, f.minimum)):
            if bound is not None:
                t = limit(t, f.cast(bound, t.dtype) if isinstance(bound, Tensor) else bound.item())
        return t

    result(context, node, f.widened(clipped, x))


def _bound(context: Lowering, node: ir.Node, index: int) -> Tensor | np.generic | None:
    """A bound of Clip: a number, a scalar tensor, or None where it clips nothing."""
    value = context.input(node, index)
    if value is None:
        return None
    array = context.constant(value)
    if array is None:
        return context.reshape(context.plain(value), ())
    number = array.reshape(-1)[0]
    limits = np.finfo(array.dtype) if array.dtype == np.float32 else np.iinfo(array.dtype)
    beyond = number <= limits.min if index == 1 else number >= limits.max
    return None if beyond else number


@lowering("LeakyRelu", 16)
def leaky_relu(context: Lowering, node: ir.Node) -> None:
    """``x`` above zero, ``alpha * x`` below."""
    alpha = context.attribute(node, "alpha", 0.01)
    result(context, node, Formula(context).unary("LEAKY_RELU", source(context, node), alpha=alpha))


@lowering("PRelu", 16)
def prelu(context: Lowering, node: ir.Node) -> None:
    """``x`` above zero, ``slope * x`` below; PRELU for one slope a channel.

    Elsewhere ``relu(x) - slope * relu(-x)``, of whole numbers a choice.
    """
    x, slope = node.inputs
    placed, array = context.place(x), context.constant(slope)
    f = Formula(context)
    is_float = placed.tensor.dtype == np.float32
    if array is not None and placed.tensor.rank == 4 and is_float:
        laid = context.broadcast_constant(array, placed.perm).data
        if laid.ndim <= 1:
            channels = placed.tensor.shape[3]
            alpha = context.builder.constant(np.broadcast_to(laid, (1, 1, channels)))
            y = context.builder.emit("PRELU", [placed.tensor, alpha], placed.tensor.shape)
            context.bind(node.outputs[0], y, placed.perm)
            return

    def formula(t: Tensor, s: Tensor) -> Tensor:
        if not is_float:
            return f.select(f.less(t, 0), f.mul(t, s), t)
        return f.sub(f.unary("RELU", t), f.mul(s, f.unary("RELU", f.neg(t))))

    tensors, perm = context.broadcast([x, slope])
    context.bind(node.outputs[0], f.widened(formula, *tensors), perm)


@lowering("Elu", 6)
def elu(context: Lowering, node: ir.Node) -> None:
    """``x`` above zero, ``alpha * (exp(x) - 1)`` below."""
    x = source(context, node)
    result(context, node, _elu(Formula(context), x, context.attribute(node, "alpha", 1.0), 1.0))


@lowering("Selu", 6)
def selu(context: Lowering, node: ir.Node) -> None:
    """``gamma`` times Elu."""
    alpha = context.attribute(node, "alpha", 1.67326319217681884765625)
    gamma = context.attribute(node, "gamma", 1.05070102214813232421875)
    result(context, node, _elu(Formula(context), source(context, node), alpha, gamma))


@lowering("Celu", 12)
def celu(context: Lowering, node: ir.Node) -> None:
    """``x`` above zero, ``alpha * (exp(x / alpha) - 1)`` below."""
    f, x = Formula(context), source(context, node)
    alpha = context.attribute(node, "alpha", 1.0)
    if alpha <= 0:
        raise unsupported(node, f"its alpha is {alpha:g}; Celu is continuous only for a positive one.")
    below = f.unary("ELU", f.mul(f.minimum(x, 0.0), 1.0 / alpha))
    result(context, node, f.add(f.unary("RELU", x), f.mul(below, float(alpha))))


def _elu(f: Formula, x: Tensor, alpha: float, gamma: float) -> Tensor:
    """TFLite's ELU has alpha 1, so below zero it is scaled: ``gamma * relu(x) + gamma * alpha * elu(min(x, 0))``."""
    if (alpha, gamma) == (1.0, 1.0):
        return f.unary("ELU", x)
    below = f.mul(f.unary("ELU", f.minimum(x, 0.0)), float(gamma * alpha))
    return f.add(f.mul(f.unary("RELU", x), float(gamma)), below)


@lowering("ThresholdedRelu", 10)
def thresholded_relu(context: Lowering, node: ir.Node) -> None:
    """``x`` above ``alpha``, zero elsewhere."""
    f, x = Formula(context), source(context, node)
    above = f.binary("GREATER", x, context.attribute(node, "alpha", 1.0), dtype=np.bool_)
    zero = f.tensor(0.0)
    result(context, node, context.builder.emit("SELECT_V2", [above, x, zero], x.shape))


@lowering("HardSigmoid", 6)
def hard_sigmoid(context: Lowering, node: ir.Node) -> None:
    """``clip(alpha * x + beta, 0, 1)`` as ``relu6(6 alpha x + 6 beta) / 6``, whose clipping is fused into the ADD."""
    alpha = context.attribute(node, "alpha", 0.2)
    beta = context.attribute(node, "beta", 0.5)
    f, x = Formula(context), source(context, node)
    slope = 1.0 if alpha == np.float32(1 / 6) else 6.0 * alpha
    y = f.add(f.mul(x, slope), float(6.0 * beta))
    y.producer.options["fusedActivationFunction"] = "RELU6"
    result(context, node, f.mul(y, 1.0 / 6.0))


@lowering("Softplus", 1)
def softplus(context: Lowering, node: ir.Node) -> None:
    """``log(1 + exp(x))`` as ``max(x, 0) + log(1 + exp(-|x|))``, which does not overflow."""
    f, x = Formula(context), source(context, node)
    tail = f.unary("LOG", f.add(f.unary("EXP", f.unary("NEG", f.unary("ABS", x))), 1.0))
    result(context, node, f.add(f.unary("RELU", x), tail))


@lowering("Softsign", 1)
def softsign(context: Lowering, node: ir.Node) -> None:
    """``x / (1 + |x|)``."""
    f, x = Formula(context), source(context, node)
    result(context, node, f.div(x, f.add(f.unary("ABS", x), 1.0)))


@lowering("Mish", 18)
def mish(context: Lowering, node: ir.Node) -> None:
    """``x * tanh(log(1 + exp(min(x, 10))))``, right to 3e-7 of the largest ``|x|``.

    ``x * n / (n + 2)`` with ``n = e (e + 2)``, ``e = exp(x)``, is the same, but takes 1.2 to 1.4 times as long.
    """
    f, x = Formula(context), source(context, node)
    e = f.unary("EXP", f.minimum(x, MISH_LIMIT))
    result(context, node, f.mul(x, f.unary("TANH", f.unary("LOG", f.add(e, 1.0)))))


@lowering("Gelu", 20)
def gelu(context: Lowering, node: ir.Node) -> None:
    """``x * Phi(x)``, exact or in the tanh form."""
    form = context.attribute(node, "approximate", "none")
    if form not in ("none", "tanh"):
        raise unsupported(node, f"approximation '{form}' is not defined.")
    y = Formula(context).unary("GELU", source(context, node), approximate=form == "tanh")
    result(context, node, y)
