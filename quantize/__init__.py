"""The room that makes hubs smaller and faster: int8 Q/DQ, chosen node by node so that the picture stays."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantize.judge import Aim
    from quantize.macs import count_macs
    from quantize.plan import PlanRow
    from quantize.quantizer import QuantizeResult, quantize_hub

__all__ = ["Aim", "PlanRow", "QuantizeResult", "count_macs", "quantize_hub"]

# ONNX Runtime is imported with the first of these that is used: its threads must not be there when the command forks
# (validate.guard), or the child ends in a crash.
_HOMES = {
    "Aim": "judge",
    "PlanRow": "plan",
    "QuantizeResult": "quantizer",
    "count_macs": "macs",
    "quantize_hub": "quantizer",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'quantize' has no attribute '{name}'")
    return getattr(importlib.import_module(f"quantize.{_HOMES[name]}"), name)
