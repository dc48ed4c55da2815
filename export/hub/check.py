"""The hub against the file it was made from: both are run by ONNX Runtime on one picture.

Every step from file to hub is exact, and tested; this catches what no test thought of, before it is compiled. What
remains of a difference is float32 rounding in another order. A network that rounds, selects or divides by almost
nothing makes more of it, so before a hub is refused the file itself is run on an input moved by rounding's size:
where that moves its outputs as much, the hub is within the file's own noise. Where a network selects or rounds, a few
of a mask's pixels stand on the edge and fall to either side; those few are not counted. And where
ONNX's own evaluator agrees with the hub, ONNX Runtime is what deviates from the standard.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from validate.errors import BrushportError
from validate.runners import OnnxRunner
from validate.sessions import cpu_session

if TYPE_CHECKING:
    import onnxruntime

    from export.hub.model import Hub

FLOOR = 80.0  # dB
HALF_FLOOR = 45.0  # dB, where the file computes in half precision and the hub does not
MARGIN = 10.0  # dB by which the hub may be further off than the file's own noise
NOISE = 2.0**-22  # relative, a float32 rounding or two
HALF_NOISE = 2.0**-11  # a rounding of half precision
FEW = 1e-3  # of an output's elements, which may fall to the other side of what a network selects or rounds
JUMPING_OPS = {
    "ArgMax", "ArgMin", "Cast", "Ceil", "Equal", "Floor", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mod",
    "QuantizeLinear", "Round", "Shrink", "Sign", "ThresholdedRelu", "TopK",
}  # fmt: skip
SEED = 0
BLOCKS = 8  # a picture of this many patches a side, with grain
THREADS = 2
MAX_BYTES = 2**28  # that one node of the hub reads and writes; running larger ones takes seconds and gigabytes
JUDGED_BYTES, JUDGED_NODES = 2**20, 200  # of what ONNX's evaluator, slow as it is, is asked about
SMALL_SIDE = 128  # pixels; from twice that on, a network of open size is checked on a smaller picture
DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def check_hub(hub: Hub, path: Path, *, rounded: bool = False) -> float | None:
    """Raise :class:`BrushportError` if ``hub`` does not compute what the file at ``path`` computes.

    Returns the smallest PSNR of an output in dB, infinite where all are equal, or ``None`` if they cannot be
    compared: the file takes other inputs or shapes than the hub (another size, one style of several), ONNX Runtime
    does not run it, it overflows its half precision, or its pictures are so large that running it costs more than it
    is worth.
    ``rounded`` says that the file computes in another float than float32.
    """
    if _widest(hub.model) > MAX_BYTES:
        return None
    session = _session(str(path))
    if session is None:
        _require_running(hub)
        return None
    layouts = _layouts(session, hub)
    if layouts is None:
        return None
    feed = {port.name: _draw(port, layouts[port.name][1]) for port in hub.inputs}
    names = [port.name for port in hub.outputs]
    expected = _run(session, feed, layouts, names)
    del session  # one set of activations at a time
    if expected is None:
        _require_running(hub)
        return None
    if rounded and not all(np.isfinite(value).all() for value in expected.values()):
        return None  # it leaves the range of half precision, and the hub does not
    own = _session(ir.to_proto(hub.model).SerializeToString())
    found = None if own is None else _run(own, feed, {name: (False, feed[name].dtype) for name in feed}, names)
    del own
    if found is None:
        return None
    floor = HALF_FLOOR if rounded else FLOOR
    worst = min(_compare(hub, name, expected[name], found[name]) for name in names)
    if worst >= floor:
        return worst
    if any(node.op_type in JUMPING_OPS for node in hub.model.graph):
        worst = min(_compare(hub, name, expected[name], found[name], spared=FEW) for name in names)
        if worst >= floor:
            return worst
    noise = _noise(str(path), feed, layouts, expected, HALF_NOISE if rounded else NOISE)
    if worst < min(floor, noise - MARGIN) and not _as_defined(hub, path, feed, layouts, found, floor):
        raise _wrong(hub, f"they agree to {worst:.0f} dB where {floor:.0f} dB is the least")
    return worst


def smaller(size: tuple[int, int]) -> tuple[int, int]:
    """A size to check a large picture's network at, if its file leaves the size open: halved to about 128 pixels.

    The same hub, folded for a smaller picture, takes a small part of the time and memory.
    """
    height, width = size
    while height % 2 == 0 and width % 2 == 0 and min(height, width) >= 2 * SMALL_SIDE:
        height, width = height // 2, width // 2
    return height, width


def _widest(model: ir.Model) -> int:
    """The most bytes that one node reads and writes, constants aside."""
    return max(
        sum(
            math.prod(value.shape) * value.dtype.itemsize
            for value in (*node.inputs, *node.outputs)
            if value is not None and value.const_value is None and value.shape is not None and value.dtype is not None
        )
        for node in model.graph
    )


def _require_running(hub: Hub) -> None:
    """Raise :class:`BrushportError` if ONNX Runtime cannot run the hub either: nothing could prove a target's file.

    A damaged file may pass every check of shapes and still hold weights that do not fit their operator. Inputs of whole
    numbers prove nothing: the ones that are drawn may be indices or divisors that the network does not take.
    """
    if any(port.dtype != "float32" for port in hub.inputs):
        return
    feed = {port.name: _draw(port, port.dtype) for port in hub.inputs}
    OnnxRunner(ir.to_proto(hub.model).SerializeToString(), hub.inputs, hub.outputs).run(feed)


def _session(model: str | bytes) -> onnxruntime.InferenceSession | None:
    """A session that gives its memory back; ``None`` if ONNX Runtime does not take the model."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return cpu_session(model, options)
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):  # its exceptions share no public base class
            raise
        return None


