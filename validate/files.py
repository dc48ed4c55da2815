"""Writing so that a file or folder appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """``with replacing(path) as temporary``: write ``temporary``; it becomes ``path`` only when all went well.

    ``temporary`` has ``path``'s own name, in a hidden folder beside it that is removed in every case, so it may be a
    file or a folder. Whatever was at ``path`` before is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    try:
        temporary = workshop / path.name
        yield temporary
        if path.is_dir():  # a folder cannot be replaced in one step: move the old one aside first
            os.replace(path, workshop / ".previous")
        os.replace(temporary, path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
