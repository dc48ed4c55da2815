"""Damages ONNX files in every way we could think of and exports them: each must give one clear sentence.

``python -m tests.export.mutations --count 500 --seed 0`` runs every damaged file through ``export_model`` in worker
processes and counts what became of it: exported after all (the damage did not matter, and the file is verified),
refused in one sentence, or one of three defects: another exception, a process that died, one that did not end.
"""

from __future__ import annotations

import collections
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import typer
from onnx import TensorProto, helper, numpy_helper

from tests.export.backend.workers import Died, run_all
from tests.export.painter import save_painter

SECONDS = 90  # after which a file counts as one that hangs
MEGABYTES = 6000  # of address space growth that a file may cost

Mutation = Callable[[random.Random, bytes, Path], bytes]
MUTATIONS: dict[str, Mutation] = {}


def mutation(function: Mutation) -> Mutation:
    """Register a way to damage a file: takes a source of chance, the file's bytes and its folder; gives new bytes."""
    MUTATIONS[function.__name__] = function
    return function


def on_model(function: Callable[[random.Random, onnx.ModelProto], None]) -> Callable:
    """Register a way to damage a model while its file stays well-formed protobuf."""

    def mutate(chance: random.Random, content: bytes, folder: Path) -> bytes:
        model = onnx.load_model_from_string(content)
        function(chance, model)
        return model.SerializeToString()

    MUTATIONS[function.__name__] = mutate
    return function


# ---- bytes


@mutation
def flip_bytes(chance: random.Random, content: bytes, folder: Path) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 50))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


@mutation
def flip_bytes_in_the_graph(chance: random.Random, content: bytes, folder: Path) -> bytes:
    """As above, but where the nodes are, since most of a file is weights."""
    model = onnx.load_model_from_string(content)
    weights = list(model.graph.initializer)
    del model.graph.initializer[:]
    changed = bytearray(model.SerializeToString())
    for _ in range(chance.choice((1, 2, 3))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    try:
        model = onnx.load_model_from_string(bytes(changed))
    except Exception:
        return bytes(changed)
    model.graph.initializer.extend(weights)
    try:
        return model.SerializeToString()
    except Exception:
        return bytes(changed)


@mutation
def cut_short(chance: random.Random, content: bytes, folder: Path) -> bytes:
    return content[: chance.randrange(len(content))]


@mutation
def drop_a_piece(chance: random.Random, content: bytes, folder: Path) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.choice((1, 4, 100, 4096)) :]


@mutation
def insert_garbage(chance: random.Random, content: bytes, folder: Path) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + chance.randbytes(chance.choice((1, 8, 300))) + content[start:]


@mutation
def zero_a_block(chance: random.Random, content: bytes, folder: Path) -> bytes:
    start, size = chance.randrange(len(content)), chance.choice((16, 512, 8192))
    return content[:start] + bytes(len(content[start : start + size])) + content[start + size :]


@mutation
def twice_over(chance: random.Random, content: bytes, folder: Path) -> bytes:
    """Two messages in a row are their merger in protobuf: every node and weight is there twice."""
    return content + content


# ---- shapes and types

ABSURD = (0, -1, -(2**31), 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63), 7919)


@on_model
def absurd_input_shape(chance: random.Random, model: onnx.ModelProto) -> None:
    dims = chance.choice(model.graph.input).type.tensor_type.shape.dim
    if dims:
        chance.choice(dims).dim_value = chance.choice(ABSURD)


@on_model
def absurd_output_shape(chance: random.Random, model: onnx.ModelProto) -> None:
    dims = chance.choice(model.graph.output).type.tensor_type.shape.dim
    chance.choice(dims).dim_value = chance.choice(ABSURD)


@on_model
def absurd_weight_shape(chance: random.Random, model: onnx.ModelProto) -> None:
    tensor = chance.choice([t for t in model.graph.initializer if t.dims])
    tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(ABSURD)


@on_model
def more_axes(chance: random.Random, model: onnx.ModelProto) -> None:
    shape = chance.choice(model.graph.input).type.tensor_type.shape
    for _ in range(chance.choice((1, 5, 70))):
        shape.dim.add().dim_value = chance.choice((1, 2))


