"""The hub: any ONNX file, zoo name or training run, checked, given fixed shapes and simplified."""

from export.hub.load import load_hub
from export.hub.model import HUB_OPSET, Hub
from export.hub.source import zoo_names

__all__ = ["HUB_OPSET", "Hub", "load_hub", "zoo_names"]
