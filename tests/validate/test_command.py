import errno
import shutil

import pytest

from validate.command import reporting_errors, unknown
from validate.errors import BrushportError, QualityError


def disk_full():
    raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/model.bin")


def raiser(error):
    def raise_it():
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (raiser(BrushportError("The file 'x [1].onnx' is empty.")), 2, "The file 'x [1].onnx' is empty."),
        (raiser(QualityError("SSIM 0.5")), 1, "SSIM 0.5"),
        (raiser(KeyboardInterrupt()), 2, "Stopped"),
        (raiser(shutil.Error([("a", "b", "[Errno 28] No space left on device: 'a' -> 'b'")])), 2, "disk is full"),
        (disk_full, 2, "disk is full at '/somewhere/model.bin'"),
        (raiser(PermissionError(errno.EACCES, "denied", "/root/x")), 2, "not permitted at '/root/x'"),
    ],
)
def test_a_fault_is_one_sentence_and_a_status(fault, status, words, capsys):
    with pytest.raises(SystemExit) as exit_:
        reporting_errors(fault)()
    assert exit_.value.code == status
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1


def test_a_programming_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        reporting_errors(lambda: 1 / 0)()


def test_a_mistyped_name_is_answered_with_the_nearest():
    assert "did you mean 'coreml'" in str(unknown("target", "corml", ["tflite", "coreml"]))
    assert "did you mean" not in str(unknown("target", "xyz", ["tflite", "coreml"]))