@on_model
def fewer_axes(chance: random.Random, model: onnx.ModelProto) -> None:
    tensor = chance.choice([t for t in model.graph.initializer if t.dims])
    size = int(np.prod(tensor.dims))
    del tensor.dims[:]
    tensor.dims.append(size)


@on_model
def other_dtype(chance: random.Random, model: onnx.ModelProto) -> None:
    chance.choice(model.graph.initializer).data_type = chance.choice((0, 2, 3, 6, 7, 8, 9, 10, 11, 14, 16, 17, 23, 99))


@on_model
def other_input_dtype(chance: random.Random, model: onnx.ModelProto) -> None:
    tensor_type = chance.choice(model.graph.input).type.tensor_type
    tensor_type.elem_type = chance.choice((0, 2, 3, 6, 7, 8, 9, 10, 11, 14, 16, 17, 23, 99))


@on_model
def strange_numbers(chance: random.Random, model: onnx.ModelProto) -> None:
    tensor = chance.choice([t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT])
    array = numpy_helper.to_array(tensor).copy()
    array.flat[chance.randrange(array.size)] = chance.choice((np.nan, np.inf, -np.inf, 3e38))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


@on_model
def weights_without_data(chance: random.Random, model: onnx.ModelProto) -> None:
    tensor = chance.choice(model.graph.initializer)
    for name in ("raw_data", "float_data", "int64_data"):
        tensor.ClearField(name)


# ---- attributes


@on_model
def absurd_attribute(chance: random.Random, model: onnx.ModelProto) -> None:
    node = chance.choice([n for n in model.graph.node if n.attribute])
    attribute = chance.choice(node.attribute)
    if attribute.ints:
        attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(ABSURD)
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = chance.choice((float("nan"), float("inf"), -1.0, 0.0, 1e38))
    else:
        attribute.i = chance.choice(ABSURD)


@on_model
def too_many_in_a_list(chance: random.Random, model: onnx.ModelProto) -> None:
    lists = [a for n in model.graph.node for a in n.attribute if a.ints]
    attribute = chance.choice(lists)
    attribute.ints.extend([1] * chance.choice((1, 3, 1000)))


@on_model
def too_few_in_a_list(chance: random.Random, model: onnx.ModelProto) -> None:
    lists = [a for n in model.graph.node for a in n.attribute if a.ints]
    del chance.choice(lists).ints[:]


@on_model
def no_attributes(chance: random.Random, model: onnx.ModelProto) -> None:
    del chance.choice([n for n in model.graph.node if n.attribute]).attribute[:]


@on_model
def attribute_of_another_type(chance: random.Random, model: onnx.ModelProto) -> None:
    node = chance.choice([n for n in model.graph.node if n.attribute])
    name = chance.choice(node.attribute).name
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    value = chance.choice((1.5, 3, "text", [1.5], [2], ["text"], numpy_helper.from_array(np.zeros(2, np.float32))))
    node.attribute.append(helper.make_attribute(name, value))


@on_model
def unknown_attribute(chance: random.Random, model: onnx.ModelProto) -> None:
    chance.choice(model.graph.node).attribute.append(helper.make_attribute("color", "blue"))


# ---- the graph


@on_model
def cycle(chance: random.Random, model: onnx.ModelProto) -> None:
    nodes = model.graph.node
    late = chance.randrange(1, len(nodes))
    early = chance.randrange(late)
    nodes[early].input[0] = nodes[late].output[0]


@on_model
def disconnected(chance: random.Random, model: onnx.ModelProto) -> None:
    del model.graph.node[chance.randrange(len(model.graph.node))]


@on_model
def shuffled(chance: random.Random, model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)
    chance.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@on_model
def other_operator(chance: random.Random, model: onnx.ModelProto) -> None:
    ops = ("Conv", "Resize", "Reshape", "Loop", "If", "NonZero", "LSTM", "Gather", "Concat", "Einsum", "TopK", "", "Å")
    chance.choice(model.graph.node).op_type = chance.choice(ops)


@on_model
def other_domain(chance: random.Random, model: onnx.ModelProto) -> None:
    chance.choice(model.graph.node).domain = chance.choice(
        ("com.microsoft", "ai.onnx", "ai.onnx.ml", "\x00", "x" * 999)
    )


@on_model
def fewer_inputs(chance: random.Random, model: onnx.ModelProto) -> None:
    del chance.choice(model.graph.node).input[chance.choice((0, 1)) :]


