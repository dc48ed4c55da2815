"""Writes a :class:`GraphBuilder` as a TFLite flatbuffer (schema version 3, identifier ``TFL3``)."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.tflite.builder import GraphBuilder, Operation, Quantization, Tensor
from export.tflite.versions import builtin_version
from validate.errors import UnsupportedError

SCHEMA_VERSION = 3
FILE_IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # schema.fbs: Buffer.data is force_align: 16
MAX_BYTES = 2**31 - 1  # flatbuffers address with signed 32-bit offsets

TENSOR_TYPES = {
    "float32": "FLOAT32", "float16": "FLOAT16", "int8": "INT8", "uint8": "UINT8", "int16": "INT16",
    "int32": "INT32", "int64": "INT64", "bool": "BOOL", "float64": "FLOAT64", "uint32": "UINT32",
}  # fmt: skip

# Operators whose options table is not named after them (CONV_2D -> Conv2DOptions and so on).
OPTIONS = {
    "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions", "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "TRANSPOSE_CONV": "TransposeConvOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions", "BATCH_MATMUL": "BatchMatMulOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions", "CONCATENATION": "ConcatenationOptions",
    "RESHAPE": "ReshapeOptions", "TRANSPOSE": "TransposeOptions", "PAD": "PadOptions", "PADV2": "PadV2Options",
    "MIRROR_PAD": "MirrorPadOptions", "SLICE": "SliceOptions", "STRIDED_SLICE": "StridedSliceOptions",
    "SPLIT": "SplitOptions", "GATHER": "GatherOptions", "TILE": "TileOptions", "BROADCAST_TO": "BroadcastToOptions",
    "SOFTMAX": "SoftmaxOptions", "LOG_SOFTMAX": "LogSoftmaxOptions", "LEAKY_RELU": "LeakyReluOptions",
    "GELU": "GeluOptions", "HARD_SWISH": "HardSwishOptions", "MEAN": "ReducerOptions", "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions", "REDUCE_MIN": "ReducerOptions", "REDUCE_PROD": "ReducerOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions", "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions", "SPACE_TO_DEPTH": "SpaceToDepthOptions", "CAST": "CastOptions",
    "QUANTIZE": "QuantizeOptions", "DEQUANTIZE": "DequantizeOptions", "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions", "POW": "PowOptions", "EXP": "ExpOptions", "NEG": "NegOptions",
    "ABS": "AbsOptions", "SQUARE": "SquareOptions", "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "LESS": "LessOptions", "LESS_EQUAL": "LessEqualOptions", "GREATER": "GreaterOptions",
    "GREATER_EQUAL": "GreaterEqualOptions", "EQUAL": "EqualOptions", "NOT_EQUAL": "NotEqualOptions",
    "LOGICAL_AND": "LogicalAndOptions", "LOGICAL_OR": "LogicalOrOptions", "LOGICAL_NOT": "LogicalNotOptions",
    "SELECT_V2": "SelectV2Options", "FLOOR_MOD": "FloorModOptions", "COS": "CosOptions", "SIGN": "SignOptions",
    "ARG_MAX": "ArgMaxOptions", "ARG_MIN": "ArgMinOptions", "TOPK_V2": "TopKV2Options", "CUMSUM": "CumsumOptions",
    "SCATTER_ND": "ScatterNdOptions", "RIGHT_SHIFT": "RightShiftOptions",
    "BITWISE_XOR": "BitwiseXorOptions", "REDUCE_ANY": "ReducerOptions", "REDUCE_ALL": "ReducerOptions",
    "LOCAL_RESPONSE_NORMALIZATION": "LocalResponseNormalizationOptions", "SHAPE": "ShapeOptions",
}  # fmt: skip


class _AlignedBuilder(flatbuffers.Builder):
    """Numpy vectors land on 16-byte boundaries, which the generated packing code does not ask for."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 - flatbuffers' name
        self.StartVector(x.itemsize, x.size, ALIGNMENT)
        payload = memoryview(np.ascontiguousarray(x)).cast("B")
        self.head = self.head - len(payload)
        self.Bytes[self.head : self.head + len(payload)] = payload
        self.vectorNumElems = x.size
        return self.EndVector()


def write_tflite(graph: GraphBuilder, path: Path, metadata: dict[str, str], description: str = "") -> None:
    """Serializes ``graph`` to ``path``; ``metadata`` becomes one named UTF-8 buffer per entry."""
    path.write_bytes(serialize(graph, metadata, description))


