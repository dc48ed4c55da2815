"""The iOS app's tools: Swift for Linux in a system of its own, fetched from Debian and run with its root changed."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

from tests.demos.tools import MissingToolError, debian, need, run

RELEASE = "trixie"  # the first with Swift: 6.0
PACKAGES = ("swiftlang", "libc6-dev", "libstdc++-14-dev", "bash", "coreutils", "findutils")
# What compiles no app of ours: 1.2 GB of 2.5.
NEEDLESS = (
    "usr/share/doc", "usr/share/man", "usr/libexec/swift/lib/swift_static", "usr/libexec/swift/lib/swift/embedded",
    "usr/libexec/swift/lib/liblldb*", "usr/libexec/swift/lib/libsourcekitd*", "usr/libexec/swift/lib/libLTO*",
    *(f"usr/libexec/swift/bin/{name}" for name in ("lldb*", "clangd", "sourcekit-lsp", "docc")),
)  # fmt: skip
SECONDS = 600
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True)
class Tools:
    """Swift, in the system at ``root``."""

    root: Path

    @classmethod
    def find(cls) -> Tools:
        """Fetch what is not there yet; raises MissingToolError where something cannot be had."""
        need("unshare", "util-linux")
        need("chroot", "coreutils")
        if os.geteuid() != 0:
            raise MissingToolError("only root may change the root, which Debian's Swift is run with")
        try:
            run(["unshare", *NAMESPACES, "true"])
        except CalledProcessError as error:
            raise MissingToolError(f"nothing can be mounted here: {error.output.strip()}") from error
        tools = cls(debian(PACKAGES, RELEASE, whole=True, needless=NEEDLESS))
        for folder in ("src", "out", "host", "proc", "dev"):
            (tools.root / folder).mkdir(exist_ok=True)
        try:
            tools.run("swiftc --version")
        except CalledProcessError as error:
            raise MissingToolError(f"Swift does not start: {error.output.strip()}") from error
        return tools

    def run(self, script: str, **places: Path) -> str:
        """What ``script`` (Bash) printed; raises CalledProcessError with that in ``output`` if it fails."""
        return run(self.command(script, **places), timeout=SECONDS)

    def command(self, script: str, **places: Path) -> list[str]:
        """A command that runs ``script`` in Swift's system; ``src`` and ``host`` are read there, ``out`` written to.

        They are mounted for this command only, in a namespace of its own, and so is /proc, without which Swift does not
        start. There is no network.
        """
        root = shlex.quote(str(self.root))
        steps = ["set -e", f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        steps += [f"mount -t tmpfs tmpfs {root}/tmp"]
        for name, place in places.items():
            steps.append(f"mount --bind {shlex.quote(str(place))} {root}/{name}")
            if name != "out":
                steps.append(f"mount -o remount,bind,ro {root}/{name}")
        inside = ["/usr/bin/env", "-i", "HOME=/tmp", "LANG=C.UTF-8", "PATH=/usr/libexec/swift/bin:/usr/bin"]
        inside += ["/bin/bash", "-euo", "pipefail", "-c", script]
        steps.append(f"exec chroot {root} {shlex.join(inside)}")
        return ["unshare", *NAMESPACES, "bash", "-c", "\n".join(steps)]
