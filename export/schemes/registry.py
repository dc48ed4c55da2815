"""What a precision asks of the hub: ``prepare`` finds the scheme by name and hands the hub to it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.hub import Hub

# Modules of this package, which register their schemes when they are first needed.
MODULES = ("int8", "w8", "dynamic", "small_weights", "int16x8")
Report = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a scheme may need to know besides the hub.

    ``target`` is the target's name, ``calibration`` a folder of photos (the bundled ones for None), ``group_size`` the
    output channels that share a palette (0: all of a weight), ``sparsity`` the share of zeros (None: the scheme's own).
    Of int8, ``min_ssim`` and ``min_psnr`` are what the calibration photos are to keep (None: the quantizer's own),
    ``min_share`` is the least share of the work in int8 (None: what is fast and beautiful), ``plan`` is a file that
    says what becomes of each node, ``save_plan`` where to write such a one, ``pareto`` where to draw the plans that
    were tried, and ``learn`` the steps for which to train what is rounded. ``integer_io`` asks for a hub of whole
    numbers alone, ports included. ``tiles`` are to match, so nothing is rounded by what each one holds.
    """

    target: str
    calibration: str | Path | None = None
    group_size: int = 0
    sparsity: float | None = None
    min_ssim: float | None = None
    min_psnr: float | None = None
    min_share: float | None = None
    plan: str | Path | None = None
    save_plan: str | Path | None = None
    pareto: str | Path | None = None
    learn: int | None = None
    integer_io: bool = False
    tiles: bool = False


Scheme = Callable[[Hub, Options, Report], tuple[Hub, dict]]
_SCHEMES: dict[str, Scheme] = {}


def scheme(precision: str) -> Callable[[Scheme], Scheme]:
    """Decorator: the function makes the hub that ``precision`` compiles, and facts for the manifest."""

    def register(function: Scheme) -> Scheme:
        if precision in _SCHEMES:
            raise ValueError(f"{precision} has two schemes.")
        _SCHEMES[precision] = function
        return function

    return register


def prepare(hub: Hub, precision: str, options: Options, report: Report) -> tuple[Hub, dict | None]:
    """The hub to compile for ``precision``, and what the manifest says about it under the precision's name.

    A precision without a scheme leaves the hub as it is and has nothing to say (None). Raises what the scheme raises.
    """
    for module in MODULES:
        importlib.import_module(f"export.schemes.{module}")
    function = _SCHEMES.get(precision)
    return (hub, None) if function is None else function(hub, options, report)