def _layouts(session: onnxruntime.InferenceSession, hub: Hub) -> dict[str, tuple[bool, str]] | None:
    """For each input and output whether the file has it channels last, and its dtype there; ``None`` if they differ."""
    given, asked = {v.name: v for v in session.get_inputs()}, {port.name: port for port in hub.inputs}
    made = {v.name: v for v in session.get_outputs()}
    if set(given) != set(asked) or not {port.name for port in hub.outputs} <= set(made):
        return None
    layouts = {}
    for name, port in asked.items():
        dtype = DTYPES.get(given[name].type)
        turned = _turned(given[name].shape, port.shape)
        if dtype is None or turned is None:
            return None
        layouts[name] = turned, dtype
    for port in hub.outputs:
        dtype = DTYPES.get(made[port.name].type)
        if dtype is None:
            return None
        layouts.setdefault(port.name, (False, dtype))  # an output's layout shows when it is there
    return layouts


def _turned(stated: list[int | str | None], shape: tuple[int, ...]) -> bool | None:
    """Whether the file has ``shape`` as NHWC; ``None`` if it has neither that nor ``shape`` itself."""
    if _fits(stated, shape):
        return False
    return True if len(shape) == 4 and _fits(stated, _channels_last(shape)) else None


def _fits(stated: list[int | str | None], shape: tuple[int, ...]) -> bool:
    return len(stated) == len(shape) and all(
        not isinstance(own, int) or own == wanted for own, wanted in zip(stated, shape, strict=True)
    )


def _channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[0], shape[2], shape[3], shape[1]


def _draw(port, dtype: str) -> np.ndarray:
    """A picture of patches and grain, numbers from 0 to 1, bytes, zeros and ones; as the hub takes them.

    ``dtype`` is what the file takes, which may hold less.
    """
    rng = np.random.default_rng([SEED, *port.shape])
    if port.is_image:
        black, white = port.value_range
        height, width = port.shape[2:]
        patches = rng.random((*port.shape[:2], BLOCKS, BLOCKS), np.float32)
        rows, columns = np.arange(height) * BLOCKS // height, np.arange(width) * BLOCKS // width
        picture = 0.8 * patches[:, :, rows][:, :, :, columns] + 0.2 * rng.random(port.shape, np.float32)
        picture = black + (white - black) * picture
        return (np.round(picture) if dtype == "uint8" else picture).astype(port.dtype)
    if port.dtype == "float32" and dtype != "uint8":
        return np.asarray(rng.random(port.shape), np.float32)
    return np.asarray(rng.integers(0, 256 if dtype == "uint8" else 2, port.shape), port.dtype)


