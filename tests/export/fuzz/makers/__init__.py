"""One family of operators a file; importing this registers their makers."""

from tests.export.fuzz.makers import moving, pointwise, reduction, spatial  # noqa: F401
from tests.export.fuzz.makers.registry import MAKERS

__all__ = ["MAKERS"]
