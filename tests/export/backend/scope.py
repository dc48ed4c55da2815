"""Which of ONNX's operators the backend tests are run for, and which of their inputs are parameters."""

from __future__ import annotations

GROUPS: dict[str, str] = {
    "convolution": "Conv ConvTranspose",
    "pooling": "AveragePool MaxPool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool",
    "normalization": (
        "BatchNormalization InstanceNormalization GroupNormalization LayerNormalization LRN LpNormalization "
        "MeanVarianceNormalization"
    ),
    "activation": (
        "Relu LeakyRelu PRelu Elu Selu Celu Clip Sigmoid HardSigmoid HardSwish Swish Mish Gelu Softplus Softsign "
        "Softmax LogSoftmax Hardmax ThresholdedRelu Shrink Tanh Erf"
    ),
    "unary": (
        "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Cos Cosh Exp Floor IsInf IsNaN Log Neg Not Reciprocal "
        "Round Sign Sin Sinh Sqrt Tan"
    ),
    "binary": "Add Sub Mul Div Pow Mod Max Min Mean Sum BitShift BitwiseAnd BitwiseOr BitwiseXor",
    "comparison and logic": "Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Where Cast",
    "reduction": (
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
        "ReduceSumSquare ArgMax ArgMin TopK CumSum"
    ),
    "product": "MatMul Gemm Einsum",
    "moving": (
        "Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile Concat Split Slice Gather GatherElements GatherND "
        "ScatterND Pad Resize Upsample DepthToSpace SpaceToDepth GridSample Trilu OneHot"
    ),
    "folded": "Shape Size ConstantOfShape Range Constant Identity Dropout If",
    "quantization": "QuantizeLinear DequantizeLinear",
}
"""The operators that the compilers are meant to take."""

OPERATORS: tuple[str, ...] = tuple(sorted(op for group in GROUPS.values() for op in group.split()))

DTYPES = {"float32", "int32", "int64", "bool", "float16"}
"""Of a case's inputs; a case with another, or with a port that is no tensor, is outside the scope."""

PARAMETERS: dict[str, tuple[tuple[int, ...], str]] = {
    "AffineGrid": ((1,), "the output's size"),
    "CenterCropPad": ((1,), "the output's size"),
    "Clip": ((1, 2), "`min` and `max`, attributes before opset 11"),
    "ConstantOfShape": ((0,), "the output's shape"),
    "CumSum": ((1,), "the axis"),
    "Dropout": ((1, 2), "`ratio` and `training_mode`, attributes before opset 12"),
    "Expand": ((1,), "the output's shape"),
    "If": ((0,), "the condition, which chooses what is computed"),
    "OneHot": ((1,), "`depth`, the length of the new axis"),
    "Pad": ((1, 2, 3), "`pads`, `constant_value` and `axes`, attributes before opset 11"),
    "Range": ((0, 1, 2), "`start`, `limit` and `delta`, which decide the length"),
    "Reshape": ((1,), "the output's shape"),
    "Resize": ((1, 2, 3), "`roi`, `scales` and `sizes`"),
    "Slice": ((1, 2, 3, 4), "`starts`, `ends`, `axes` and `steps`, attributes before opset 10"),
    "Split": ((1,), "the lengths of the pieces"),
    "Squeeze": ((1,), "the axes"),
    "Tile": ((1,), "`repeats`, which decide the output's shape"),
    "TopK": ((1,), "`k`, the length of the axis"),
    "Trilu": ((1,), "`k`, the diagonal"),
    "Unsqueeze": ((1,), "the axes"),
    "Upsample": ((1,), "`scales`, an attribute before opset 9"),
} | {
    f"Reduce{kind}": ((1,), "the axes, an attribute before opset 18")
    for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
}
"""The inputs, by position, that are stored in the file instead of fed at run time, and what they say.

An artifact's shapes are fixed, so what decides a shape is known when it is compiled; so is what ONNX itself had as an
attribute in an older opset. Everything else stays an input of the artifact.
"""