@on_model
def more_inputs(chance: random.Random, model: onnx.ModelProto) -> None:
    node = chance.choice(model.graph.node)
    node.input.extend([chance.choice(model.graph.initializer).name] * chance.choice((1, 2, 100)))


@on_model
def swapped_inputs(chance: random.Random, model: onnx.ModelProto) -> None:
    node = chance.choice([n for n in model.graph.node if len(n.input) > 1])
    swapped = list(node.input)[::-1]
    del node.input[:]
    node.input.extend(swapped)


@on_model
def no_outputs_of_a_node(chance: random.Random, model: onnx.ModelProto) -> None:
    del chance.choice(model.graph.node).output[:]


@on_model
def written_twice(chance: random.Random, model: onnx.ModelProto) -> None:
    nodes = model.graph.node
    nodes[chance.randrange(1, len(nodes))].output[0] = nodes[0].output[0]


@on_model
def output_that_nobody_writes(chance: random.Random, model: onnx.ModelProto) -> None:
    model.graph.output[0].name = chance.choice(("nowhere", "", model.graph.input[0].name))


@on_model
def same_input_twice(chance: random.Random, model: onnx.ModelProto) -> None:
    model.graph.input.append(model.graph.input[0])


@on_model
def no_inputs(chance: random.Random, model: onnx.ModelProto) -> None:
    del model.graph.input[:]


@on_model
def weights_missing(chance: random.Random, model: onnx.ModelProto) -> None:
    del model.graph.initializer[chance.randrange(len(model.graph.initializer))]


@on_model
def weights_twice(chance: random.Random, model: onnx.ModelProto) -> None:
    model.graph.initializer.append(chance.choice(model.graph.initializer))


@on_model
def strange_names(chance: random.Random, model: onnx.ModelProto) -> None:
    new = chance.choice(("../../etc/passwd", "a b\n\tc", "x" * 5000, "名前", "[red]x[/]", "%s%n", "\x00"))
    old = model.graph.output[0].name
    model.graph.output[0].name = new
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            node.output[index] = new if name == old else name


@on_model
def other_opset(chance: random.Random, model: onnx.ModelProto) -> None:
    model.opset_import[0].version = chance.choice((0, -1, 1, 4, 6, 7, 13, 22, 28, 29, 999, 2**40))


@on_model
def other_ir_version(chance: random.Random, model: onnx.ModelProto) -> None:
    model.ir_version = chance.choice((0, 1, 3, 11, 99, 2**40))


@on_model
def no_opset(chance: random.Random, model: onnx.ModelProto) -> None:
    del model.opset_import[:]


@on_model
def branches_within_branches(chance: random.Random, model: onnx.ModelProto) -> None:
    info = helper.make_tensor_value_info("b", TensorProto.FLOAT, [None] * 4)
    leaf = body = helper.make_graph([helper.make_node("Identity", ["image"], ["b"])], "leaf", [], [info])
    for _ in range(chance.choice((1, 5, 20))):
        node = helper.make_node("If", ["truth"], ["b"], then_branch=body, else_branch=leaf)
        body = helper.make_graph([node], "inner", [], [info])
    node = helper.make_node("If", ["truth"], ["b"], then_branch=body, else_branch=leaf)
    model.graph.node.append(node)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "truth"))
    model.graph.output.append(info)


