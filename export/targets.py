"""What can be written: targets × precisions, and what each needs of the phone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from validate.command import unknown

if TYPE_CHECKING:
    from export.flexible import Sizes
    from export.hub import Hub


@dataclass(frozen=True)
class Target:
    """One kind of artifact: its file ending, its precisions with what each needs, its compiler.

    ``port_names`` gives the names of a hub's inputs and outputs in the file. ``dtypes`` says for what ports hold that
    is no picture, as far as the file holds it otherwise, and ``scalar`` is the shape of a single number.
    ``compile_flexible`` takes the hub at two sizes; ``any_step`` says that a range of sizes may leave some out.
    """

    name: str
    suffix: str
    default: str
    precisions: dict[str, str]
    compile: Callable[..., object]
    port_names: Callable[[Hub], dict[str, str]]
    layout: str
    image_dtype: str
    compile_flexible: Callable[..., None]
    any_step: bool
    dtypes: dict[str, str]
    scalar: tuple[int, ...] = ()


def _coreml(hub: Hub, path: Path, **options) -> list[dict[str, int]]:
    from export.coreml import compile_coreml

    return compile_coreml(hub, path, **options)


def _coreml_names(hub: Hub) -> dict[str, str]:
    from export.coreml import port_names

    return port_names(hub)


def _tflite_names(hub: Hub) -> dict[str, str]:
    from export.tflite import port_names

    return port_names(hub)


def _tflite(hub: Hub, path: Path, **options) -> list[dict[str, int]]:
    from export.tflite import compile_tflite

    return compile_tflite(hub, path, **options)


def _coreml_flexible(hub: Hub, other: Hub, path: Path, sizes: Sizes, **options) -> None:
    from export.coreml import compile_coreml
    from export.coreml.flexible import merge_packages

    second = path.parent / "at another size" / path.name
    second.parent.mkdir()
    compile_coreml(hub, path, **options)
    compile_coreml(other, second, **options)
    merge_packages(path, second, sizes)
    shutil.rmtree(second.parent)


def _tflite_flexible(hub: Hub, other: Hub, path: Path, sizes: Sizes, **options) -> None:
    from export.tflite import compile_tflite

    compile_tflite(hub, path, other=other, **options)


TARGETS = {
    "coreml": Target(
        "coreml",
        ".mlpackage",
        "fp16",
        {
            "fp16": "iOS 16; Neural Engine, GPU and CPU",
            "fp32": "iOS 16; CPU and GPU",
            "w8": "iOS 16; weights in 8 bits, arithmetic in fp16",
            "w6": "iOS 16; palettes of 64 weights, arithmetic in fp16 (--group-size: iOS 18)",
            "w4": "iOS 16; palettes of 16 weights where the picture bears it (--group-size: iOS 18)",
            "sparse": "iOS 16; the smallest weights left out (--sparsity, 0.5), arithmetic in fp16",
            "int8": "iOS 17; 8-bit weights and activations",
        },
        _coreml,
        _coreml_names,
        "NCHW",
        "image",
        _coreml_flexible,
        False,
        dict.fromkeys(("int64", "int8", "uint8", "bool"), "int32"),
        (1,),
    ),
    "tflite": Target(
        "tflite",
        ".tflite",
        "fp16",
        {
            "fp16": "weights of half size; GPU delegate in half, XNNPACK in full precision",
            "fp32": "XNNPACK and GPU delegate",
            "w8": "weights of a quarter of the size; XNNPACK, activations in full precision",
            "dynamic": "XNNPACK; weights in 8 bit, activations rounded at run time where that is faster",
            "int8": "XNNPACK; convolutions in 8 bit, norms in float (--integer-io: NPUs, no float at all)",
            "int16x8": "weights in 8 bit, activations in 16 bit; NPUs, and slow kernels on the CPU",
        },
        _tflite,
        _tflite_names,
        "NHWC",
        "uint8",
        _tflite_flexible,
        True,
        {},
    ),
}


def find_target(name: str) -> Target:
    """The target called ``name``; raises BrushportError with the nearest right name."""
    if name not in TARGETS:
        raise unknown("target", name, TARGETS)
    return TARGETS[name]


def find_precision(target: Target, name: str | None) -> str:
    """``name`` if ``target`` has that precision, its default for None; raises BrushportError with the nearest one."""
    if name is None:
        return target.default
    if name not in target.precisions:
        raise unknown(f"precision for {target.name}", name, target.precisions)
    return name


def table() -> Table:
    """Targets × precisions and what each needs, for ``--help``."""
    made = Table("target", "precision", "needs", title="Targets and precisions", title_justify="left", box=None)
    for target in TARGETS.values():
        for precision, needs in target.precisions.items():
            made.add_row(target.name, f"{precision}{' (default)' if precision == target.default else ''}", needs)
    return made
