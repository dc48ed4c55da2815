"""Check an app on Linux: ``python -m tests.demos android`` fetches the tools and runs what can be run of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
APPS = sorted(folder.name for folder in HERE.iterdir() if list(folder.glob("test_*.py")))


def main(arguments: list[str]) -> int:
    """Run the checks of the apps named, all of them by default; what cannot be checked here is said with the reason."""
    unknown = [name for name in arguments if name not in APPS]
    if unknown:
        print(f"error: there are no checks of '{unknown[0]}'; name one of {', '.join(APPS)}.", file=sys.stderr)
        return 2
    return pytest.main(["-n", "0", "-rs", "-v", *(str(HERE / name) for name in arguments or APPS)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