@on_model
def function_that_calls_itself(chance: random.Random, model: onnx.ModelProto) -> None:
    node = helper.make_node("Echo", ["x"], ["y"], domain="own")
    opsets = [helper.make_opsetid("", model.opset_import[0].version), helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function("own", "Echo", ["x"], ["y"], [node], opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node[-1].op_type, model.graph.node[-1].domain = "Echo", "own"
    del model.graph.node[-1].attribute[:]


@on_model
def greedy(chance: random.Random, model: onnx.ModelProto) -> None:
    """An operator that asks for more memory than there is."""
    name, last = "greedy", model.graph.node[-1]
    shape = chance.choice(([2**31, 1, 1, 1], [2**20, 2**20, 1, 1], [1, 2**40, 64, 64], [100000, 1, 1, 1]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    op = chance.choice(("Expand", "Tile", "ConstantOfShape"))
    if op == "ConstantOfShape":
        model.graph.node.append(helper.make_node(op, [name], ["vast"]))
        model.graph.node.append(helper.make_node("Add", [last.output[0], "vast"], ["much"]))
    else:
        model.graph.node.append(helper.make_node(op, [last.output[0], name], ["much"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("much", TensorProto.FLOAT, [None] * 4))


# ---- weights outside the file


@mutation
def weights_outside(chance: random.Random, content: bytes, folder: Path) -> bytes:
    """External data that is missing, too short, elsewhere, a link to elsewhere, or the model itself."""
    model = onnx.load_model_from_string(content)
    tensor = chance.choice([t for t in model.graph.initializer if t.dims])
    inside, outside = folder / "weights.bin", folder.parent / "secret.bin"
    outside.write_bytes(tensor.raw_data or bytes(1 << 16))
    inside.write_bytes(tensor.raw_data[:-4] if chance.random() < 0.3 else tensor.raw_data)
    (folder / "link.bin").unlink(missing_ok=True)
    (folder / "link.bin").symlink_to(outside)
    location = chance.choice(
        ("../secret.bin", str(outside), "link.bin", "missing.bin", "weights.bin", "", ".", "a/../../secret.bin",
         "C:\\x", "/dev/zero", "/etc/passwd", "\x00", "http://example.com/x")
    )  # fmt: skip
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entries = {"location": location}
    if chance.random() < 0.7:
        entries["offset"] = chance.choice(("0", "-1", "4", "999999999999", "x", ""))
        entries["length"] = chance.choice((str(size), "-1", "0", "999999999999999999999", "x"))
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return model.SerializeToString()


def damaged(seed: int, folder: Path) -> tuple[Path, str]:
    """File number ``seed`` of the series, written into a folder of its own, and the kind of damage."""
    chance = random.Random(seed)
    own = folder / str(seed)
    own.mkdir(parents=True)
    size = chance.choice((("height", "width"), (48, 48)))
    source = save_painter(own / "model.onnx", size=size, metadata=chance.random() < 0.5)
    kind = list(MUTATIONS)[seed % len(MUTATIONS)]
    source.write_bytes(MUTATIONS[kind](chance, source.read_bytes(), own))
    return source, kind


def export_damaged(job: tuple[int, str]) -> tuple[str, str]:
    """What became of one file: ``("exported", "")``, ``("refused", sentence)`` or ``("defect", what)``."""
    import resource

    from export.api import export_model
    from validate.errors import BrushportError

    limit = MEGABYTES << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    seed, folder = job
    path, _ = damaged(seed, Path(folder))
    target = ("tflite", "coreml")[seed // len(MUTATIONS) % 2]
    try:
        export_model(path, target, precision="fp32", size=(48, 48), output=path.parent / "out")
    except BrushportError as error:
        sentence = str(error)
        untidy = "\n" in sentence or len(sentence) > 1500 or any(path.parent.glob("out/*"))
        return ("defect" if untidy else "refused"), sentence
    except MemoryError:  # the command says so in one sentence
        return "refused", "There is not enough memory."
    except Exception as error:
        return "defect", f"{type(error).__name__}: {error}"
    return "exported", ""


def run_series(numbers: Sequence[int], jobs: int = 2) -> Iterator[tuple[int, str, str]]:
    """(number, what became of it, sentence) for each file, as they end; see :func:`export_damaged`."""
    with tempfile.TemporaryDirectory() as folder:
        for index, result in run_all(export_damaged, [(n, folder) for n in numbers], jobs, SECONDS):
            what, text = ("defect", result.how) if isinstance(result, Died) else result
            yield numbers[index], what, text


def main(
    count: Annotated[int, typer.Option(help="So many files.")] = 500,
    seed: Annotated[int, typer.Option(help="The first file's number.")] = 0,
    jobs: Annotated[int, typer.Option(help="So many at a time.")] = 2,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every sentence.")] = False,
) -> None:
    """Export damaged ONNX files and count what becomes of them; status 1 if one is answered by anything but words."""
    counts: collections.Counter[str] = collections.Counter()
    for number, what, text in run_series(range(seed, seed + count), jobs):
        counts[what] += 1
        if verbose or what == "defect":
            print(f"{number} {list(MUTATIONS)[number % len(MUTATIONS)]}: {what} {text}", flush=True)
    print(", ".join(f"{n} {what}" for what, n in counts.most_common()))
    if counts["defect"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
