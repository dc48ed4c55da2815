"""A Core ML package for many sizes, out of two packages of one network compiled at two sizes.

The programs are the same but for what follows from the size. Dimensions that differ become unknown, as coremltools
writes them for a symbolic shape; a constant that differs is a size written into the program, and is refused.
"""

from __future__ import annotations

import filecmp
from pathlib import Path
from typing import Any

from export.flexible import Sizes
from validate.coreml.tools import load_coremltools
from validate.errors import UnsupportedError

MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")


def merge_packages(path: Path, other: Path, sizes: Sizes) -> None:
    """Make the package at ``path`` take ``sizes``; ``other`` is the same network compiled at another size.

    Pictures of a range get a range of sizes, those of a list an enumeration. Output pictures get an open range: Core
    ML gives back nothing for any other (as coremltools notes).

    Raises :class:`UnsupportedError` naming the first operator that has the size written in.
    """
    load_coremltools()
    from coremltools.proto import Model_pb2

    one, two = Model_pb2.Model(), Model_pb2.Model()
    one.ParseFromString((path / MODEL).read_bytes())
    two.ParseFromString((other / MODEL).read_bytes())
    if (path / WEIGHTS).exists() and not filecmp.cmp(path / WEIGHTS, other / WEIGHTS, shallow=False):
        raise UnsupportedError("Core ML: the network's weights follow from the picture's size; export one size only.")
    for name, function in one.mlProgram.functions.items():
        _merge_function(function, two.mlProgram.functions[name])
    changed = {
        value.name for f in one.mlProgram.functions.values() for value in f.inputs if _is_open(value.type.tensorType)
    }
    for feature in one.description.input:
        if feature.name in changed:
            _open_input(feature, sizes)
    for feature in one.description.output:
        _open_output(feature, next(f for f in two.description.output if f.name == feature.name))
    (path / MODEL).write_bytes(one.SerializeToString())


def _merge_function(one: Any, two: Any) -> None:
    for mine, others in zip(one.inputs, two.inputs, strict=True):
        _merge_type(mine.type, others.type)
    blocks = [(f.block_specializations[f.opset]) for f in (one, two)]
    mine, others = (list(block.operations) for block in blocks)
    if [op.type for op in mine] != [op.type for op in others]:
        raise UnsupportedError(
            "Core ML: the network becomes other operators at another size; export one size only, or sizes that "
            "larger powers of two divide."
        )
    for op, same in zip(mine, others, strict=True):
        _merge_operation(op, same)


def _merge_operation(one: Any, two: Any) -> None:
    for mine, others in zip(one.outputs, two.outputs, strict=True):
        if mine.name != others.name:
            raise _written_in(one)
        _merge_type(mine.type, others.type, of=one)
    for key in {*one.inputs, *two.inputs}:
        if one.inputs[key].SerializeToString(deterministic=True) != two.inputs[key].SerializeToString(
            deterministic=True
        ):
            raise _written_in(one)
    for key in {*one.attributes, *two.attributes}:
        mine, others = (op.attributes[key].SerializeToString(deterministic=True) for op in (one, two))
        if mine != others:
            raise _written_in(one)


def _merge_type(one: Any, two: Any, of: Any = None) -> None:
    mine, others = one.tensorType, two.tensorType
    if len(mine.dimensions) != len(others.dimensions):
        raise _written_in(of)
    for dim, other in zip(mine.dimensions, others.dimensions, strict=True):
        if dim.constant.size != other.constant.size:
            dim.unknown.variadic = False


def _is_open(kind: Any) -> bool:
    return any(dim.WhichOneof("dimension") == "unknown" for dim in kind.dimensions)


def _written_in(op: Any) -> UnsupportedError:
    name = op.outputs[0].name if op is not None and op.outputs else "an operator"
    kind = op.type if op is not None else "input"
    return UnsupportedError(
        f"Core ML: {kind} '{name}' has the picture's size written in, so one file cannot take many sizes; "
        "export one size only."
    )


def _open_input(feature: Any, sizes: Sizes) -> None:
    if feature.type.WhichOneof("Type") == "imageType":
        image = feature.type.imageType
        if sizes.choices:
            for height, width in sorted(sizes.choices, key=lambda size: size != sizes.default):
                image.enumeratedSizes.sizes.add(height=height, width=width)
            return
        for side in (image.imageSizeRange.heightRange, image.imageSizeRange.widthRange):
            side.lowerBound, side.upperBound = sizes.low, sizes.high
        return
    array = feature.type.multiArrayType
    if sizes.choices:
        for size in sorted(sizes.choices, key=lambda size: size != sizes.default):
            array.enumeratedShapes.shapes.add(shape=[*list(array.shape)[:2], *size])
        return
    for axis, length in enumerate(array.shape):
        low, high = (sizes.low, sizes.high) if axis >= 2 else (length, length)
        array.shapeRange.sizeRanges.add(lowerBound=low, upperBound=high)


def _open_output(feature: Any, other: Any) -> None:
    if feature.type.SerializeToString() == other.type.SerializeToString():
        return
    if feature.type.WhichOneof("Type") == "imageType":
        image = feature.type.imageType
        image.height = image.width = 1
        for side in (image.imageSizeRange.heightRange, image.imageSizeRange.widthRange):
            side.lowerBound, side.upperBound = 1, -1
        return
    del feature.type.multiArrayType.shape[:]
