package app.brushport.paint

import java.nio.ByteBuffer
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class PixelsTest {
    private val pixels = intArrayOf(pixel(255, 0, 0), pixel(1, 128, 254))

    @Test
    fun bytesAreRedGreenBlue() {
        val port = Port("image", intArrayOf(1, 1, 2, 3), true, 0f, 255f)
        val tensor = Pixels.buffer(port)
        Pixels.toTensor(pixels, port, tensor)
        assertEquals(listOf(255, 0, 0, 1, 128, 254), List(6) { tensor.get(it).toInt() and 255 })
        assertArrayEquals(pixels, IntArray(2).also { Pixels.fromTensor(tensor, port, it) })
    }

    @Test
    fun floatsFillTheRangeOfThePort() {
        val port = Port("image", intArrayOf(1, 1, 2, 3), false, -1f, 1f)
        val tensor = Pixels.buffer(port)
        Pixels.toTensor(pixels, port, tensor)
        val expected = listOf(1f, -1f, -1f, -1 + 2 / 255f, -1 + 256 / 255f, -1 + 508 / 255f)
        expected.forEachIndexed { index, value -> assertEquals(value, tensor.getFloat(4 * index), 1e-6f) }
        assertArrayEquals(pixels, IntArray(2).also { Pixels.fromTensor(tensor, port, it) })
    }

    @Test
    fun whatIsBeyondTheRangeIsClippedAndNotANumberIsBlack() {
        val port = Port("painting", intArrayOf(1, 1, 1, 3), false, 0f, 1f)
        val tensor = Pixels.buffer(port)
        tensor.putFloat(-3f).putFloat(7f).putFloat(Float.NaN)
        assertArrayEquals(intArrayOf(pixel(0, 255, 0)), IntArray(1).also { Pixels.fromTensor(tensor, port, it) })
    }

    @Test
    fun strengthGoesFromThePhotoToThePainting() {
        val photo = intArrayOf(pixel(10, 200, 0))
        fun at(strength: Float) = intArrayOf(pixel(110, 100, 255)).also { Pixels.blend(photo, it, strength) }
        assertArrayEquals(photo, at(0f))
        assertArrayEquals(intArrayOf(pixel(110, 100, 255)), at(1f))
        assertArrayEquals(intArrayOf(pixel(60, 150, 128)), at(0.5f))
    }

    @Test
    fun aCameraFrameHasTheColorsThatJpegGivesIt() {
        // 2 x 2 pixels share a color: pure red is Y 76, Cb 85, Cr 255 (rounded)
        val luma = ByteBuffer.wrap(byteArrayOf(76, 76, 99, 76, 76, 99)) // a row of 3 bytes, 2 of them pixels
        val chroma = { value: Int -> ByteBuffer.wrap(byteArrayOf(value.toByte())) }
        val frame = IntArray(4)
        Pixels.fromYuv(Frame(2, 2, luma, chroma(85), chroma(255), 3, 1, 1), 2, 2, frame)
        for (one in frame) {
            assertTrue(one shr 16 and 255 >= 253)
            assertTrue(one shr 8 and 255 <= 2)
            assertTrue(one and 255 <= 2)
        }
        Pixels.fromYuv(Frame(2, 2, luma, chroma(128), chroma(128), 3, 1, 1), 2, 2, frame)
        assertArrayEquals(IntArray(4) { pixel(76, 76, 76) }, frame)
    }

    @Test
    fun theMiddleSquareOfAFrameIsTaken() {
        val luma = ByteBuffer.wrap(ByteArray(6 * 2) { (it % 6 * 10).toByte() }) // columns 0, 10, .. 50
        val gray = ByteBuffer.wrap(ByteArray(3) { 128.toByte() })
        val square = IntArray(4)
        Pixels.fromYuv(Frame(6, 2, luma, gray, gray, 6, 3, 1), 2, 2, square)
        assertArrayEquals(intArrayOf(20, 30, 20, 30).map { pixel(it, it, it) }.toIntArray(), square)
    }
}
