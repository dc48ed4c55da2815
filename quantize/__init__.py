"""The room that makes hubs smaller and faster: int8 Q/DQ, chosen node by node so that the picture stays."""

from quantize.macs import count_macs
from quantize.plan import PlanRow
from quantize.quantizer import QuantizeResult, quantize_hub

__all__ = ["PlanRow", "QuantizeResult", "count_macs", "quantize_hub"]
