package app.brushport.paint

import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Test

class BenchmarkTest {
    @Test
    fun aReportSaysWhatWasMeasuredOfWhat() {
        val setting = Setting(Processor.GPU, 1)
        val painted = IntArray(64 * 128) { pixel(1, 2, 3) }
        val one = Measurement(setting, Processor.CPU, "no GPU", 12.0, listOf(3.0, 1.0, 2.0, 9.0), 40.0, painted)
        assertEquals(2.5, one.median, 0.0)
        val packed = mutableListOf<ByteArray>()
        val text = Benchmark.report(Manifest.parse(manifestText()), mapOf("model" to "Phone"), listOf(one)) {
            packed += it
            "painted"
        }
        val report = JSONObject(text)
        assertEquals(1, report.getInt("brushport_device_report"))
        assertEquals("painter-int8.tflite", report.getJSONObject("model").getString("file"))
        assertEquals(128, report.getJSONObject("picture").getInt("width"))
        val run = report.getJSONArray("runs").getJSONObject(0)
        assertEquals("gpu", run.getString("processor"))
        assertEquals("cpu", run.getString("used"))
        assertEquals("painted", run.getString("painting"))
        val bytes = java.util.zip.InflaterInputStream(packed.single().inputStream()).readBytes()
        assertEquals(3 * 64 * 128, bytes.size)
        assertEquals(listOf<Byte>(1, 2, 3, 1), bytes.take(4))
    }

    @Test
    fun thePatternIsTheSameEverywhere() {
        val bytes = Benchmark.pattern(64, 48).flatMap { listOf((it shr 16).toByte(), (it shr 8).toByte(), it.toByte()) }
        val sum = java.util.zip.CRC32().apply { update(bytes.toByteArray()) }
        assertEquals(3465853655L, sum.value) // as tests/validate/test_device_report.py has it
    }
}
