package app.brushport.paint

import java.io.File
import java.util.zip.Adler32
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** The data that both apps and Python must agree on: `tests/demos/vectors/NAME.json` in this repository. */
class VectorsTest {
    @Test
    fun gridsAreThoseOfPython() = cases("grids") { case ->
        val grid = Grid(case.getInt("length"), case.getInt("side"), case.getInt("halo"), case.getInt("step"))
        assertArrayEquals(ints(case, "starts"), grid.starts)
        assertArrayEquals(ints(case, "cuts"), grid.cuts)
        val shares = case.getJSONArray("shares")
        for (tile in grid.starts.indices) {
            assertArrayEquals(doubles(shares.getJSONArray(tile)), grid.shares(tile, case.getInt("block")), 0.0)
        }
    }

    @Test
    fun mirrorsAreThoseOfPython() = cases("mirrors") { case ->
        val shown = ints(case, "shown")
        assertArrayEquals(shown, IntArray(shown.size) { Tiler.mirrored(it, case.getInt("length")) })
    }

    @Test
    fun tilesAddUpToTheWholePhoto() = cases("moments") { case ->
        val (rows, columns, count) = ints(case, "blocks").toList()
        val layer = StatisticsLayer(case.getInt("channels"), 2, 1, 0)
        val sums = Moments(layer, Port("measured", intArrayOf(1, rows, columns, count), false))
        for (tile in objects(case.getJSONArray("tiles"))) {
            val (down, across) = listOf("down", "across").map { doubles(tile.getJSONArray(it)) }
            sums.add(floats(tile, "measured"), down, across)
        }
        val given = Given(FloatArray(count), FloatArray(count))
        sums.store(given)
        floats(case, "statistics").forEachIndexed { number, expected ->
            assertEquals(expected, given.statistics[number], 1e-4f * maxOf(1f, expected))
            assertEquals(1f, given.weights[number], 0f)
        }
    }

    @Test
    fun strengthIsByteByByteThatOfPython() = cases("strengths") { case ->
        val painted = pixels(case, "painting")
        Pixels.blend(pixels(case, "photo"), painted, case.getDouble("strength").toFloat())
        assertArrayEquals(pixels(case, "blended"), painted)
    }

    @Test
    fun aBrushHasTheWeightsOfPython() = cases("brushes") { case ->
        val brush = Brush(case.getInt("first"), case.getInt("second"), case.getDouble("mix").toFloat())
        assertArrayEquals(floats(case, "weights"), brush.weights(case.getInt("count")), 0f)
    }

    @Test
    fun rangesAreThoseOfPython() = cases("ranges") { case ->
        val (black, white) = floats(case, "range").toList()
        val picture = pixels(case, "rgb")
        val port = Port("image", intArrayOf(1, 1, picture.size, 3), false, black, white)
        val tensor = Pixels.buffer(port)
        Pixels.toTensor(picture, port, tensor)
        floats(case, "values").forEachIndexed { place, expected ->
            assertEquals(expected, tensor.getFloat(4 * place), 1e-6f * (white - black))
        }
        assertArrayEquals(picture, IntArray(picture.size).also { Pixels.fromTensor(tensor, port, it) })
        val clipped = pixels(case, "clipped")
        val odd = Port("image", intArrayOf(1, 1, clipped.size, 3), false, black, white)
        val beyond = Pixels.buffer(odd)
        floats(case, "odd").forEach { beyond.putFloat(it) }
        assertArrayEquals(clipped, IntArray(clipped.size).also { Pixels.fromTensor(beyond, odd, it) })
    }

    @Test
    fun mediansAreThoseOfPython() = cases("benchmarks") { case ->
        val times = doubles(case.getJSONArray("milliseconds")).toList()
        val setting = Setting(Processor.CPU, 1)
        val one = Measurement(setting, Processor.CPU, null, 0.0, times, 0.0, IntArray(0))
        assertEquals(case.getDouble("median"), one.median, 1e-5)
    }

    @Test
    fun patternsAreThoseOfPython() = cases("patterns") { case ->
        val pixels = Benchmark.pattern(case.getInt("width"), case.getInt("height"))
        val sum = Adler32()
        for (pixel in pixels) for (shift in listOf(16, 8, 0)) sum.update(pixel shr shift and 255)
        assertEquals(case.getLong("adler32"), sum.value)
        if (case.has("rgb")) assertArrayEquals(pixels(case, "rgb"), pixels)
    }

    private fun cases(name: String, check: (JSONObject) -> Unit) {
        val folder = System.getProperty("brushport.vectors") ?: "../../tests/demos/vectors"
        val found = objects(JSONArray(File(folder, "$name.json").readText()))
        assertTrue(found.isNotEmpty())
        found.forEach(check)
    }

    private fun objects(array: JSONArray) = List(array.length()) { array.getJSONObject(it) }

    private fun doubles(array: JSONArray) = DoubleArray(array.length()) { array.getDouble(it) }

    private fun floats(case: JSONObject, key: String) =
        doubles(case.getJSONArray(key)).map { it.toFloat() }.toFloatArray()

    private fun ints(case: JSONObject, key: String) = doubles(case.getJSONArray(key)).map { it.toInt() }.toIntArray()

    private fun pixels(case: JSONObject, key: String): IntArray {
        val rgb = ints(case, key)
        return IntArray(rgb.size / 3) { pixel(rgb[3 * it], rgb[3 * it + 1], rgb[3 * it + 2]) }
    }
}
