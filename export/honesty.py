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
GROWTH = 2.0  # of the work of a node that is written in another form (3x3 to RGB by blocks of 2x2: 1.78)
NEGLIGIBLE = 0.001  # share of the work


def require_planned(plan: Sequence[Mapping[str, Any]], census: Mapping[str, Any], name: str) -> None:
    """Raise :class:`QualityError` naming the nodes that ``plan`` has in int8 and the file ``name`` does not.

    ``plan`` has an entry for every node that multiplies: ``node``, ``macs`` and ``precision``: int8, dynamic or int16x8
    (both have weights in 8 bits), or float.
    ``census`` is that of the file, with its ``products``.
    """
    products = census["products"]
    planned = {kind: [row for row in plan if row["precision"] == kind] for kind in ("int8", "dynamic", "float")}
    planned["dynamic"] += [row for row in plan if row["precision"] == "int16x8"]
    eight = [product for product in products if product["form"] in IN_8_BIT]
    stored = [product for product in products if product["form"].endswith(STORED_IN_8_BIT) and product not in eight]
    floats = [product for product in products if product not in eight and product not in stored]
    least = NEGLIGIBLE * census["macs"]
    if _accounted(floats, planned["float"], least) and _accounted(stored, planned["dynamic"], least):
        return
    others = [*floats, *stored]
    surplus = (_macs(floats) - _macs(planned["float"])) + (_macs(stored) - _macs(planned["dynamic"]))
    missing = _macs(planned["int8"]) - _macs(eight)
    lacking = [row["node"] for row in planned["int8"] if row["macs"] in missing]
    surely = [row["node"] for row in planned["int8"] if row["macs"] in missing and row["macs"] in surplus]
    if not _accounted(floats, planned["float"], least):
        unfound = _macs(planned["dynamic"]) - _macs(stored)
        surely += [row["node"] for row in planned["dynamic"] if row["macs"] in unfound]
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


def _accounted(products: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], least: float) -> bool:
    """Whether the plan's ``rows`` explain ``products``: those of other sizes are forms of rows that are not found."""
    surplus, unfound = _macs(products) - _macs(rows), _macs(rows) - _macs(products)
    return _work(surplus) <= GROWTH * _work(unfound) + least
