"""Cases of normalizations, over any number of axes."""

from __future__ import annotations

from tests.export.tflite.cases.table import case, normal, positive

PICTURE = normal(1, 6, 4, 5)
ROW = normal(3, 8)
LINE, SPACE = normal(2, 6, 13), normal(2, 6, 5, 7, 6)

case("BatchNormalization", PICTURE, positive(6), normal(6), normal(6, seed=1), positive(6, seed=1), still=True)
case("BatchNormalization", ROW, positive(8), normal(8), normal(8, seed=1), positive(8, seed=1), epsilon=1e-3)
for x in (PICTURE, normal(2, 6, 32, 48), 5 + normal(1, 6, 31, 37)):
    case("InstanceNormalization", x, positive(6), normal(6), still=True)
case("InstanceNormalization", normal(1, 6, 16, 24), positive(6), normal(6), constants=(), still=True, epsilon=1e-3)
case("GroupNormalization", normal(2, 6, 16, 24), positive(6), normal(6), num_groups=2, still=True)
case("GroupNormalization", normal(1, 6, 7, 9), positive(6), normal(6), num_groups=3, constants=(), still=True)
for x in (LINE, SPACE):
    case("BatchNormalization", x, positive(6), normal(6), normal(6, seed=1), positive(6, seed=1))
    case("InstanceNormalization", x, positive(6), normal(6))
    case("InstanceNormalization", x, positive(6), normal(6), constants=())
    case("GroupNormalization", x, positive(6), normal(6), num_groups=3)
for x in (PICTURE, SPACE, normal(5, 6)):
    statistics = positive(6), normal(6), normal(6, seed=1), positive(6, seed=1)
    case("BatchNormalization", x, *statistics, constants=(), epsilon=1e-3)
    case("BatchNormalization", x, *statistics, constants=(1, 2), outputs=3, training_mode=1, momentum=0.8)
case("LayerNormalization", ROW, positive(8), normal(8))
for axis in (0, 1, -3, 2, 3):
    shape = (2, 6, 5, 7, 6)[axis:]
    case("LayerNormalization", SPACE, positive(*shape), normal(*shape), outputs=3, axis=axis)
    case("LayerNormalization", SPACE, positive(*shape), constants=(), outputs=3, axis=axis)
case("LayerNormalization", 50 + PICTURE, positive(1, 5), normal(4, 1), axis=2, still=True)
case("LayerNormalization", ROW, positive(8), constants=())
case("LayerNormalization", PICTURE, positive(6, 4, 5), normal(6, 4, 5), axis=1, still=True)
case("LayerNormalization", PICTURE, positive(5), normal(5), still=True)

for size in (1, 3, 5):
    case("LRN", 3 * PICTURE, still=True, size=size, alpha=0.3, beta=0.6, bias=1.7)
case("LRN", normal(2, 16, 5, 6), still=True, size=5)
