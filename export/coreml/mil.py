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

    def unmarked(passes: Iterable[str], **_: object) -> Iterable[str]:
        return passes

    bar, logger = pass_pipeline.tqdm, logging.getLogger("coremltools")
    level = logger.level
    pass_pipeline.tqdm = unmarked
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        pass_pipeline.tqdm = bar
        logger.setLevel(level)
