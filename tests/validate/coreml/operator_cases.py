"""One case for each MIL operator: how to build it, and what PyTorch or NumPy says it gives."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

SHAPE = (1, 8, 6, 10)
T = torch.from_numpy
RNG = np.random.default_rng(7)
W = RNG.standard_normal((4, 4, 3, 3)).astype(np.float32)
B = RNG.standard_normal(4).astype(np.float32)
C = RNG.uniform(0.5, 1.5, 8).astype(np.float32)
D = RNG.uniform(-0.5, 0.5, 8).astype(np.float32)
M = RNG.standard_normal((5, 10)).astype(np.float32)
Y = RNG.uniform(-2, 2, SHAPE).astype(np.float32)
Y[0, 0, :3] = 0.5
ZERO = np.arange(8, dtype=np.uint8)
_LENGTHS = [1, 5, 3, 6, 2, 2, 4, 6]
PERM = RNG.permutation(10).astype(np.int32)


def _softmax(x, axis=-1):
    return F.softmax(T(x), axis).numpy()


def _torch(function, *args, **kwargs):
    return lambda x: function(T(x), *args, **kwargs).numpy()


def _channel(value):
    return value.reshape(1, -1, 1, 1)


def _gather_windows(x):
    return np.stack([x[:, :, :, i : i + 4] for i in range(0, 7, 2)], 3)


def _dcr(x):
    n, c, h, w = x.shape
    return x.reshape(n, 2, 2, c // 4, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // 4, 2 * h, 2 * w)


def _to_depth(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


def _to_batch(x):
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 2)))
    return np.concatenate([x[:, :, i::2, j::3] for i in range(2) for j in range(3)])


def _resample_grid():
    y, x = np.meshgrid(np.linspace(-1.2, 1.1, 5), np.linspace(-0.9, 1.3, 7), indexing="ij")
    return np.stack([x, y], -1)[None].astype(np.float32)


def _bilinear(target, mode, size):
    i = np.arange(target)
    points = {
        "DEFAULT": i * size / target,
        "OFFSET_CORNERS": (i + 0.5) * max(1, size - 1) / target,
        "UNALIGN_CORNERS": (i + 0.5) * size / target - 0.5,
        "STRICT_ALIGN_CORNERS": i * (size - 1) / (target - 1),
    }[mode].clip(0, size - 1)
    return np.maximum(0, 1 - np.abs(points[:, None] - np.arange(size)[None]))


def _resized(mode, height=9, width=7):
    def expected(x):
        rows, columns = _bilinear(height, mode, x.shape[2]), _bilinear(width, mode, x.shape[3])
        return np.einsum("ai,nbij,cj->nbac", rows, x, columns)

    return expected


def _update(x):
    x = x.copy()
    x[:, 2:8:3, 1:4] = Y[:, :2, :3]
    return x


def _scattered(mode, axis=2):
    def expected(x):
        result, source = np.moveaxis(x.copy(), axis, 0), np.moveaxis(Y[:, :, :2], axis, 0)
        for at, value in zip([4, 1], source, strict=True):
            result[at] = result[at] + value if mode == "add" else value
        return np.moveaxis(result, 0, axis)

    return expected


def _pointwise(x):
    return x


def _unbatch(x):
    result = np.zeros((1, x.shape[1], x.shape[2] * 2, x.shape[3] * 3), x.dtype)
    for i in range(2):
        for j in range(3):
            result[:, :, i::2, j::3] = x[i * 3 + j]
    return result


# op: (how it is built from x [1, 8, 6, 10] in −2..2, what it should give[, deployment target])
CASES = {
    "abs": (lambda mb, x: mb.abs(x=x), np.abs),
    "acos": (lambda mb, x: mb.acos(x=mb.mul(x=x, y=0.49)), lambda x: np.arccos(x * 0.49)),
    "add": (lambda mb, x: mb.add(x=x, y=Y), lambda x: x + Y),
    "affine": (
        lambda mb, x: mb.affine(
            x=x, transform_matrix=np.float32([[0.9, 0.2, 0.1, -0.1, 1.1, -0.05]]), output_height=7, output_width=5,
            sampling_mode="bilinear", padding_mode="constant", padding_value=np.float32(0),
            coordinates_mode="normalized_minus_one_to_one", align_corners=True,
        ),
        lambda x: F.grid_sample(
            T(x), F.affine_grid(torch.tensor([[[0.9, 0.2, 0.1], [-0.1, 1.1, -0.05]]]), [1, 8, 7, 5], True),
            align_corners=True,
        ).numpy(),
    ),
    "argsort": (lambda mb, x: mb.cast(x=mb.argsort(x=x, axis=2, ascending=True), dtype="fp32"), lambda x: x.argsort(2)),
    "asin": (lambda mb, x: mb.asin(x=mb.mul(x=x, y=0.49)), lambda x: np.arcsin(x * 0.49)),
    "atan": (lambda mb, x: mb.atan(x=x), np.arctan),
    "atanh": (lambda mb, x: mb.atanh(x=mb.mul(x=x, y=0.4)), lambda x: np.arctanh(x * 0.4)),
    "avg_pool": (
        lambda mb, x: mb.avg_pool(x=x, kernel_sizes=[3, 3], strides=[2, 2], pad_type="same"),
        lambda x: F.avg_pool2d(F.pad(T(x), (0, 1, 0, 1)), 3, 2).numpy(),
    ),
    "band_part": (lambda mb, x: mb.band_part(x=x, lower=1, upper=2), lambda x: np.triu(np.tril(x, 2), -1)),
    "batch_norm": (
        lambda mb, x: mb.batch_norm(x=x, mean=D, variance=C, gamma=C[::-1].copy(), beta=D[::-1].copy(), epsilon=1e-3),
        lambda x: F.batch_norm(T(x), T(D), T(C), T(C[::-1].copy()), T(D[::-1].copy()), eps=1e-3).numpy(),
    ),
    "batch_to_space": (
        lambda mb, x: mb.batch_to_space(
            x=mb.reshape(x=x, shape=(6, 8, 5, 2)), block_shape=[2, 3], crops=np.int32([[1, 0], [0, 2]])
        ),
        lambda x: _unbatch(x.reshape(6, 8, 5, 2))[:, :, 1:, :-2],
    ),
    "cast": (
        lambda mb, x: mb.cast(x=mb.cast(x=mb.mul(x=x, y=3.0), dtype="int32"), dtype="fp32"),
        lambda x: np.trunc(x * 3),
    ),
    "ceil": (lambda mb, x: mb.ceil(x=x), np.ceil),
    "clamped_relu": (
        lambda mb, x: mb.clamped_relu(x=x, alpha=0.3, beta=1.2),
        lambda x: np.minimum(np.where(x >= 0, x, 0.3 * x), 1.2),
    ),
    "clip": (lambda mb, x: mb.clip(x=x, alpha=-0.4, beta=1.1), lambda x: x.clip(-0.4, 1.1)),
    "concat": (
        lambda mb, x: mb.concat(values=[x, Y], axis=1, interleave=True),
        lambda x: np.stack([x, Y], 2).reshape(1, 16, 6, 10),
    ),
    "conv": (
        lambda mb, x: mb.conv(x=x, weight=W, bias=B, groups=2, strides=[2, 1], dilations=[1, 2], pad_type="same_lower"),
        lambda x: F.conv2d(F.pad(T(x), (2, 2, 1, 0)), T(W), T(B), (2, 1), 0, (1, 2), 2).numpy(),
    ),
    "conv_transpose": (
        lambda mb, x: mb.conv_transpose(
            x=x, weight=np.concatenate([W, W]), bias=B, strides=[2, 3], pad_type="custom", pad=[1, 1, 0, 0],
            output_shape=[1, 4, 12, 31],
        ),
        lambda x: F.conv_transpose2d(
            T(x), T(np.concatenate([W, W])), T(B), (2, 3), (1, 0), (1, 1)
        ).numpy(),
    ),
    "cos": (lambda mb, x: mb.cos(x=x), np.cos),
    "cosh": (lambda mb, x: mb.cosh(x=x), np.cosh),
    "crop": (lambda mb, x: mb.crop(x=x, crop_height=[1, 2], crop_width=[0, 3]), lambda x: x[:, :, 1:-2, :-3]),
    "cumsum": (
        lambda mb, x: mb.cumsum(x=x, axis=3, reverse=True, exclusive=True),
        lambda x: x[..., ::-1].cumsum(3)[..., ::-1] - x,
    ),
    "depth_to_space": (lambda mb, x: mb.depth_to_space(x=x, block_size=2), _dcr),
    "dequantize": (
        lambda mb, x: mb.dequantize(
            input=mb.quantize(input=x, scale=C / 20, zero_point=ZERO, axis=1, output_dtype="uint8"),
            scale=C / 20, zero_point=ZERO, axis=1,
        ),
        lambda x: torch.fake_quantize_per_channel_affine(
            T(x), T(C / 20), torch.arange(8, dtype=torch.int32), 1, 0, 255
        ).numpy(),
        "iOS17",
    ),
    "einsum": (
        lambda mb, x: mb.einsum(values=(x, Y.transpose(0, 3, 2, 1).copy()), equation="nchw,nwhu->nchu"),
        lambda x: np.einsum("nchw,nwhu->nchu", x, Y.transpose(0, 3, 2, 1)),
    ),
    "elu": (lambda mb, x: mb.elu(x=x, alpha=0.6), _torch(F.elu, 0.6)),
    "equal": (lambda mb, x: mb.cast(x=mb.equal(x=mb.floor(x=x), y=1.0), dtype="fp32"), lambda x: np.floor(x) == 1),
    "erf": (lambda mb, x: mb.erf(x=x), _torch(torch.erf)),
    "exp": (lambda mb, x: mb.exp(x=x), np.exp),
    "exp2": (lambda mb, x: mb.exp2(x=x), np.exp2),
    "expand_dims": (lambda mb, x: mb.expand_dims(x=x, axes=[-2]), lambda x: x.reshape(1, 8, 6, 1, 10)),
    "fill": (lambda mb, x: mb.add(x=x, y=mb.fill(shape=SHAPE, value=1.5)), lambda x: x + 1.5),
    "fill_like": (lambda mb, x: mb.add(x=x, y=mb.fill_like(ref_tensor=x, value=1.5)), lambda x: x + 1.5),
    "flatten2d": (lambda mb, x: mb.flatten2d(x=x, axis=2), lambda x: x.reshape(8, 60)),
    "floor": (lambda mb, x: mb.floor(x=x), np.floor),
    "floor_div": (lambda mb, x: mb.floor_div(x=x, y=0.7), lambda x: np.floor(x / np.float32(0.7))),
    "gather": (lambda mb, x: mb.gather(x=x, indices=PERM, axis=-1), lambda x: x[..., PERM]),
    "gather_along_axis": (
        lambda mb, x: mb.gather_along_axis(x=x, indices=np.broadcast_to(PERM % 6, SHAPE).copy(), axis=2),
        lambda x: np.take_along_axis(x, np.broadcast_to(PERM % 6, SHAPE), 2),
    ),
    "gather_nd": (
        lambda mb, x: mb.gather_nd(x=x, indices=np.int32([[0, 3], [0, 1]])),
        lambda x: x[[0, 0], [3, 1]],
    ),
    "gelu": (lambda mb, x: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"), lambda x: x / (1 + np.exp(-1.702 * x))),
    "greater": (lambda mb, x: mb.cast(x=mb.greater(x=x, y=Y), dtype="fp32"), lambda x: x > Y),
    "greater_equal": (lambda mb, x: mb.cast(x=mb.greater_equal(x=x, y=x), dtype="fp32"), np.ones_like),
    "identity": (lambda mb, x: mb.identity(x=x), _pointwise),
    "instance_norm": (
        lambda mb, x: mb.instance_norm(x=x, gamma=C, beta=D, epsilon=1e-3),
        lambda x: F.instance_norm(T(x), weight=T(C), bias=T(D), eps=1e-3).numpy(),
    ),
    "inverse": (lambda mb, x: mb.inverse(x=mb.abs(x=x), epsilon=0.3), lambda x: 1 / (np.abs(x) + 0.3)),
    "l2_norm": (lambda mb, x: mb.l2_norm(x=x, epsilon=0.5), lambda x: x / np.sqrt((x**2).sum() + 0.5)),
    "l2_pool": (
        lambda mb, x: mb.l2_pool(x=x, kernel_sizes=[2, 3], strides=[2, 2], pad_type="valid"),
        lambda x: F.lp_pool2d(T(x), 2, (2, 3), 2).numpy(),
    ),
    "layer_norm": (
        lambda mb, x: mb.layer_norm(x=x, axes=[1], gamma=C, beta=D, epsilon=1e-3),
        lambda x: F.layer_norm(T(x).permute(0, 2, 3, 1), (8,), T(C), T(D), 1e-3).permute(0, 3, 1, 2).numpy(),
    ),
    "leaky_relu": (lambda mb, x: mb.leaky_relu(x=x, alpha=0.2), _torch(F.leaky_relu, 0.2)),
    "less": (lambda mb, x: mb.cast(x=mb.less(x=x, y=Y), dtype="fp32"), lambda x: x < Y),
    "less_equal": (lambda mb, x: mb.cast(x=mb.less_equal(x=x, y=x), dtype="fp32"), np.ones_like),
    "linear": (
        lambda mb, x: mb.linear(x=mb.squeeze(x=x, axes=[0]), weight=M, bias=M[:, 0].copy()),
        lambda x: x[0] @ M.T + M[:, 0],
    ),
    "linear_activation": (lambda mb, x: mb.linear_activation(x=x, alpha=1.5, beta=-0.3), lambda x: 1.5 * x - 0.3),
    "local_response_norm": (
        lambda mb, x: mb.local_response_norm(x=x, size=5, alpha=0.5, beta=0.6, k=1.5),
        _torch(F.local_response_norm, 5, 0.5, 0.6, 1.5),
    ),
    "log": (lambda mb, x: mb.log(x=mb.abs(x=x), epsilon=0.3), lambda x: np.log(np.abs(x) + 0.3)),
    "logical_and": (
        lambda mb, x: mb.cast(x=mb.logical_and(x=mb.greater(x=x, y=0.0), y=mb.less(x=x, y=Y)), dtype="fp32"),
        lambda x: (x > 0) & (x < Y),
    ),
    "logical_not": (lambda mb, x: mb.cast(x=mb.logical_not(x=mb.greater(x=x, y=Y)), dtype="fp32"), lambda x: x <= Y),
    "logical_or": (
        lambda mb, x: mb.cast(x=mb.logical_or(x=mb.greater(x=x, y=0.0), y=mb.less(x=x, y=Y)), dtype="fp32"),
        lambda x: (x > 0) | (x < Y),
    ),
    "logical_xor": (
        lambda mb, x: mb.cast(x=mb.logical_xor(x=mb.greater(x=x, y=0.0), y=mb.less(x=x, y=Y)), dtype="fp32"),
        lambda x: (x > 0) ^ (x < Y),
    ),
    "matmul": (lambda mb, x: mb.matmul(x=x, y=Y, transpose_x=True), lambda x: x.transpose(0, 1, 3, 2) @ Y),
    "max_pool": (
        lambda mb, x: mb.max_pool(
            x=x, kernel_sizes=[3, 3], strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1], ceil_mode=True
        ),
        _torch(F.max_pool2d, 3, 2, 1, ceil_mode=True),
    ),
    "maximum": (lambda mb, x: mb.maximum(x=x, y=Y), lambda x: np.maximum(x, Y)),
    "minimum": (lambda mb, x: mb.minimum(x=x, y=Y), lambda x: np.minimum(x, Y)),
    "mod": (lambda mb, x: mb.mod(x=x, y=-0.75), lambda x: np.mod(x, np.float32(-0.75))),
    "mul": (lambda mb, x: mb.mul(x=x, y=Y), lambda x: x * Y),
    "not_equal": (
        lambda mb, x: mb.cast(x=mb.not_equal(x=mb.floor(x=x), y=1.0), dtype="fp32"),
        lambda x: np.floor(x) != 1,
    ),
    "one_hot": (
        lambda mb, x: mb.one_hot(
            indices=mb.reduce_argmax(x=x, axis=1), one_hot_vector_size=8, axis=1, on_value=2.0, off_value=0.5
        ),
        lambda x: np.where(np.arange(8).reshape(1, 8, 1, 1) == x.argmax(1)[:, None], 2.0, 0.5),
    ),
    "pad": (
        lambda mb, x: mb.pad(x=x, pad=[2, 1, 0, 3], mode="reflect"),
        lambda x: np.pad(x, ((0, 0), (0, 0), (2, 1), (0, 3)), "reflect"),
    ),
    "pixel_shuffle": (lambda mb, x: mb.pixel_shuffle(x=x, upscale_factor=2), _torch(F.pixel_shuffle, 2)),
    "pixel_unshuffle": (
        lambda mb, x: mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)), _torch(F.pixel_unshuffle, 2)
    ),
    "pow": (lambda mb, x: mb.pow(x=mb.abs(x=x), y=1.7), lambda x: np.abs(x) ** 1.7),
    "prelu": (lambda mb, x: mb.prelu(x=x, alpha=D), lambda x: np.where(x > 0, x, _channel(D) * x)),
    "quantize": (
        lambda mb, x: mb.cast(x=mb.quantize(input=x, scale=np.float32(0.01), output_dtype="int8"), dtype="fp32"),
        lambda x: np.rint(x / np.float32(0.01)).clip(-128, 127),
        "iOS17",
    ),
    "real_div": (lambda mb, x: mb.real_div(x=x, y=3.0), lambda x: x / 3),
    "reduce_argmax": (lambda mb, x: mb.cast(x=mb.reduce_argmax(x=x, axis=1), dtype="fp32"), lambda x: x.argmax(1)),
    "reduce_argmin": (
        lambda mb, x: mb.cast(x=mb.reduce_argmin(x=x, axis=-1, keep_dims=True), dtype="fp32"),
        lambda x: x.argmin(-1)[..., None],
    ),
    "reduce_l1_norm": (lambda mb, x: mb.reduce_l1_norm(x=x, axes=[2, 3]), lambda x: np.abs(x).sum((2, 3))),
    "reduce_l2_norm": (lambda mb, x: mb.reduce_l2_norm(x=x, axes=[1]), lambda x: np.sqrt((x**2).sum(1))),
    "reduce_log_sum": (lambda mb, x: mb.reduce_log_sum(x=mb.abs(x=x), axes=[3]), lambda x: np.log(np.abs(x).sum(3))),
    "reduce_log_sum_exp": (lambda mb, x: mb.reduce_log_sum_exp(x=x, axes=[1]), _torch(torch.logsumexp, 1)),
    "reduce_max": (lambda mb, x: mb.reduce_max(x=x, axes=[-1], keep_dims=True), lambda x: x.max(3, keepdims=True)),
    "reduce_mean": (lambda mb, x: mb.reduce_mean(x=x, axes=[2, 3]), lambda x: x.mean((2, 3))),
    "reduce_min": (lambda mb, x: mb.reduce_min(x=x, axes=[1, 2]), lambda x: x.min((1, 2))),
    "reduce_prod": (lambda mb, x: mb.reduce_prod(x=x, axes=[1]), lambda x: x.prod(1)),
    "reduce_sum": (lambda mb, x: mb.reduce_sum(x=x, axes=[0, 3]), lambda x: x.sum((0, 3))),
    "reduce_sum_square": (lambda mb, x: mb.reduce_sum_square(x=x, axes=[2]), lambda x: (x**2).sum(2)),
    "relu": (lambda mb, x: mb.relu(x=x), lambda x: x.clip(0)),
    "relu6": (lambda mb, x: mb.relu6(x=mb.mul(x=x, y=5.0)), lambda x: (x * 5).clip(0, 6)),
    "resample": (
        lambda mb, x: mb.resample(
            x=x, coordinates=_resample_grid(), sampling_mode="bilinear", padding_mode="constant",
            padding_value=np.float32(0.5), coordinates_mode="normalized_minus_one_to_one", align_corners=False,
        ),
        lambda x: F.grid_sample(T(x) - 0.5, T(_resample_grid()), align_corners=False).numpy() + 0.5,
    ),
    "reshape": (lambda mb, x: mb.reshape(x=x, shape=(0, -1, 3, 4)), lambda x: x.reshape(1, 40, 3, 4)),
    "reshape_like": (
        lambda mb, x: mb.reshape_like(
            x=x, ref_tensors=(np.zeros((4, 12), np.float32), np.zeros((1, 10), np.float32)), begins=(0, 1), ends=(2, 0),
            end_masks=(False, True),
        ),
        lambda x: x.reshape(4, 12, 10),
    ),
    "resize": (
        lambda mb, x: mb.resize(
            x=x, shape=[9, 7], resized_dims=np.uint32(2), interpolation_mode="LINEAR", sampling_mode="OFFSET_CORNERS"
        ),
        _resized("OFFSET_CORNERS"),
        "iOS17",
    ),
    "resize_bilinear": (
        lambda mb, x: mb.resize_bilinear(x=x, target_size_height=9, target_size_width=7, sampling_mode="DEFAULT"),
        _resized("DEFAULT"),
    ),
    "resize_nearest_neighbor": (
        lambda mb, x: mb.resize_nearest_neighbor(x=x, target_size_height=13, target_size_width=4),
        _torch(F.interpolate, size=(13, 4), mode="nearest"),
    ),
    "reverse": (lambda mb, x: mb.reverse(x=x, axes=[1, -1]), lambda x: x[:, ::-1, :, ::-1]),
    "reverse_sequence": (
        lambda mb, x: mb.reverse_sequence(x=x, lengths=np.int32(_LENGTHS), seq_axis=2, batch_axis=1),
        lambda x: np.stack([np.concatenate([x[:, i, :n][:, ::-1], x[:, i, n:]], 1) for i, n in enumerate(_LENGTHS)], 1),
    ),
    "round": (lambda mb, x: mb.round(x=mb.mul(x=mb.floor(x=x), y=0.5)), lambda x: np.rint(np.floor(x) * 0.5)),
    "rsqrt": (lambda mb, x: mb.rsqrt(x=mb.square(x=x), epsilon=0.3), lambda x: 1 / np.sqrt(x**2 + 0.3)),
    "scaled_dot_product_attention": (
        lambda mb, x: mb.scaled_dot_product_attention(query=x, key=Y, value=Y, attn_mask=np.tri(6, dtype=bool)),
        lambda x: F.scaled_dot_product_attention(T(x), T(Y), T(Y), torch.ones(6, 6).tril().bool()).numpy(),
        "iOS18",
    ),
    "scaled_tanh": (lambda mb, x: mb.scaled_tanh(x=x, alpha=1.7, beta=0.6), lambda x: 1.7 * np.tanh(0.6 * x)),
    "scatter": (
        lambda mb, x: mb.scatter(data=x, indices=np.int32([4, 1]), updates=Y[:, :, :2].copy(), axis=2, mode="add"),
        _scattered("add"),
    ),
    "scatter_along_axis": (
        lambda mb, x: mb.scatter_along_axis(
            data=x, indices=np.broadcast_to(PERM, SHAPE).copy(), updates=Y, axis=3, mode="update"
        ),
        lambda x: Y[..., np.argsort(PERM)],
    ),
    "scatter_nd": (
        lambda mb, x: mb.scatter_nd(data=x, indices=np.int32([[0, 3]]), updates=Y[:, 0].copy(), mode="add"),
        lambda x: np.concatenate([x[:, :3], x[:, 3:4] + Y[:, :1], x[:, 4:]], 1),
    ),
    "select": (lambda mb, x: mb.select(cond=mb.greater(x=x, y=0.3), a=Y, b=x), lambda x: np.where(x > 0.3, Y, x)),
    "sigmoid": (lambda mb, x: mb.sigmoid(x=x), lambda x: 1 / (1 + np.exp(-x))),
    "sigmoid_hard": (lambda mb, x: mb.sigmoid_hard(x=x, alpha=0.3, beta=0.4), lambda x: (0.3 * x + 0.4).clip(0, 1)),
    "sign": (lambda mb, x: mb.sign(x=mb.floor(x=x)), lambda x: np.sign(np.floor(x))),
    "silu": (lambda mb, x: mb.silu(x=x), _torch(F.silu)),
    "sin": (lambda mb, x: mb.sin(x=x), np.sin),
    "sinh": (lambda mb, x: mb.sinh(x=x), np.sinh),
    "slice_by_index": (
        lambda mb, x: mb.slice_by_index(
            x=x, begin=[0, -2, 5, -9], end=[1, 0, 0, -1], stride=[1, 1, -2, 3], begin_mask=[True, False, False, False],
            end_mask=[True, False, True, False], squeeze_mask=[False, True, False, False],
        ),
        lambda x: x[:, -2, 5::-2, -9:-1:3],
    ),
    "slice_by_size": (
        lambda mb, x: mb.slice_by_size(x=x, begin=[0, 2, 1, -4], size=[1, 3, -1, 2]),
        lambda x: x[:, 2:5, 1:, -4:-2],
    ),
    "slice_update": (
        lambda mb, x: mb.slice_update(
            x=x, update=Y[:, :2, :3].copy(), begin=[0, 2, 1, 0], end=[1, 8, 4, 10], stride=[1, 3, 1, 1]
        ),
        _update,
        "iOS18",
    ),
    "sliding_windows": (lambda mb, x: mb.sliding_windows(x=x, axis=3, size=4, stride=2), _gather_windows),
    "softmax": (lambda mb, x: mb.softmax(x=x, axis=1), lambda x: _softmax(x, 1)),
    "softplus": (lambda mb, x: mb.softplus(x=x), lambda x: np.log1p(np.exp(x))),
    "softplus_parametric": (
        lambda mb, x: mb.softplus_parametric(x=x, alpha=C, beta=D + 1),
        lambda x: _channel(C) * np.log1p(np.exp(_channel(D + 1) * x)),
    ),
    "softsign": (lambda mb, x: mb.softsign(x=x), lambda x: x / (1 + np.abs(x))),
    "space_to_batch": (
        lambda mb, x: mb.space_to_batch(x=x, block_shape=[2, 3], paddings=np.int32([[1, 1], [0, 2]])), _to_batch
    ),
    "space_to_depth": (lambda mb, x: mb.space_to_depth(x=x, block_size=2), _to_depth),
    "split": (lambda mb, x: mb.split(x=x, split_sizes=[3, 1, 4], axis=1), lambda x: [x[:, :3], x[:, 3:4], x[:, 4:]]),
    "sqrt": (lambda mb, x: mb.sqrt(x=mb.abs(x=x)), lambda x: np.sqrt(np.abs(x))),
    "square": (lambda mb, x: mb.square(x=x), np.square),
    "squeeze": (lambda mb, x: mb.squeeze(x=x, axes=[0]), lambda x: x[0]),
    "stack": (lambda mb, x: mb.stack(values=[x, Y], axis=-1), lambda x: np.stack([x, Y], -1)),
    "sub": (lambda mb, x: mb.sub(x=1.0, y=x), lambda x: 1 - x),
    "tan": (lambda mb, x: mb.tan(x=mb.mul(x=x, y=0.5)), lambda x: np.tan(x * 0.5)),
    "tanh": (lambda mb, x: mb.tanh(x=x), np.tanh),
    "threshold": (lambda mb, x: mb.threshold(x=x, alpha=0.2), lambda x: np.maximum(x, 0.2)),
    "thresholded_relu": (lambda mb, x: mb.thresholded_relu(x=x, alpha=0.2), lambda x: np.where(x >= 0.2, x, 0)),
    "tile": (lambda mb, x: mb.tile(x=x, reps=[1, 2, 1, 3]), lambda x: np.tile(x, (1, 2, 1, 3))),
    "topk": (
        lambda mb, x: mb.topk(x=x, k=3, axis=1, ascending=True)[0],
        lambda x: np.sort(x, 1)[:, :3],
    ),
    "transpose": (lambda mb, x: mb.transpose(x=x, perm=[0, -1, 1, 2]), lambda x: x.transpose(0, 3, 1, 2)),
    "upsample_bilinear": (
        lambda mb, x: mb.upsample_bilinear(
            x=x, scale_factor_height=1.5, scale_factor_width=2.0, align_corners=False, half_pixel_centers=False
        ),
        _resized("DEFAULT", 9, 20),
    ),
    "upsample_nearest_neighbor": (
        lambda mb, x: mb.upsample_nearest_neighbor(x=x, scale_factor_height=2.0, scale_factor_width=1.5),
        _torch(F.interpolate, size=(12, 15), mode="nearest"),
    ),
}  # fmt: skip
