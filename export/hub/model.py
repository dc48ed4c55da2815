"""The hub: one ONNX graph, checked and simplified, on which everything before a target happens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import onnx_ir as ir

from validate.ports import Port


@dataclass(frozen=True)
class Hub:
    """A hub model and how its inputs and outputs read as pictures.

    ``model`` keeps these promises, made by :func:`export.hub.load_hub`: default-domain operators of opset
    ``HUB_OPSET`` only, no functions, no subgraphs, no Constant nodes (constants are initializers and sit in
    ``value.const_value``), every value has a dtype and a static shape, float32 throughout, pictures are NCHW.
    ``inputs`` and ``outputs`` are in the graph's order.
    """

    model: ir.Model
    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    styles: tuple[str, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def with_model(self, model: ir.Model) -> Hub:
        """The same ports over another graph, for example a quantized one."""
        return replace(self, model=model)


HUB_OPSET = 21
