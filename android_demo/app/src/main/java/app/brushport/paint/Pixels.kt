package app.brushport.paint

import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * Pixels of a bitmap to a model's tensor and back.
 *
 * A pixel is `0xAARRGGBB`, as `Bitmap.getPixels` gives it; a picture is an array of them, row by row. Tensors are NHWC
 * with red first.
 */
object Pixels {
    private const val OPAQUE = 0xFF shl 24
    private const val WHITE = 255

    /** A buffer for what [port] holds, in the byte order of this machine, which is what TensorFlow Lite reads. */
    fun buffer(port: Port): ByteBuffer = ByteBuffer.allocateDirect(port.bytes).order(ByteOrder.nativeOrder())

    /** Writes [pixels], as many as [port] has, into [tensor]; alpha is dropped. */
    fun toTensor(pixels: IntArray, port: Port, tensor: ByteBuffer) {
        tensor.rewind()
        if (port.isByte) {
            for (pixel in pixels) {
                tensor.put((pixel shr 16).toByte()).put((pixel shr 8).toByte()).put(pixel.toByte())
            }
        } else {
            val scale = (port.white - port.black) / WHITE
            for (pixel in pixels) {
                tensor.putFloat(port.black + scale * (pixel shr 16 and WHITE))
                tensor.putFloat(port.black + scale * (pixel shr 8 and WHITE))
                tensor.putFloat(port.black + scale * (pixel and WHITE))
            }
        }
        tensor.rewind()
    }

    /** Reads [tensor], which holds [port], into opaque [pixels]; what is beyond black or white is clipped. */
    fun fromTensor(tensor: ByteBuffer, port: Port, pixels: IntArray) {
        tensor.rewind()
        val scale = WHITE / (port.white - port.black)
        fun next(): Int =
            if (port.isByte) {
                tensor.get().toInt() and WHITE
            } else {
                val value = (tensor.getFloat() - port.black) * scale
                if (value.isNaN()) 0 else (value + 0.5f).toInt().coerceIn(0, WHITE)
            }
        for (index in pixels.indices) {
            pixels[index] = OPAQUE or (next() shl 16) or (next() shl 8) or next()
        }
        tensor.rewind()
    }

    /**
     * Lays [painted] over [original] in place of [painted]: `original + strength * (painted - original)`, rounded.
     *
     * [strength] goes from 0 (the photo) to 1 (the painting).
     */
    fun blend(original: IntArray, painted: IntArray, strength: Float) {
        val weight = (strength.coerceIn(0f, 1f) * 256).toInt()
        for (index in painted.indices) {
            val a = original[index]
            val b = painted[index]
            painted[index] = OPAQUE or (mix(a shr 16, b shr 16, weight) shl 16) or
                (mix(a shr 8, b shr 8, weight) shl 8) or mix(a, b, weight)
        }
    }

    private fun mix(a: Int, b: Int, weight: Int): Int {
        val from = a and WHITE
        return from + (((b and WHITE) - from) * weight + 128 shr 8)
    }

    /**
     * The middle of a camera's frame in YUV 4:2:0 (BT.601, full range, as JPEG has it) to opaque [pixels] of
     * [width] x [height]: as much as there is of that aspect ratio, nearest pixels.
     */
    fun fromYuv(frame: Frame, width: Int, height: Int, pixels: IntArray) {
        val scale = minOf(frame.width / width.toDouble(), frame.height / height.toDouble())
        val left = (frame.width - width * scale) / 2
        val top = (frame.height - height * scale) / 2
        for (row in 0 until height) {
            val y = (top + row * scale).toInt()
            for (column in 0 until width) {
                val x = (left + column * scale).toInt()
                val chroma = (y shr 1) * frame.chromaStride + (x shr 1) * frame.chromaStep
                val level = frame.luma.get(y * frame.lumaStride + x).toInt() and WHITE
                val u = (frame.blue.get(chroma).toInt() and WHITE) - 128
                val v = (frame.red.get(chroma).toInt() and WHITE) - 128
                // 1.402, 0.344, 0.714 and 1.772 in 1/65536, rounded
                val r = level + (91881 * v + 32768 shr 16)
                val g = level - (22554 * u + 46802 * v + 32768 shr 16)
                val b = level + (116130 * u + 32768 shr 16)
                pixels[row * width + column] = OPAQUE or (r.coerceIn(0, WHITE) shl 16) or
                    (g.coerceIn(0, WHITE) shl 8) or b.coerceIn(0, WHITE)
            }
        }
    }
}

/**
 * A camera's frame of [width] x [height]: its planes, the bytes between rows, and between neighbors in a row of the
 * color planes, as `Image.Plane` states them.
 */
class Frame(
    val width: Int,
    val height: Int,
    val luma: ByteBuffer,
    val blue: ByteBuffer,
    val red: ByteBuffer,
    val lumaStride: Int,
    val chromaStride: Int,
    val chromaStep: Int
)