def serialize(graph: GraphBuilder, metadata: dict[str, str], description: str = "") -> memoryview:
    """The bytes of the ``.tflite`` file."""
    graph.drop_unused()
    tensors = _tensors_in_order(graph)
    _make_names_distinct(graph, tensors)
    index = {id(tensor): i for i, tensor in enumerate(tensors)}
    buffers = _Buffers()
    codes: dict[tuple[str, int], int] = {}

    subgraph = schema.SubGraphT(name="main")
    subgraph.tensors = [_pack_tensor(tensor, buffers) for tensor in tensors]
    subgraph.inputs = [index[id(t)] for t in graph.inputs]
    subgraph.outputs = [index[id(t)] for t in graph.outputs]
    subgraph.operators = []
    for operation in graph.operations:
        code = codes.setdefault((operation.code, builtin_version(operation)), len(codes))
        subgraph.operators.append(_pack_operation(operation, code, index))

    model = schema.ModelT(version=SCHEMA_VERSION, description=description, subgraphs=[subgraph])
    model.operatorCodes = [_pack_code(name, version) for name, version in codes]
    model.metadata = [
        schema.MetadataT(name=name, buffer=buffers.add(np.frombuffer(text.encode(), np.uint8)))
        for name, text in metadata.items()
    ]
    model.signatureDefs = [_signature(graph, index)]
    model.buffers = buffers.tables
    total = sum(buffer.data.nbytes for buffer in buffers.tables if buffer.data is not None)
    if total > MAX_BYTES - (1 << 20):
        raise UnsupportedError(f"The weights take {total / 2**30:.1f} GiB, but a TFLite file holds at most 2 GiB.")

    builder = _AlignedBuilder(total + (1 << 18))
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return memoryview(builder.Bytes)[builder.Head() :]


class _Buffers:
    """The model's buffers; the first is empty by convention, equal contents are stored once."""

    def __init__(self) -> None:
        self.tables = [schema.BufferT()]
        self._known: dict[bytes, int] = {}

    def add(self, array: np.ndarray) -> int:
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        key = data.tobytes()
        if key not in self._known:
            self._known[key] = len(self.tables)
            self.tables.append(schema.BufferT(data=data))
        return self._known[key]


def _tensors_in_order(graph: GraphBuilder) -> list[Tensor]:
    seen: dict[int, Tensor] = {}
    for tensor in graph.inputs:
        seen[id(tensor)] = tensor
    for operation in graph.operations:
        for tensor in [*operation.inputs, *operation.outputs]:
            if tensor is not None:
                seen.setdefault(id(tensor), tensor)
    return list(seen.values())


def _make_names_distinct(graph: GraphBuilder, tensors: list[Tensor]) -> None:
    """Inputs and outputs keep their names; any other tensor of a name already taken gets a number behind it."""
    ports = {id(tensor) for tensor in (*graph.inputs, *graph.outputs)}
    taken = {tensor.name for tensor in tensors if id(tensor) in ports}
    for tensor in tensors:
        if id(tensor) in ports:
            continue
        name, number = tensor.name, 1
        while tensor.name in taken:
            number += 1
            tensor.name = f"{name}_{number}"
        taken.add(tensor.name)


def _pack_tensor(tensor: Tensor, buffers: _Buffers) -> schema.TensorT:
    packed = schema.TensorT(name=tensor.name, hasRank=True)
    packed.shape = list(tensor.shape)
    if tensor.open_axes:
        packed.shapeSignature = [-1 if axis in tensor.open_axes else d for axis, d in enumerate(tensor.shape)]
    packed.type = getattr(schema.TensorType, TENSOR_TYPES[tensor.dtype.name])
    packed.buffer = 0 if tensor.data is None else buffers.add(tensor.data)
    if tensor.quantization is not None:
        packed.quantization = _pack_quantization(tensor.quantization)
    return packed


def _pack_quantization(quantization: Quantization) -> schema.QuantizationParametersT:
    packed = schema.QuantizationParametersT()
    packed.scale = np.asarray(quantization.scale, np.float32)
    packed.zeroPoint = np.asarray(quantization.zero_point, np.int64)
    packed.quantizedDimension = quantization.axis
    return packed


def _pack_operation(operation: Operation, code: int, index: dict[int, int]) -> schema.OperatorT:
    packed = schema.OperatorT(opcodeIndex=code)
    packed.inputs = [-1 if tensor is None else index[id(tensor)] for tensor in operation.inputs]
    packed.outputs = [index[id(tensor)] for tensor in operation.outputs]
    table = OPTIONS.get(operation.code)
    if table is not None:
        packed.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        packed.builtinOptions = getattr(schema, table + "T")()
        for name, value in operation.options.items():
            setattr(packed.builtinOptions, name, _enum(name, value))
    return packed


def _enum(name: str, value: object) -> object:
    if name == "padding":
        return getattr(schema.Padding, str(value))
    if name == "fusedActivationFunction":
        return getattr(schema.ActivationFunctionType, str(value))
    if name in ("inDataType", "outDataType", "outputType", "outType"):
        return getattr(schema.TensorType, TENSOR_TYPES[np.dtype(value).name])
    if name == "mode":
        return getattr(schema.MirrorPadMode, str(value))
    return value


def _pack_code(name: str, version: int) -> schema.OperatorCodeT:
    builtin = getattr(schema.BuiltinOperator, name)
    # Readers older than schema 3a only know the int8 field, whose value 127 says "look at builtinCode".
    deprecated = min(builtin, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    return schema.OperatorCodeT(builtinCode=builtin, deprecatedBuiltinCode=deprecated, version=version)


def _signature(graph: GraphBuilder, index: dict[int, int]) -> schema.SignatureDefT:
    def entries(tensors: list[Tensor]) -> list[schema.TensorMapT]:
        return [schema.TensorMapT(name=t.name, tensorIndex=index[id(t)]) for t in tensors]

    return schema.SignatureDefT(
        signatureKey="serving_default", inputs=entries(graph.inputs), outputs=entries(graph.outputs), subgraphIndex=0
    )
