"""Plans as small YAML files, to be edited and given back: which nodes are int8, which range each rounded tensor has.

::

    nodes:
      stem: int8
      head: float  # 1.1 % of the multiply-accumulates, costs 31.2 dB alone
    ranges:
      features: mse  # -2.1..3.7
      colors: [-1.0, 1.0]
    apart: [swish]

``nodes`` names every node that could be int8, with one of ``PRECISIONS``: what is ``dynamic`` has int8 weights, and
reads what is rounded at run time (:mod:`quantize.dynamic`). ``ranges`` may leave tensors out, whose
range is then chosen as without a plan; ``apart`` names activations that get a factor for each channel in front and
behind (:mod:`quantize.gates`). A name of ``METHODS`` is measured on the calibration photos again, two numbers
are taken as they are (in the values of the prepared model, in front of an instance norm not the original's).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from quantize.ranges import METHODS
from validate.errors import BrushportError, short
from validate.files import replacing

if TYPE_CHECKING:
    from quantize.quantizer import QuantizeResult

INT8, DYNAMIC, FLOAT = PRECISIONS = ("int8", "dynamic", "float")
Range = str | tuple[float, float]  # a method of METHODS, or low and high


@dataclass(frozen=True)
class Plan:
    """What becomes of each node, and the :data:`Range` of each tensor that is rounded, as far as it is stated.

    ``apart`` names the activations that are taken apart first (:mod:`quantize.gates`).
    """

    nodes: Mapping[str, str]
    ranges: Mapping[str, Range] = field(default_factory=dict)
    source: str = "plan"
    apart: tuple[str, ...] = ()

    def named(self, precision: str) -> frozenset[str]:
        """The nodes of that precision."""
        return frozenset(name for name, kind in self.nodes.items() if kind == precision)

    def check(self, nodes: Mapping[str, str | None], tensors: Iterable[str]) -> None:
        """Raise :class:`BrushportError` unless the plan fits a model.

        ``nodes`` are the model's, with the reason why one cannot be int8 or None; ``tensors`` those that int8 would
        round.
        """
        for name, precision in self.nodes.items():
            if name not in nodes:
                raise BrushportError(f"{self.source} names the node '{name}', which {_nearest(name, nodes)}.")
            if precision == INT8 and nodes[name] is not None:
                raise BrushportError(f"{self.source} wants '{name}' in int8, which it cannot be: {nodes[name]}.")
        if missing := [name for name, reason in nodes.items() if reason is None and name not in self.nodes]:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise BrushportError(f"{self.source} does not say what becomes of the node '{missing[0]}'{more}.")
        if not self.named(INT8):
            raise BrushportError(f"{self.source} keeps every node out of int8, so use another precision than int8.")
        known = set(tensors)
        for name in self.ranges:
            if name not in known:
                raise BrushportError(
                    f"{self.source} gives a range of the tensor '{name}', which {_nearest(name, known)}."
                )


def read_plan(path: str | Path) -> Plan:
    """The plan in ``path``; raises :class:`BrushportError`, in one sentence, for whatever is wrong with it."""
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise BrushportError(f"There is no plan {path}; write one with --save-plan {path}.") from None
    except OSError as error:
        raise BrushportError(f"The plan {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BrushportError(f"The plan {path} is no YAML: {short(error)}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("nodes"), dict):
        raise BrushportError(f"The plan {path} has no list 'nodes' of nodes with their precision.")
    if others := set(content) - {"nodes", "ranges", "apart", "reached"}:
        raise BrushportError(
            f"The plan {path} has an entry '{min(others)}'; it knows nodes, ranges, apart and reached."
        )
    apart = content.get("apart") or []
    if not isinstance(apart, list) or not all(isinstance(name, str) for name in apart):
        raise BrushportError(f"'apart' in the plan {path} is no list of names of activations.")
    ranges = content.get("ranges") or {}
    if not isinstance(ranges, dict):
        raise BrushportError(f"'ranges' in the plan {path} is no list of tensors with their range.")
    for name, precision in content["nodes"].items():
        if precision not in PRECISIONS:
            raise BrushportError(f"The plan {path} says '{precision}' of '{name}'; say {', '.join(PRECISIONS)}.")
    spans = {name: _range(value, name, path) for name, value in ranges.items()}
    return Plan(content["nodes"], spans, str(path), tuple(apart))


def write_plan(path: str | Path, result: QuantizeResult) -> None:
    """Write what ``result`` was made by to ``path``, whole or not at all."""
    with replacing(Path(path)) as temporary:
        temporary.write_text(plan_text(result), encoding="utf-8")


def plan_text(result: QuantizeResult) -> str:
    """The plan of ``result`` as YAML that :func:`read_plan` takes back, with what it reached and cost as comments."""
    total = max(sum(row.macs for row in result.plan), 1)
    reached = {key: value for key, value in result.facts().items() if key.startswith(("int8_share", "calibration_"))}
    lines = [
        "# Which nodes are int8, and the range of each tensor that is rounded. Edit this, give it back with --plan.",
        f"# A node is {', '.join(PRECISIONS[:-1])} or {FLOAT}; a range is {', '.join(METHODS)} or [low, high].",
        "reached:",
        *(_entry(key, value) for key, value in reached.items()),
        "nodes:",
    ]
    for row in result.plan:
        if row.able or row.precision != FLOAT:
            cost = "" if row.psnr is None else f", costs {row.psnr:.1f} dB alone"
            lines.append(f"{_entry(row.node, row.precision)}  # {row.macs / total:.1%} of the work{cost}")
    if result.apart:
        lines.append(f"apart: {json.dumps(list(result.apart))}")
    lines.append("ranges:")
    for name, (chosen, (low, high)) in result.ranges.items():
        comment = f"  # {low:.4g}..{high:.4g}" if isinstance(chosen, str) else ""
        lines.append(_entry(name, chosen) + comment)
    return "\n".join(lines) + "\n"


def _range(value: object, name: str, path: Path) -> Range:
    if isinstance(value, str) and value in METHODS:
        return value
    try:
        low, high = map(float, value) if isinstance(value, list) else ()
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BrushportError(
            f"The plan {path} gives the tensor '{name}' no range: say {', '.join(METHODS)} or [low, high], low < high."
        )
    return low, high


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1, 0.5)
    return "the model does not have" + (f"; the nearest is '{close[0]}'" if close else "")


def _entry(key: str, value: str | float | tuple[float, float]) -> str:
    said = f"[{value[0]!r}, {value[1]!r}]" if isinstance(value, tuple) else _scalar(value)
    return f"  {_scalar(key)}: {said}"


def _scalar(value: str | float) -> str:
    """As YAML on one line, in quotes where it has to be."""
    return yaml.safe_dump(value, width=math.inf, allow_unicode=True).removesuffix("...\n").strip()


class _Loader(yaml.BaseLoader):
    """Takes everything as text, so that a node may be called 12 or on; refuses an entry that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """The mapping of ``node``, each key once."""
        keys = [self.construct_object(key) for key, _ in node.value]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f"'{twice}' is there twice", node.start_mark)
        return super().construct_mapping(node, deep)
