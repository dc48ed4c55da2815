"""Writing so that a file or folder appears whole or not at all, and telling whether it is still the same."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from validate.errors import BrushportError
from validate.guard import note_folder

PACKAGE_MARK = "Manifest.json"  # what every .mlpackage holds
PREVIOUS = ".previous"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """``with replacing(path) as temporary``: write ``temporary``; it becomes ``path`` only when all went well.

    ``temporary`` has ``path``'s own name, in a hidden folder beside it that is removed in every case (what a killed
    process left there goes with the next call). A file replaces a file; a folder, such as an ``.mlpackage``, replaces
    a package. Raises BrushportError where that would delete anything else.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    note_folder(path.parent)
    _sweep(path.parent)
    workshop = path.parent / f".partial-{os.getpid()}-{secrets.token_hex(4)}"
    try:  # from before it is there: a signal between the two would leave it
        workshop.mkdir(mode=0o700)
        temporary = workshop / path.name
        yield temporary
        if path.is_dir():  # a folder cannot be replaced in one step: move the old one aside first
            if not temporary.is_dir() or (any(path.iterdir()) and not (path / PACKAGE_MARK).is_file()):
                raise BrushportError(f"'{path}' is a folder of other things; remove it or choose another name.")
            _swap_folders(path, temporary, workshop / PREVIOUS)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _swap_folders(path: Path, temporary: Path, previous: Path) -> None:
    """Put ``temporary`` where ``path`` is; whatever interrupts that, ``path`` is one of the two afterwards."""
    previous.mkdir()
    try:
        os.replace(path, previous / path.name)
        os.replace(temporary, path)
    except BaseException:
        if not path.exists():
            os.replace(previous / path.name, path)
        raise


def _sweep(folder: Path) -> None:
    for left in folder.glob(".partial-*"):
        owner = re.match(r"\.partial-(\d+)-", left.name)
        if owner and not psutil.pid_exists(int(owner[1])):
            for package in (left / PREVIOUS).glob("*"):  # killed between the two renames of a package
                if not (folder / package.name).exists():
                    os.replace(package, folder / package.name)
            shutil.rmtree(left, ignore_errors=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, or of all names and contents in a folder, in hexadecimal."""
    digest = hashlib.sha256()
    for part in [path] if path.is_file() else sorted(part for part in path.rglob("*") if part.is_file()):
        if part is not path:
            digest.update(part.relative_to(path).as_posix().encode() + b"\0")
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(part.stat().st_size for part in ([path] if path.is_file() else path.rglob("*")) if part.is_file())
