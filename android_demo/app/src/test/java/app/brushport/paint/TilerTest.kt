package app.brushport.paint

import kotlin.math.abs
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/**
 * A network that can be worked out by hand: `(x - mean) / deviation`, then minus the mean of that squared, to a gray
 * near 128. Its statistics are measured in blocks of 8, as the manifest of [manifestText] says.
 */
private class Normalizer(change: (String) -> String = { it }) : Painter {
    override val manifest = Manifest.parse(manifestText(change))
    var runs = 0
    val seen = mutableListOf<Given?>()

    override fun paint(
        picture: IntArray,
        weights: FloatArray,
        painted: IntArray,
        given: Given?,
        measured: FloatArray?
    ) {
        runs++
        seen += given
        val own = Array(3) { channel -> statistics(picture.size) { channelOf(picture[it], channel) } }
        val used = Array(3) { channel ->
            val mean = chosen(given, channel, own[channel].first)
            mean to chosen(given, 3 + channel, variance(picture, channel, mean))
        }
        fun normal(place: Int, channel: Int) =
            (channelOf(picture[place], channel) - used[channel].first) / kotlin.math.sqrt(used[channel].second + 1e-3)
        val energy = DoubleArray(3) { channel ->
            chosen(given, 6 + channel, statistics(picture.size) { square(normal(it, channel)) }.first)
        }
        for (place in picture.indices) {
            fun value(channel: Int) = (128 + 20 * (normal(place, channel) - energy[channel])).toInt().coerceIn(0, 255)
            painted[place] = pixel(value(0), value(1), value(2))
        }
        if (measured != null) {
            for (row in 0 until 8) {
                for (column in 0 until 16) {
                    for (channel in 0 until 3) {
                        val places = (0 until 64).map { (row * 8 + it / 8) * 128 + column * 8 + it % 8 }
                        val at = (row * 16 + column) * 9
                        val mean = used[channel].first
                        measured[at + channel] = places.map { channelOf(picture[it], channel) }.average().toFloat()
                        measured[at + 3 + channel] =
                            places.map { square(channelOf(picture[it], channel) - mean) }.average().toFloat()
                        measured[at + 6 + channel] = places.map { square(normal(it, channel)) }.average().toFloat()
                    }
                }
            }
        }
    }

    override fun close() = Unit

    private fun chosen(given: Given?, place: Int, own: Double): Double =
        if (given == null) own else given.weights[place].let { it * given.statistics[place] + (1 - it) * own }

    private fun variance(picture: IntArray, channel: Int, mean: Double) =
        statistics(picture.size) { square(channelOf(picture[it], channel) - mean) }.first

    private fun channelOf(pixel: Int, channel: Int) = (pixel shr (16 - 8 * channel) and 255).toDouble()

    private fun square(value: Double) = value * value

    private fun statistics(count: Int, value: (Int) -> Double) = (0 until count).sumOf(value) / count to 0.0
}

class TilerTest {
    @Test
    fun tilesCoverALineOnceAndSeeEnough() {
        for (length in listOf(1, 63, 64, 65, 100, 129, 500, 4032)) {
            val grid = Grid(length, 64, 16)
            assertEquals(0, grid.cuts.first())
            assertEquals(length, grid.cuts.last())
            for (tile in grid.starts.indices) {
                assertEquals(0, grid.starts[tile] % Grid.STEP)
                assertTrue(grid.cuts[tile + 1] > grid.cuts[tile])
                assertTrue(grid.starts[tile] < length)
                if (tile > 0) assertTrue(grid.cuts[tile] - grid.starts[tile] >= 16)
                if (tile < grid.starts.size - 1) assertTrue(grid.starts[tile] + 64 - grid.cuts[tile + 1] >= 16)
            }
            assertTrue(grid.starts.last() + 64 >= length)
            val shares = grid.starts.indices.sumOf { grid.shares(it, 16).sum() }
            assertEquals(length.toDouble(), shares, 0.0)
        }
    }

