package app.brushport.paint

import java.io.File
import java.io.RandomAccessFile
import java.lang.management.ManagementFactory
import java.lang.management.MemoryType
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * Paints a large photo with the app's own classes: `LargePhoto ASSETS PHOTO WIDTH HEIGHT STYLE PAINTING`.
 *
 * Photo and painting are raw RGB files; in memory they are arrays of pixels, as a bitmap of ARGB_8888 is. Prints
 * seconds, runs, where tiles meet, and the largest heap, with and without the two pictures.
 */
fun main(arguments: Array<String>) {
    val assets = File(arguments[0])
    val (width, height, style) = arguments.slice(2..4).map { it.toInt() }
    val manifest = Manifest.parse(requireNotNull(assets.listFiles()).single { it.extension == "json" }.readText())
    val bytes = File(assets, manifest.file).readBytes()
    val content = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).put(bytes)
    val photo = IntArray(width * height)
    File(arguments[1]).inputStream().buffered().use { file ->
        for (place in photo.indices) photo[place] = pixel(file.read(), file.read(), file.read())
    }
    val painting = IntArray(width * height)
    val source = object : Source {
        override val width = width
        override val height = height

        override fun read(left: Int, top: Int, width: Int, height: Int, pixels: IntArray) {
            for (y in 0 until height) {
                val from = (top + y) * this.width + left
                photo.copyInto(pixels, y * width, from, from + width)
            }
        }
    }
    val started = System.nanoTime()
    var runs = 0
    StyleModel(content, manifest, threads = 2).use { model ->
        val weights = FloatArray(manifest.styles.size) { if (it == style) 1f else 0f }
        val sink = Sink { left, top, w, h, pixels, offset, stride ->
            for (y in 0 until h) {
                pixels.copyInto(painting, (top + y) * width + left, offset + y * stride, offset + y * stride + w)
            }
        }
        Tiler(model).paint(source, weights, sink, { done, _ -> true.also { runs = done } })
    }
    println("seconds ${(System.nanoTime() - started) / 1e9}")
    println("runs $runs")
    val halo = requireNotNull(manifest.tiles).halo
    println("columns ${Grid(width, manifest.width, halo).cuts.joinToString(" ")}")
    println("rows ${Grid(height, manifest.height, halo).cuts.joinToString(" ")}")
    val heap = ManagementFactory.getMemoryPoolMXBeans().filter {
        it.type == MemoryType.HEAP
    }.sumOf { it.peakUsage.used }
    println("heap $heap")
    println("pictures ${4L * 2 * width * height}")
    RandomAccessFile(arguments[5], "rw").use { file ->
        val row = ByteArray(3 * width)
        for (y in 0 until height) {
            for (x in 0 until width) {
                val pixel = painting[y * width + x]
                for (channel in 0 until 3) row[3 * x + channel] = (pixel shr 16 - 8 * channel).toByte()
            }
            file.write(row)
        }
    }
}
