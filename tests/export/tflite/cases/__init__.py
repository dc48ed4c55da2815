"""Numeric cases for every registered operator."""

from tests.export.tflite.cases import pointwise, spatial, structural
from tests.export.tflite.cases.table import CASES, Case

__all__ = ["CASES", "Case", "pointwise", "spatial", "structural"]
