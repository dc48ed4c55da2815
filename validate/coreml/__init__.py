"""Core ML on Linux: executes a saved ``.mlpackage`` without a Mac, rounding where the device rounds."""
