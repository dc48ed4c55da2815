import numpy as np
import pytest

from export.hub.passes.merge_casts import EXACT, merge_casts
from tests.export.hub.graphs import apply, ops, prepared

IMAGE = "g (float[1,4,6,8] x) => (float[N,C,H,W] y)"
FLOAT, UINT8, INT32, INT64, BOOL, DOUBLE = 1, 2, 6, 7, 9, 11


@pytest.mark.parametrize(
    ("types", "left"),
    [
        ((BOOL, INT64, FLOAT), 2),
        ((BOOL, FLOAT, INT32, FLOAT), 2),  # int32 → float is not exact, but bool → int32 → float is
        ((INT32, INT64, FLOAT), 3),  # int32 → float may round: left to the runtime as it is
        ((UINT8, FLOAT), 2),
        ((DOUBLE, FLOAT), 0),
        ((INT32, FLOAT), 2),  # rounds x
        ((INT64, INT32, FLOAT), 3),
        ((BOOL, UINT8, BOOL, FLOAT), 2),
    ],
)
def test_chain(types, left):
    names = ["x", *(f"c{i}" for i in range(len(types) - 1)), "z"]
    casts = [f"{b} = Cast<to={to}>({a})" for a, b, to in zip(names, names[1:], types, strict=False)]
    signature = "g (float[1,4,6,8] w) => (float[N,C,H,W] y)"
    model = prepared(signature, " ".join(["x = Abs(w)", *casts, "y = Sqrt(z)"]))
    apply(lambda m: merge_casts(m) + merge_casts(m) + merge_casts(m), model, tolerance=0)
    assert ops(model)["Cast"] == left


def test_exact_types_hold_their_numbers():
    for narrow, wider in EXACT.items():
        a = narrow.numpy()
        limits = [0, 1]
        if a.kind == "f":
            limits = [np.finfo(a).max, np.finfo(a).tiny]
        elif a.kind in "iu":
            limits = [np.iinfo(a).min, np.iinfo(a).max]
        for wide in wider:
            numbers = np.array(limits, a)
            assert np.array_equal(numbers.astype(wide.numpy()).astype(a), numbers), (narrow, wide)
