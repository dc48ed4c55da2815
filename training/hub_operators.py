"""The hub's operators as torch modules, one factory for each operator, found by its name.

A factory takes the ONNX node and returns a module that is called with the node's inputs in order, None for those
that the module holds itself (or that the node leaves out). A module's ``held`` maps the positions of the inputs
it trains to their tensors, in ONNX's layout, so that they can be written back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F
from torch import nn

from validate.errors import UnsupportedError

Factory = Callable[[ir.Node], nn.Module]
_FACTORIES: dict[str, Factory] = {}


def operator(*op_types: str) -> Callable[[Factory], Factory]:
    """Decorator: the function makes the module of each of these operators."""

    def register(factory: Factory) -> Factory:
        for op_type in op_types:
            if op_type in _FACTORIES:
                raise ValueError(f"{op_type} has two factories.")
            _FACTORIES[op_type] = factory
        return factory

    return register


def module_of(node: ir.Node) -> nn.Module:
    """The module that computes ``node``; raises :class:`UnsupportedError` for one that cannot be trained here."""
    factory = _FACTORIES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if factory is None:
        raise refused(node, "is not among the operators that can be trained")
    return factory(node)


def refused(node: ir.Node, why: str) -> UnsupportedError:
    """The error for a node that has no torch counterpart."""
    shapes = [None if value is None else str(value.shape) for value in node.inputs]
    return UnsupportedError(
        f"The {node.op_type} node '{node.name}' with inputs of {', '.join(map(str, shapes))} {why}: "
        "export the model without --prune and --learn."
    )


def constant(node: ir.Node, index: int) -> np.ndarray | None:
    """The constant at input ``index``; None where there is none or it is computed."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None or not value.is_initializer() or value.const_value is None:
        return None
    return value.const_value.numpy()


def required(node: ir.Node, index: int) -> np.ndarray:
    """The constant at input ``index``; raises :class:`UnsupportedError` where it is computed."""
    found = constant(node, index)
    if found is None:
        raise refused(node, f"computes its input {index}")
    return found


def attribute(node: ir.Node, name: str, default=None):
    """The value of an attribute; lists as tuples."""
    found = node.attributes.get(name)
    if found is None:
        return default
    return tuple(found.value) if isinstance(found.value, list | tuple) else found.value


class Apply(nn.Module):
    """A function of the inputs, with nothing to train."""

    def __init__(self, function: Callable[..., torch.Tensor]):
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor | None) -> torch.Tensor:
        """The function of the inputs."""
        return self.function(*inputs)


_UNARY = {
    "Relu": F.relu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "HardSwish": F.hardswish,
    "Softplus": F.softplus,
    "Mish": F.mish,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Erf": torch.erf,
    "Reciprocal": torch.reciprocal,
    "Identity": lambda x: x,
}


@operator(*_UNARY)
def unary(node: ir.Node) -> nn.Module:
    """Functions of one tensor, without attributes."""
    return Apply(_UNARY[node.op_type])


@operator("HardSigmoid")
def hard_sigmoid(node: ir.Node) -> nn.Module:
    """max(0, min(1, alpha x + beta))."""
    alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
    return Apply(lambda x: (x * alpha + beta).clamp(0, 1))


@operator("LeakyRelu")
def leaky_relu(node: ir.Node) -> nn.Module:
    """x, or alpha x under zero."""
    alpha = attribute(node, "alpha", 0.01)
    return Apply(lambda x: F.leaky_relu(x, alpha))


@operator("Elu")
def elu(node: ir.Node) -> nn.Module:
    """x, or alpha (exp(x) - 1) under zero."""
    alpha = attribute(node, "alpha", 1.0)
    return Apply(lambda x: F.elu(x, alpha))


@operator("Gelu")
def gelu(node: ir.Node) -> nn.Module:
    """x times the normal distribution's function at x."""
    approximate = attribute(node, "approximate", "none")
    return Apply(lambda x: F.gelu(x, approximate=approximate))


@operator("Clip")
def clip(node: ir.Node) -> nn.Module:
    """Between two constants, of which either may be left out."""
    bounds = []
    for index in (1, 2):
        left_out = len(node.inputs) <= index or node.inputs[index] is None
        bounds.append(None if left_out else float(required(node, index).reshape(())))
    low, high = bounds
    return Apply(lambda x, *_: x if low is high is None else x.clamp(low, high))


@operator("Softmax")
def softmax(node: ir.Node) -> nn.Module:
    """Along one axis."""
    axis = attribute(node, "axis", -1)
    return Apply(lambda x: torch.softmax(x, axis))


class Binary(nn.Module):
    """An operator of two tensors, one of which may be a constant: trained where it has more than one element."""

    def __init__(self, function: Callable, constants: list[np.ndarray | None]):
        super().__init__()
        self.function, self.position = function, None
        for index, array in enumerate(constants):
            if array is not None:
                self.position = index
                tensor = torch.from_numpy(array.copy())
                if array.size > 1:
                    self.weight = nn.Parameter(tensor)
                else:
                    self.register_buffer("weight", tensor)

    def forward(self, first: torch.Tensor | None, second: torch.Tensor | None) -> torch.Tensor:
        """The operator of both, the constant in its place."""
        both = [first, second]
        if self.position is not None:
            both[self.position] = self.weight
        return self.function(*both)

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """The constant, where it is trained."""
        return {self.position: self.weight} if isinstance(getattr(self, "weight", None), nn.Parameter) else {}


_BINARY = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Pow": torch.pow,
    "Min": torch.minimum,
    "Max": torch.maximum,
}


@operator(*_BINARY)
def binary(node: ir.Node) -> nn.Module:
    """Operators of two tensors that broadcast."""
    if len(node.inputs) != 2:
        raise refused(node, "has other than two inputs")
    rank = len(node.outputs[0].shape)
    arrays = [constant(node, index) for index in (0, 1)]
    # Of the output's rank: Torch-Pruning takes a (C, 1, 1) for a transformer's tokens.
    full = [None if array is None else array.reshape((1,) * (rank - array.ndim) + array.shape) for array in arrays]
    return Binary(_BINARY[node.op_type], full)


class PRelu(nn.Module):
    """x, or slope x under zero, the slope a constant that broadcasts."""

    def __init__(self, slope: np.ndarray):
        super().__init__()
        self.slope = nn.Parameter(torch.from_numpy(slope.copy()))

    def forward(self, x: torch.Tensor, *_: None) -> torch.Tensor:
        """Any shape to the same."""
        return F.relu(x) - self.slope * F.relu(-x)

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """The slope."""
        return {1: self.slope}


@operator("PRelu")
def prelu(node: ir.Node) -> nn.Module:
    """With a constant slope."""
    return PRelu(required(node, 1))
