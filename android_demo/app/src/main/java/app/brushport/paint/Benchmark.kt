package app.brushport.paint

import java.io.ByteArrayOutputStream
import java.util.zip.Deflater
import java.util.zip.DeflaterOutputStream
import org.json.JSONArray
import org.json.JSONObject

/** One thing to measure: a processor, and for the CPU how many threads. */
class Setting(val processor: Processor, val threads: Int)

/** What one [Setting] took: milliseconds of each run after warming up, of loading, and megabytes of memory beyond. */
class Measurement(
    val setting: Setting,
    val usedProcessor: Processor,
    val fallback: String?,
    val loading: Double,
    val milliseconds: List<Double>,
    val megabytes: Double,
    val painted: IntArray
) {
    val median: Double get() = milliseconds.sorted().let { (it[(it.size - 1) / 2] + it[it.size / 2]) / 2 }
}

/**
 * Times a model, and keeps what it painted, so that `python -m validate --device-report` can tell on a computer how
 * fast this device paints and whether it paints the same picture.
 */
object Benchmark {
    const val FORMAT = 1
    private const val WARM_UP = 3

    /**
     * Measures one [setting] over [runs] runs on [pattern], in the first style.
     *
     * [open] loads the model; [memory] tells the bytes that the app holds now; [goOn] is asked between runs.
     */
    fun measure(
        setting: Setting,
        runs: Int,
        open: (Setting) -> StyleModel,
        memory: () -> Long,
        goOn: () -> Boolean = { true }
    ): Measurement {
        val before = memory()
        val started = System.nanoTime()
        open(setting).use { model ->
            val loading = (System.nanoTime() - started) / 1e6
            val (height, width) = model.manifest.height to model.manifest.width
            val picture = pattern(width, height)
            val painted = IntArray(picture.size)
            val weights = FloatArray(model.manifest.styles.size) { if (it == 0) 1f else 0f }
            val times = mutableListOf<Double>()
            repeat(WARM_UP + runs) {
                if (!goOn()) throw Stopped()
                model.paint(picture, weights, painted)
                times += model.milliseconds
            }
            val grown = maxOf(0, memory() - before) / 1e6
            return Measurement(
                setting, model.processor, model.fallback, loading, times.drop(WARM_UP), grown, painted
            )
        }
    }

    /** The picture that every device paints; whole numbers only, so that it is the same everywhere. */
    fun pattern(width: Int, height: Int): IntArray = IntArray(width * height) { place ->
        val (x, y) = place % width to place / width
        val wave = (x * x / 97 + y * y / 61) % 256
        val red = (x * 255 / maxOf(1, width - 1) + wave) / 2
        val green = (y * 255 / maxOf(1, height - 1) + 255 - wave) / 2
        val blue = (x / 32 + y / 32) % 2 * 128 + wave / 2
        (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
    }

    /**
     * The report as JSON: of which model, on which [device] (facts by name), what each setting took and painted.
     *
     * A painting is its RGB bytes, deflated (zlib), as text by [base64].
     */
    fun report(
        manifest: Manifest,
        device: Map<String, String>,
        measurements: List<Measurement>,
        base64: (ByteArray) -> String
    ): String {
        val runs = JSONArray()
        for (one in measurements) {
            runs.put(
                JSONObject()
                    .put("processor", one.setting.processor.name.lowercase())
                    .put("used", one.usedProcessor.name.lowercase())
                    .put("fallback", one.fallback ?: JSONObject.NULL)
                    .put("threads", one.setting.threads)
                    .put("loading_ms", one.loading)
                    .put("milliseconds", JSONArray(one.milliseconds))
                    .put("memory_mb", one.megabytes)
                    .put("painting", base64(deflated(one.painted)))
            )
        }
        val model = JSONObject().put("file", manifest.file).put("sha256", manifest.sha256)
        return JSONObject()
            .put("brushport_device_report", FORMAT)
            .put("model", model.put("name", manifest.name).put("precision", manifest.precision))
            .put("picture", JSONObject().put("width", manifest.width).put("height", manifest.height))
            .put("device", JSONObject(device))
            .put("runs", runs)
            .toString(1)
    }

    private fun deflated(pixels: IntArray): ByteArray {
        val bytes = ByteArrayOutputStream()
        DeflaterOutputStream(bytes, Deflater(Deflater.BEST_COMPRESSION)).use { packed ->
            for (pixel in pixels) for (shift in intArrayOf(16, 8, 0)) packed.write(pixel shr shift)
        }
        return bytes.toByteArray()
    }
}
