package app.brushport.paint

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** The app's own pair, and photos with what Python paints of them: raw RGB, `photo-N` and `painted-N-STYLE`. */
private val folder = File(System.getProperty("brushport.folder"))
private val assets = File(System.getProperty("brushport.assets"))

private fun manifestOf(change: (String) -> String = { it }): Manifest {
    val file = requireNotNull(assets.listFiles()).single { it.extension == "json" }
    return Manifest.parse(change(file.readText()))
}

private fun modelOf(manifest: Manifest): ByteBuffer = direct(File(assets, manifest.file).readBytes())

private fun direct(bytes: ByteArray): ByteBuffer =
    ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).put(bytes).also { it.rewind() }

private fun pixels(file: File): IntArray {
    val bytes = file.readBytes()
    return IntArray(bytes.size / 3) {
        pixel(bytes[3 * it].toInt() and 255, bytes[3 * it + 1].toInt() and 255, bytes[3 * it + 2].toInt() and 255)
    }
}

class InferenceTest {
    private val manifest = manifestOf()
    private val model = StyleModel(modelOf(manifest), manifest, threads = 2)

    @After
    fun close() = model.close()

    @Test
    fun paintsWhatPythonPaints() {
        val expected = requireNotNull(folder.listFiles { file -> file.name.startsWith("painted-") })
        assertTrue(expected.size >= 3)
        for (file in expected) {
            val (_, photo, style) = file.nameWithoutExtension.split("-")
            val weights = FloatArray(manifest.styles.size) { if (it == style.toInt()) 1f else 0f }
            val painted = IntArray(manifest.height * manifest.width)
            model.paint(pixels(File(folder, "photo-$photo.rgb")), weights, painted)
            val wanted = pixels(file)
            val off = painted.indices.maxOf { place ->
                listOf(16, 8, 0).maxOf { abs((painted[place] shr it and 255) - (wanted[place] shr it and 255)) }
            }
            println("figure ${file.name}: largest difference to Python $off / 255")
            assertTrue("${file.name} is off by $off", off <= 1)
        }
    }

    @Test
    fun aTileWithItsOwnStatisticsGivenIsThePictureItself() {
        val tiles = requireNotNull(manifest.tiles)
        val port = requireNotNull(tiles.measured)
        val weights = FloatArray(manifest.styles.size) { if (it == 0) 1f else 0f }
        val photo = pixels(File(folder, "photo-0.rgb"))
        val (own, told) = List(2) { IntArray(photo.size) }
        val measured = FloatArray(port.size)
        model.paint(photo, weights, own, null, measured)
        val count = port.shape.last()
        val statistics = FloatArray(count) { number ->
            (0 until port.size / count).map { measured[it * count + number] }.average().toFloat()
        }
        model.paint(photo, weights, told, Given(statistics, FloatArray(count) { 1f }))
        val off = own.indices.map { abs((own[it] and 255) - (told[it] and 255)) }.average()
        assertTrue("off by $off", off < 1) // int8 rounds otherwise where a mean differs in its last digit
        val other = FloatArray(count) { statistics[it] * 4 + 1 }
        model.paint(photo, weights, told, Given(other, FloatArray(count) { 1f }))
        assertTrue(own.indices.map { abs((own[it] and 255) - (told[it] and 255)) }.average() > 10)
        model.paint(photo, weights, told, Given(other, FloatArray(count)))
        assertTrue(own.contentEquals(told))
    }

    @Test
    fun withoutAGpuTheCpuPaintsAndSaysWhy() {
        StyleModel(modelOf(manifest), manifest, Processor.GPU).use {
            assertEquals(Processor.CPU, it.processor)
            assertTrue("no GPU on this host" in it.fallback.orEmpty())
        }
    }

    @Test
    fun filesThatDoNotBelongTogetherAreRefused() {
        refused("replace both files") {
            it.replace("\"image\"", "\"picture\"").replace("\"kind\": \"picture\"", "\"kind\": \"image\"")
        }
        refused("replace both files") { it.replaceFirst("\"uint8\"", "\"float32\"") }
        val error = assertThrows(PaintException::class.java) { StyleModel(direct(ByteArray(2000)), manifest) }
        assertTrue("cannot be loaded" in error.message.orEmpty())
    }

    private fun refused(words: String, change: (String) -> String) {
        val other = manifestOf(change)
        val error = assertThrows(PaintException::class.java) { StyleModel(modelOf(other), other) }
        assertTrue("'${error.message}' does not say '$words'", words in error.message.orEmpty())
    }
}
