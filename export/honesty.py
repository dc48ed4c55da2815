"""Is a file int8 where its plan says so? Counted in what was written, operator by operator.

Nodes are known in the file by their multiply-accumulates. A compiler may write a node in another form, which has a few
more (channels that are padded) or is several operators; so what counts is the work in the file that is *not* in 8 bits,
and whether the plan's float nodes account for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from validate.errors import QualityError

IN_8_BIT = ("int8 x int8", "uint8 x int8")
STORED_IN_8_BIT = "x int8"  # how the form of an operator ends whose weights are int8
GROWTH = 1.5  # of the work of a float node that is written in another form
NEGLIGIBLE = 0.001  # share of the work


def require_planned(plan: Sequence[Mapping[str, Any]], census: Mapping[str, Any], name: str) -> None:
    """Raise :class:`QualityError` naming the nodes that ``plan`` has in int8 and the file ``name`` does not.

    ``plan`` has an entry for every node that multiplies: ``node``, ``macs`` and ``precision`` (int8, dynamic, float).
    ``census`` is that of the file, with its ``products``.
    """
    products = census["products"]
    planned = {kind: [row for row in plan if row["precision"] == kind] for kind in ("int8", "dynamic", "float")}
    eight = [product for product in products if product["form"] in IN_8_BIT]
    others = [product for product in products if product["form"] not in IN_8_BIT]
    stored = [product for product in others if product["form"].endswith(STORED_IN_8_BIT)]
    floats = _macs(others) - _macs(planned["dynamic"]) if _holds(stored, planned["dynamic"]) else _macs(others)
    surplus, unfound = floats - _macs(planned["float"]), _macs(planned["float"]) - floats
    if _work(surplus) <= GROWTH * _work(unfound) + NEGLIGIBLE * census["macs"]:
        return
    missing = _macs(planned["int8"]) - _macs(eight)
    lacking = [row["node"] for row in planned["int8"] if row["macs"] in missing]
    surely = [row["node"] for row in planned["int8"] if row["macs"] in missing and row["macs"] in surplus]
    if not _holds(stored, planned["dynamic"]):
        surely += [row["node"] for row in planned["dynamic"]]
    named = surely or lacking
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    forms = sorted({product["form"] for product in others if product["macs"] in surplus})
    raise QualityError(
        f"{name} is not int8 where its plan says so: {', '.join(map(repr, named[:3]))}{more} became "
        f"{' or '.join(forms)}; say float of them in a plan (--save-plan, then --plan), and please report it."
    )


def _macs(entries: Iterable[Mapping[str, Any]]) -> Counter[int]:
    """How many entries there are of so many multiply-accumulates."""
    return Counter(entry["macs"] for entry in entries)


def _work(counted: Counter[int]) -> int:
    return sum(macs * count for macs, count in counted.items())


def _holds(products: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> bool:
    return not _macs(rows) - _macs(products)
