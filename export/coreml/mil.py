"""coremltools' MIL builder, imported when it is first used, so that importing our registry costs nothing."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from validate.coreml.tools import load_coremltools


class _LazyBuilder:
    """Stands for ``coremltools.converters.mil.Builder``: ``mb.conv(x=..., weight=...)``."""

    def __getattr__(self, name: str) -> Any:
        load_coremltools()
        from coremltools.converters.mil import Builder

        return getattr(Builder, name)


mb = _LazyBuilder()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep coremltools' warnings, progress bars and reports of failed passes off the terminal."""
    load_coremltools()
    from coremltools.converters.mil.mil.passes import pass_pipeline
    from coremltools.optimize.coreml import _quantization_passes

    def unmarked(passes: Iterable[str], **_: object) -> Iterable[str]:
        return passes

    logger, modules = logging.getLogger("coremltools"), (pass_pipeline, _quantization_passes)
    bar, level = pass_pipeline.tqdm, logger.level
    for module in modules:
        module.tqdm = unmarked
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for module in modules:
            module.tqdm = bar
        logger.setLevel(level)
