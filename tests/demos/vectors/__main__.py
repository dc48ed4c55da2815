"""Write the vectors: ``python -m tests.demos.vectors``."""

from tests.demos.vectors import FILES, FOLDER, text

if __name__ == "__main__":
    for name in FILES:
        (FOLDER / f"{name}.json").write_text(text(name), encoding="utf-8")
