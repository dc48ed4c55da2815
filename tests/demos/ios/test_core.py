"""The app's own package: built with warnings as errors, its tests run, and faults planted in it."""

import pytest

from tests.demos.ios import build
from tests.demos.ios.build import Fault

# A fault in the package, and the test that says so.
FAULTS = {
    "a tile cut one pixel off": Fault(
        "Grid.swift",
        "starts[$0 - 1] + side - halo }",
        "starts[$0 - 1] + side - halo + 1 }",
        "testGridsAreThoseOfPython",
    ),
    "a mirror that doubles its end": Fault(
        "Grid.swift",
        "let period = 2 * (length - 1)",
        "let period = 2 * length",
        "testAMirrorStandsAtEachEnd",
    ),
    "another variance": Fault("Moments.swift", "+ 2 * mean * sum", "", "testTilesAddUpToTheWholePhoto"),
    "channels that lie elsewhere": Fault(
        "ModelPort.swift",
        "Strides(channel: height * width, row: width, column: 1)",
        "Strides(channel: 1, row: width, column: height * width)",
        "testOnlyItsOwnNumbersAreKnownFromALayer",
    ),
    "blue for red": Fault(
        "PixelTensor.swift",
        "numbers[place] = table[Int(Raster.red(pixel))]",
        "numbers[place] = table[Int(Raster.blue(pixel))]",
        "testRangesAreThoseOfPython",
    ),
    "strength rounded down": Fault("Strength.swift", "+ 128) >> 8", ") >> 8", "testStrengthIsByteByByteThatOfPython"),
    "styles mixed the wrong way": Fault(
        "Brush.swift", "? 1 - share : 0", "? share : 0", "testABrushHasTheWeightsOfPython"
    ),
    "tiles that know nothing of the photo": Fault(
        "Tiler.swift",
        "layout.count > 1 ?",
        "layout.count > 99 ?",
        "testAPhotoInTilesIsThePhotoPaintedAtOnce",
    ),
    "a style too many": Fault(
        "ManifestReader.swift",
        "known.count != weights.size",
        "known.count > weights.size",
        "testWhatAnAppCannotWorkWithIsSaidInWords",
    ),
    "another middle": Fault(
        "Statistics.swift", "percentile(50, of", "percentile(49, of", "testStatisticsAreThoseOfPython"
    ),
    "another checksum": Fault("Zlib.swift", "= 65521", "= 65520", "testAStreamIsThatOfZlib"),
}


@pytest.fixture(scope="module")
def printed(tools):
    return build.tested_core(tools, FAULTS)


def test_units(printed):
    own, _ = printed
    assert build.executed(own) >= 30, own


@pytest.mark.parametrize("words", FAULTS)
def test_a_planted_fault_is_caught(printed, words):
    _, others = printed
    assert build.executed(others[words]) == 0
    assert FAULTS[words].test in build.failed(others[words]), others[words]
