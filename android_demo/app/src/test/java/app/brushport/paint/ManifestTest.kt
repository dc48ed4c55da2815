package app.brushport.paint

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ManifestTest {
    @Test
    fun aBundledManifestIsReadWhole() {
        val manifest = Manifest.parse(manifestText())
        assertEquals("painter-int8.tflite", manifest.file)
        assertEquals(64, manifest.height)
        assertEquals(128, manifest.width)
        assertTrue(manifest.picture.isByte)
        assertEquals(-1f, manifest.painting.black, 0f)
        assertEquals(1f, manifest.painting.white, 0f)
        assertEquals(listOf("The Great Wave", "Starry night"), manifest.styles.map { it.title })
        assertEquals(listOf("Hokusai", ""), manifest.styles.map { it.artist })
        assertEquals(listOf("statistics", "given"), manifest.beyond.map { it.name })
        assertEquals(listOf("measured"), manifest.extra.map { it.name })
        val tiles = requireNotNull(manifest.tiles)
        assertEquals(listOf(0, 6), tiles.layers.map { it.offset })
        assertArrayEquals(intArrayOf(1, 8, 16, 9), requireNotNull(tiles.measured).shape)
    }

    @Test
    fun withoutStylesOrTilesThereIsOneStyleAndOneSize() {
        val plain = manifestText {
            it.replace(Regex("""\{"name": "style".*?\},""", RegexOption.DOT_MATCHES_ALL), "")
                .replace("""["wave", "starry_night"]""", "[]").replace(""""halo": 16""", """"halo": null""")
        }
        val manifest = Manifest.parse(plain)
        assertNull(manifest.weights)
        assertNull(manifest.tiles)
        assertEquals(listOf("Painter"), manifest.styles.map { it.title })
    }

    @Test
    fun whatAnAppCannotWorkWithIsSaidInWords() {
        refused("damaged") { it.dropLast(40) }
        refused("damaged") { it.replace("\"file\"", "\"fil\"") }
        refused("of format 2") { it.replace("\"format\": 1", "\"format\": 2") }
        refused("no TFLite file") { it.replace("\"tflite\":", "\"coreml\":") }
        refused("names 1 styles, the model takes 2") { it.replace("\"wave\", \"starry_night\"", "\"wave\"") }
        refused("'image' holds int8") { it.replaceFirst("uint8", "int8") }
        refused("not RGB in NHWC") { it.replaceFirst("\"RGB\"", "\"BGR\"") }
        refused("no single RGB picture") { it.replace("[1, 64, 128, 3]", "[2, 64, 128, 3]") }
        refused("another size") { it.replaceFirst("[1, 64, 128, 3]", "[1, 64, 64, 3]") }
        refused("no range") { it.replace("[-1, 1]", "null") }
        refused("0 picture inputs") { it.replaceFirst("\"kind\": \"image\"", "\"kind\": \"weights\"") }
        refused("do not fit its port") {
            it.replace("\"channels\": 3, \"moments\": 1", "\"channels\": 4, \"moments\": 1")
        }
        refused("does not know") { it.replaceFirst("\"kind\": \"statistics\"", "\"kind\": \"tensor\"") }
    }

    private fun refused(words: String, change: (String) -> String) {
        val error = assertThrows(PaintException::class.java) { Manifest.parse(manifestText(change)) }
        assertTrue("'${error.message}' does not say '$words'", words in error.message.orEmpty())
    }
}
