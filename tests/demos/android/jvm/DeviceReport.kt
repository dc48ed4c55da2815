package app.brushport.paint

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Base64

/** Writes the report that the app's benchmark screen writes, of this host: `DeviceReport ASSETS REPORT`. */
fun main(arguments: Array<String>) {
    val assets = File(arguments[0])
    val manifest = Manifest.parse(requireNotNull(assets.listFiles()).single { it.extension == "json" }.readText())
    val bytes = File(assets, manifest.file).readBytes()
    val content = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).put(bytes)
    val memory = { Runtime.getRuntime().let { it.totalMemory() - it.freeMemory() } }
    val measured = listOf(Setting(Processor.CPU, 2), Setting(Processor.GPU, 1)).map { setting ->
        Benchmark.measure(setting, 3, { StyleModel(content, manifest, it.processor, it.threads) }, memory)
    }
    val device = mapOf("manufacturer" to "Host", "model" to System.getProperty("os.arch"))
    File(arguments[1]).writeText(
        Benchmark.report(manifest, device, measured) { Base64.getEncoder().encodeToString(it) }
    )
}
