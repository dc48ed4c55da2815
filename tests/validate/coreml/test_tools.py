"""coremltools comes without torch and TensorFlow, and leaves both importable."""

from __future__ import annotations

import subprocess
import sys


def _run(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result


def test_neither_torch_nor_tensorflow_is_imported():
    result = _run(
        "import sys\n"
        "from validate.coreml.tools import load_coremltools\n"
        "ct = load_coremltools()\n"
        "from validate.coreml import CoreMLModel\n"
        "assert load_coremltools() is ct is sys.modules['coremltools']\n"
        "loaded = {'torch', 'torchvision', 'tensorflow', 'keras'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    assert result.stderr == ""


def test_torch_can_be_imported_afterwards():
    _run(
        "from validate.coreml.tools import load_coremltools\n"
        "load_coremltools()\n"
        "import torch\n"
        "assert torch.ones(2).sum() == 2\n"
    )


def test_torch_imported_before_is_seen():
    _run(
        "import torch\nfrom validate.coreml.tools import load_coremltools\nassert load_coremltools()._deps._HAS_TORCH\n"
    )
