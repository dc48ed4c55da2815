"""One file loaded in a process of its own, run when told to; a script, so that only the runtime is in memory.

    python worker.py FILE THREADS

A line on standard input holds a number of runs; the answer is one line of JSON: the milliseconds of each, and the
process's peak memory in bytes so far. ``.tflite`` runs in LiteRT, ``.onnx`` in ONNX Runtime.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np


def load_tflite(path, threads):
    """A function that runs the file once, on inputs that are already in place."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    for i, tensor in enumerate(interpreter.get_input_details()):
        interpreter.set_tensor(tensor["index"], sample(tensor["shape"], tensor["dtype"], i))
    return interpreter.invoke


def load_onnx(path, threads):
    """As :func:`load_tflite`, for ONNX Runtime with its default settings."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {value.name: sample(value.shape, np.float32, i) for i, value in enumerate(session.get_inputs())}
    return lambda: session.run(None, feed)


def sample(shape, dtype, seed):
    """Even noise between 0 and 1, or over the range of an integer type."""
    random = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype=dtype)
    return random.random(shape, dtype=np.float32).astype(dtype)


def peak_memory():
    """The largest resident size so far, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024


def main():
    """Answer until standard input ends."""
    path, threads = sys.argv[1], int(sys.argv[2])
    run = (load_onnx if path.endswith(".onnx") else load_tflite)(path, threads)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - start))
        print(json.dumps({"ms": times, "peak": peak_memory()}), flush=True)


if __name__ == "__main__":
    main()
