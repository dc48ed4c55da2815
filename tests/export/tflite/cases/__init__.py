"""Numeric cases for every registered operator."""

from tests.export.tflite.cases import norms, pointwise, spatial, structural
from tests.export.tflite.cases.table import CASES, Case

__all__ = ["CASES", "Case", "norms", "pointwise", "spatial", "structural"]