    @Test
    fun aMirrorStandsAtEachEnd() {
        assertEquals(listOf(0, 1, 2, 1, 0, 1, 2), List(7) { Tiler.mirrored(it, 3) })
        assertEquals(0, Tiler.mirrored(5, 1))
    }

    @Test
    fun aPhotoInTilesIsThePhotoPaintedAtOnce() {
        val photo = Slope(300, 141)
        val painter = Normalizer()
        val result = IntArray(photo.width * photo.height)
        val tiler = Tiler(painter)
        var last = 0 to 0
        tiler.paint(photo, floatArrayOf(1f, 0f), into(result, photo.width), { done, of ->
            true.also { last = done to of }
        })
        assertEquals(painter.runs to tiler.runs(300, 141), last.second to last.first)
        assertTrue(painter.seen.all { it != null })

        val expected = whole(photo)
        val off = result.indices.maxOf { place ->
            listOf(16, 8, 0).maxOf { abs((result[place] shr it and 255) - (expected[place] shr it and 255)) }
        }
        assertTrue("off by $off", off <= 1)
    }

    @Test
    fun aPhotoWithinOneTileIsMirroredToFillItAndCutOutAgain() {
        val photo = Slope(100, 40)
        val painter = object : Painter {
            override val manifest = Manifest.parse(manifestText())
            lateinit var shown: IntArray

            override fun paint(
                picture: IntArray,
                weights: FloatArray,
                painted: IntArray,
                given: Given?,
                measured: FloatArray?
            ) {
                shown = picture.clone()
                picture.copyInto(painted)
                assertTrue(given == null && measured == null)
            }

            override fun close() = Unit
        }
        val result = IntArray(100 * 40)
        Tiler(painter).paint(photo, floatArrayOf(1f, 0f), into(result, 100))
        assertArrayEquals(IntArray(4000) { photo.at(it % 100, it / 100) }, result)
        assertEquals(photo.at(98, 39), painter.shown[39 * 128 + 100])
        assertEquals(photo.at(5, 38), painter.shown[40 * 128 + 5])
    }

    @Test
    fun oneIsAskedWhetherToGoOn() {
        val painter = Normalizer()
        assertThrows(Stopped::class.java) {
            Tiler(painter).paint(Slope(300, 64), floatArrayOf(1f, 0f), { _, _, _, _, _, _, _ ->
            }, { done, _ -> done < 3 })
        }
        assertEquals(3, painter.runs)
    }

    @Test
    fun aModelWithoutStatisticsPaintsItsOwnSizeAndSaysSo() {
        val tiler = Tiler(Normalizer { it.replace("\"halo\": 16", "\"halo\": null") })
        assertTrue(tiler.takes(128, 64))
        assertFalse(tiler.takes(129, 64))
        val error = assertThrows(PaintException::class.java) {
            tiler.paint(Slope(129, 64), floatArrayOf(1f, 0f), { _, _, _, _, _, _, _ -> })
        }
        assertTrue("128x64" in error.message.orEmpty() || "64x128" in error.message.orEmpty())
    }

    private fun into(result: IntArray, width: Int) = Sink { left, top, w, h, pixels, offset, stride ->
        for (y in 0 until h) {
            pixels.copyInto(
                result, (top + y) * width + left, offset + y * stride,
                offset + y * stride + w
            )
        }
    }

    /** What [Normalizer] makes of the whole photo. */
    private fun whole(photo: Slope): IntArray {
        val pixels = IntArray(photo.width * photo.height) { photo.at(it % photo.width, it / photo.width) }
        val channels = listOf(16, 8, 0).map { shift ->
            DoubleArray(pixels.size) { (pixels[it] shr shift and 255).toDouble() }
        }
        val values = channels.map { channel ->
            val mean = channel.average()
            val variance = channel.map { (it - mean) * (it - mean) }.average()
            val normal = channel.map { (it - mean) / kotlin.math.sqrt(variance + 1e-3) }
            val energy = normal.map { it * it }.average()
            normal.map { (128 + 20 * (it - energy)).toInt().coerceIn(0, 255) }
        }
        return IntArray(pixels.size) { pixel(values[0][it], values[1][it], values[2][it]) }
    }
}
