"""LiteRT at the other end of a pipe: what the host's ``org.tensorflow.lite.Interpreter`` talks to.

Numbers are big-endian, as Java writes them; tensors are the machine's own bytes. An answer begins with 0, or with 1 and
the reason why not.
"""

from __future__ import annotations

import struct
import sys

import numpy as np

from validate.runners import quiet_stderr


def main() -> None:
    """Read a model, tell its tensors, then run it for as long as inputs come."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer

    def text(value: str) -> bytes:
        encoded = value.encode()
        return struct.pack(">H", len(encoded)) + encoded

    def tell(*parts: bytes) -> None:
        sink.write(b"".join(parts))
        sink.flush()

    from ai_edge_litert.interpreter import Interpreter

    size = struct.unpack(">i", source.read(4))[0]
    try:
        with quiet_stderr():
            interpreter = Interpreter(model_content=source.read(size), num_threads=int(sys.argv[1]))
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        tell(b"\1", text(str(error)[:500]))
        return
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    told = [b"\0"]
    for details in (inputs, outputs):
        told.append(struct.pack(">i", len(details)))
        for one in details:
            shape = [int(side) for side in one["shape"]]
            told += [text(one["name"]), text(np.dtype(one["dtype"]).name.upper())]
            told.append(struct.pack(f">{1 + len(shape)}i", len(shape), *shape))
    tell(*told)
    while True:
        for one in inputs:
            dtype, shape = np.dtype(one["dtype"]), tuple(one["shape"])
            content = source.read(int(np.prod(shape)) * dtype.itemsize)
            if not content:
                return
            interpreter.set_tensor(one["index"], np.frombuffer(content, dtype).reshape(shape))
        try:
            interpreter.invoke()
        except RuntimeError as error:
            tell(b"\1", text(str(error)[:500]))
            continue
        tell(b"\0", *(interpreter.get_tensor(one["index"]).tobytes() for one in outputs))


if __name__ == "__main__":
    main()
