"""Random graphs of what the passes rewrite: whatever fires, the result is the same."""

import os

import numpy as np
import pytest

from export.hub.passes import simplify
from tests.export.hub.graphs import apply, ops, prepared

SEEDS = range(int(os.environ.get("BRUSHPORT_RANDOM_GRAPHS", "40")))
UNARY = ("Relu", "Sigmoid", "Neg", "Tanh", "Abs", "HardSwish", "Identity", "Softplus")
BINARY = ("Add", "Sub", "Mul", "Div", "Max", "Min")


class Writer:
    """Writes nodes as ONNX text and keeps the shape of every value."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.lines, self.weights, self.shapes = [], {}, {"x": (1, 4, 6, 8)}

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def number(self, *shape):
        return self.weight(self.rng.uniform(0.5, 1.5, shape) * self.pick([1, 1, -1]))

    def emit(self, expression, shape):
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        self.shapes[name] = tuple(int(d) for d in shape)

    def step(self):
        name = self.pick(list(self.shapes)[-4:])
        shape = self.shapes[name]
        steps = [self.transpose] * 3 + [self.constant] * 2
        steps += [self.unary, self.binary, self.reduce, self.reshape, self.softmax, self.concat, self.slice, self.pad]
        steps += [self.convolution, self.norm, self.matmul, self.squeeze, self.clip, self.pool]
        self.pick(steps)(name, shape)

    def transpose(self, name, shape):
        perm = list(self.rng.permutation(len(shape)))
        if len(shape) == 4:
            perm = self.pick([[0, 2, 3, 1], [0, 3, 1, 2], [0, 2, 3, 1], [0, 3, 1, 2], perm])
        text = ",".join(str(axis) for axis in perm)
        self.emit(f"Transpose<perm=[{text}]>({name})", [shape[axis] for axis in perm])

    def unary(self, name, shape):
        self.emit(f"{self.pick(UNARY)}({name})", shape)

    def binary(self, name, shape):
        others = [other for other, s in self.shapes.items() if s == shape]
        op = self.pick(("Add", "Sub", "Mul", "Max"))
        self.emit(f"{op}({name}, {self.pick(others)})", shape)

    def constant(self, name, shape):
        axis = int(self.rng.integers(len(shape)))
        each = [d if a == axis else 1 for a, d in enumerate(shape)]
        other = self.number(*self.pick([(), each, each[axis:], shape]))
        pair = (name, other) if self.rng.random() < 0.7 else (other, name)
        op = self.pick(BINARY if pair[0] == name else ("Add", "Sub", "Mul"))
        self.emit(f"{op}({pair[0]}, {pair[1]})", shape)

    def reduce(self, name, shape):
        axes = (
            sorted(self.rng.choice(len(shape), int(self.rng.integers(1, 3)), replace=False)) if len(shape) > 2 else [1]
        )
        keep = int(self.rng.random() < 0.7)
        left = [1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes]
        op = self.pick(("ReduceMean", "ReduceMax", "ReduceSum"))
        self.emit(f"{op}<keepdims={keep}>({name}, {self.weight(np.array(axes, np.int64))})", left)
        if keep:  # what norms do next
            reduced = list(self.shapes)[-1]
            self.emit(f"{self.pick(('Sub', 'Mul'))}({name}, {reduced})", shape)

    def reshape(self, name, shape):
        new, left = [], int(np.prod(shape))
        while left > 1 and len(new) < 4:
            new.append(self.pick([d for d in range(1, left + 1) if left % d == 0]))
            left //= new[-1]
        new = self.pick([[*new, left], [1, *shape[1:][::-1]], [shape[0], -1], [1, 4, 6, 8]])
        if -1 in new or int(np.prod(new)) != int(np.prod(shape)):
            new = [shape[0], int(np.prod(shape[1:]))]
        self.emit(f"Reshape({name}, {self.weight(np.array(new, np.int64))})", new)

    def squeeze(self, name, shape):
        if self.rng.random() < 0.5 and len(shape) < 5:
            axis = int(self.rng.integers(len(shape) + 1))
            self.emit(f"Unsqueeze({name}, {self.weight(np.array([axis]))})", [*shape[:axis], 1, *shape[axis:]])
        elif 1 in shape[1:] and len(shape) > 2:
            axis = shape.index(1, 1)
            self.emit(f"Squeeze({name}, {self.weight(np.array([axis]))})", [*shape[:axis], *shape[axis + 1 :]])

    def softmax(self, name, shape):
        self.emit(f"Softmax<axis={int(self.rng.integers(-len(shape), len(shape)))}>({name})", shape)

    def concat(self, name, shape):
        axis = int(self.rng.integers(len(shape)))
        if np.prod(shape) < 2000 and len(shape) > 1:
            others = [other for other, s in self.shapes.items() if s == shape]
            doubled = [2 * d if a == axis else d for a, d in enumerate(shape)]
            self.emit(f"Concat<axis={axis}>({name}, {self.pick(others)})", doubled)

    def slice(self, name, shape):
        axis = int(np.argmax(shape))
        if shape[axis] > 2:
            start, step = self.weight(np.array([1])), self.weight(np.array([1]))
            inputs = f"{start}, {self.weight(np.array([shape[axis]]))}, {self.weight(np.array([axis]))}, {step}"
            self.emit(f"Slice({name}, {inputs})", [d - (a == axis) for a, d in enumerate(shape)])

    def pad(self, name, shape):
        before = [int(d > 1 and self.rng.random() < 0.4) for d in shape]
        mode = self.pick(("constant", "reflect", "edge"))
        pads = self.weight(np.array([*before, *before], np.int64))
        self.emit(f'Pad<mode="{mode}">({name}, {pads})', [d + 2 * b for d, b in zip(shape, before, strict=True)])

    def convolution(self, name, shape):
        if len(shape) == 4:
            kernel = self.weight(self.rng.standard_normal((4, shape[1], 3, 3)) / np.sqrt(9 * shape[1]))
            self.emit(f"Conv<pads=[1,1,1,1]>({name}, {kernel})", [shape[0], 4, *shape[2:]])

    def norm(self, name, shape):
        if len(shape) == 4 and shape[0] == 1 and shape[2] * shape[3] > 3:
            parameters = f"{self.number(shape[1])}, {self.number(shape[1])}"
            self.emit(f"InstanceNormalization<epsilon=0.1>({name}, {parameters})", shape)

    def matmul(self, name, shape):
        if len(shape) > 1:
            matrix = self.weight(self.rng.standard_normal((shape[-1], 4)) / np.sqrt(shape[-1]))
            self.emit(f"MatMul({name}, {matrix})", [*shape[:-1], 4])

    def clip(self, name, shape):
        self.emit(f"Clip({name}, {self.weight(np.float32(-1))}, {self.weight(np.float32(1))})", shape)

    def pool(self, name, shape):
        if len(shape) == 4 and min(shape[2:]) > 2:
            op = self.pick(("MaxPool", "AveragePool"))
            self.emit(f"{op}<kernel_shape=[2,2]>({name})", [*shape[:2], shape[2] - 1, shape[3] - 1])


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graph(seed):
    writer = Writer(seed)
    while len(writer.lines) < 14:
        writer.step()
    *_, last = writer.shapes
    axes = ",".join(f"D{i}" for i in range(len(writer.shapes[last])))
    body = " ".join([*writer.lines, f"y = Identity({last})"])
    model = prepared(f"g (float[1,4,6,8] x) => (float[{axes}] y)", body, writer.weights)
    before = sum(ops(model).values())
    apply(simplify, model, tolerance=1e-5)  # of each element
    assert sum(ops(model).values()) <= before
