"""Precisions that change the hub before a target compiles it: one file each, found by the precision's name."""

from export.schemes.registry import Options, prepare, scheme

__all__ = ["Options", "prepare", "scheme"]