def _run(session, feed: dict, layouts: dict, names: list[str]) -> dict[str, np.ndarray] | None:
    """What the file makes of a hub's feed, in the file's layouts; ``None`` if it cannot be run."""
    try:
        return dict(zip(names, session.run(names, _in_layouts(feed, layouts)), strict=True))
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        return None


def _in_layouts(feed: dict[str, np.ndarray], layouts: dict) -> dict[str, np.ndarray]:
    own = {}
    for name, value in feed.items():
        turned, dtype = layouts[name]
        own[name] = np.asarray(value.transpose(0, 2, 3, 1) if turned else value, dtype, order="C")
    return own


def _compare(hub: Hub, name: str, expected: np.ndarray, found: np.ndarray, *, spared: float = 0.0) -> float:
    """The PSNR of one output; raises for another shape, or for whole numbers that became floats.

    Of its elements the share ``spared``, those that differ most, is not counted.
    """
    if expected.shape != found.shape and len(found.shape) == 4 and expected.shape == _channels_last(found.shape):
        expected = expected.transpose(0, 3, 1, 2)
    if expected.shape != found.shape:
        raise _wrong(hub, f"'{name}' has the shape {found.shape} and not {expected.shape}")
    if (expected.dtype.kind == "f") != (found.dtype.kind == "f") and expected.dtype != np.uint8:
        raise _wrong(hub, f"'{name}' is {found.dtype} and not {expected.dtype}")
    return _psnr(expected.astype(np.float64), found.astype(np.float64), spared)


def _psnr(a: np.ndarray, b: np.ndarray, spared: float = 0.0) -> float:
    """dB, the peak being the range of ``a``; equal where both are infinite or no numbers."""
    with np.errstate(invalid="ignore", over="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        error = np.where(same, 0.0, np.abs(a - b)).reshape(-1)
        left_out = int(spared * error.size)
        if left_out:
            error = np.sort(error)[:-left_out]  # no number is sorted behind every number
        finite = a[np.isfinite(a)]
        peak = float(np.ptp(finite)) if finite.size else 1.0
        squared = float(np.mean(np.square(error))) if error.size else 0.0
    if squared == 0:
        return np.inf
    peak = max(peak, float(np.abs(finite).max(initial=0.0)) * 1e-3, float(np.finfo(np.float32).tiny))
    return float(10 * np.log10(peak**2 / squared)) if np.isfinite(squared) else -np.inf


def _noise(path: str, feed: dict, layouts: dict, expected: dict[str, np.ndarray], by: float) -> float:
    """How far the file's own outputs move, in dB, when its float inputs move by a rounding, ``by`` relative."""
    rng = np.random.default_rng(SEED)
    moved = {
        name: value * (1 + by * rng.standard_normal(value.shape)).astype(value.dtype)
        if value.dtype == np.float32
        else value
        for name, value in feed.items()
    }
    session = _session(path)
    found = None if session is None else _run(session, moved, layouts, list(expected))
    if found is None:
        return np.inf
    return min(_psnr(a.astype(np.float64), found[name].astype(np.float64)) for name, a in expected.items())


def _as_defined(hub: Hub, path: Path, feed: dict, layouts: dict, found: dict[str, np.ndarray], floor: float) -> bool:
    """Whether ONNX's own evaluator sides with a small hub against ONNX Runtime, as it does over an Attention mask."""
    if _widest(hub.model) > JUDGED_BYTES or len(hub.model.graph) > JUDGED_NODES:
        return False
    try:
        names = list(found)
        own = ReferenceEvaluator(str(path)).run(names, _in_layouts(feed, layouts))
        return all(_compare(hub, n, np.asarray(a), found[n]) >= floor for n, a in zip(names, own, strict=True))
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, BrushportError):
        return False  # it has bugs of its own; the verdict is ONNX Runtime's


def _wrong(hub: Hub, what: str) -> BrushportError:
    return BrushportError(
        f"The hub made of '{hub.source}' does not compute what the file computes ({what}); this is a mistake of "
        "Brushport's, please report it with the file, and give --no-verify (load_hub: check=False) to go on."
    )
