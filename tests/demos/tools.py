"""Tools that check the apps on Linux: fetched from Debian and npm into a cache, unpacked there, nothing installed.

The cache is ``$BRUSHPORT_TOOLS``, else ``~/.cache/brushport/tools``; packages come from wherever this machine's own apt
and npm are set up to look. :class:`MissingToolError` says why a tool cannot be had.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

RELEASE = "bullseye"  # the last one with Android's dx, and an android.jar
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FETCH_SECONDS = 300


class MissingToolError(Exception):
    """A tool cannot be had here; the message says which, and why."""


def cache() -> Path:
    """The folder of fetched tools and of what was built with them."""
    found = os.environ.get("BRUSHPORT_TOOLS")
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(found) if found else home / "brushport" / "tools"


def run(command: Sequence[str | Path], **options) -> str:
    """Run ``command`` and return what it printed; raises CalledProcessError with that in ``output`` if it fails.

    Its processes write into one stream, now and then one inside a character of another's: such bytes are replaced.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"} | options
    return subprocess.run([str(part) for part in command], check=True, **options).stdout


def need(program: str, package: str) -> str:
    """Where ``program`` is; raises :class:`MissingToolError` naming the ``package`` to install."""
    found = shutil.which(program)
    if found is None:
        raise MissingToolError(f"there is no {program} (Debian: {package})")
    return found


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within, no other process makes ``folder``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """``folder`` as ``make`` filled it, the first time only; it appears whole or not at all."""
    with locked(folder):
        if not folder.is_dir():
            temporary = folder.with_name(f".{folder.name}.partial")
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            make(temporary)
            temporary.rename(folder)
    return folder


def key(*parts: object) -> str:
    """A short name for what was made of ``parts``: texts, or files and folders by their content."""
    digest = hashlib.sha256()
    for part in parts:
        paths = [part] if isinstance(part, Path) else []
        if isinstance(part, Path) and part.is_dir():
            paths = sorted(path for path in part.rglob("*") if path.is_file())
        for path in paths:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        digest.update(b"" if isinstance(part, Path) else str(part).encode())
    return digest.hexdigest()[:16]


def plant(path: Path, was: str, fault: str) -> None:
    """Put ``fault`` in place of what the file at ``path`` says once or first, to see whether a check finds it."""
    text = path.read_text(encoding="utf-8")
    assert was in text, f"{path.name} does not say {was!r}"
    path.write_text(text.replace(was, fault, 1), encoding="utf-8")


def debian(
    packages: Sequence[str], release: str = RELEASE, *, whole: bool = False, needless: Sequence[str] = ()
) -> Path:
    """A folder into which Debian ``packages`` (of ``release``) are unpacked.

    With all that they depend on, if ``whole``: then it is a system that one can change the root to. What the patterns
    ``needless`` match is left out.
    """

    def fetch(folder: Path) -> None:
        for program in ("apt-get", "dpkg-deb"):
            need(program, program)
        state = folder / "apt"
        for part in ("lists/partial", "archives/partial"):
            (state / part).mkdir(parents=True)
        (state / "status").touch()
        (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {release} main\n")
        settings = {
            "Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": state / "lists", "Dir::State::status": state / "status", "Dir::Cache": state,
            "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::Check-Valid-Until": "false",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        get = ["install", "--download-only", "--no-install-recommends", "-y"] if whole else ["download"]
        _fetch("Debian's packages", ["apt-get", *options, "-q", "update"], state)
        _fetch("Debian's packages", ["apt-get", *options, "-q", *get, *packages], state)
        # First the one that makes /bin and /lib links, where there is one.
        for package in sorted(state.rglob("*.deb"), key=lambda path: (not path.name.startswith("base-files_"), path)):
            run(["dpkg-deb", "-x", package, folder])
        shutil.rmtree(state)
        for path in (found for pattern in needless for found in folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    made_of = (release, *packages, *(["whole", *needless] if whole or needless else []))
    return once(cache() / f"debian-{key(*made_of)}", fetch)


def npm(package: str) -> Path:
    """The folder of npm's ``NAME@VERSION``, unpacked, without what it depends on; none of its scripts is run."""

    def fetch(folder: Path) -> None:
        need("npm", "npm")
        _fetch(package, ["npm", "pack", package, "--silent", "--ignore-scripts"], folder)
        archive = next(folder.glob("*.tgz"))
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        archive.unlink()

    return once(cache() / f"npm-{key(package)}", fetch) / "package"


def _mirror() -> str:
    """Where this machine's own apt gets Debian from."""
    targets = run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"])
    for line in targets.splitlines():
        origin, label, address = line.split("|")
        if origin == label == "Debian":
            return address
    configured = run(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).split()
    for address in configured:
        if address.rstrip("/").endswith("debian"):
            return address
    raise MissingToolError("apt knows no Debian mirror here")


def _fetch(what: str, command: Sequence[str | Path], folder: Path) -> None:
    try:
        run(command, cwd=folder, timeout=FETCH_SECONDS)
    except subprocess.CalledProcessError as error:
        last = (error.output or "").strip().splitlines()[-1:] or ["no reason given"]
        raise MissingToolError(f"{what} cannot be fetched: {last[0]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingToolError(f"{what} cannot be fetched: {error}") from error
