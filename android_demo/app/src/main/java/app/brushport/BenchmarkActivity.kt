package app.brushport

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.util.Base64
import android.view.View
import android.widget.TextView
import app.brushport.paint.Benchmark
import app.brushport.paint.Measurement
import java.io.IOException

/** Times the model in each setting, and saves a report for `python -m validate --device-report`. */
class BenchmarkActivity : Activity() {
    private lateinit var studio: Studio
    private lateinit var results: TextView
    private val watcher = { if (studio.message.isNotEmpty()) results.text = studio.message }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.activity_benchmark)
        studio = Studio.of(this)
        results = findViewById(R.id.results) as TextView
        (findViewById(R.id.run) as View).setOnClickListener { run() }
        (findViewById(R.id.save) as View).setOnClickListener { save() }
        (findViewById(R.id.save) as View).isEnabled = report != null
        lines?.let { results.text = it }
    }

    @Volatile
    private var stopped = false

    override fun onDestroy() {
        stopped = true
        super.onDestroy()
    }

    override fun onStart() {
        super.onStart()
        studio.watch(watcher)
    }

    override fun onStop() {
        studio.unwatch(watcher)
        super.onStop()
    }

    private fun run() {
        (findViewById(R.id.run) as View).isEnabled = false
        results.text = ""
        studio.inBackground {
            studio.closeModel()
            try {
                measure()
            } finally {
                runOnUiThread { (findViewById(R.id.run) as View).isEnabled = true }
            }
        }
    }

    private fun measure() {
        val files = studio.files()
        val measured = mutableListOf<Measurement>()
        for (setting in Settings.CHOICES) {
            val label = Settings.label(this, setting)
            show(measured, getString(R.string.measuring, label))
            measured += Benchmark.measure(setting, RUNS, files::open, Studio::memory) { !stopped }
        }
        val made = Benchmark.report(files.manifest, device(), measured) { Base64.encodeToString(it, Base64.NO_WRAP) }
        report = made
        show(measured, "")
        runOnUiThread { (findViewById(R.id.save) as View).isEnabled = true }
    }

    private fun show(measured: List<Measurement>, more: String) {
        val text = (measured.map(::line) + more).joinToString("\n")
        lines = text
        runOnUiThread { results.text = text }
    }

    private fun line(one: Measurement): String {
        val label = Settings.label(this, one.setting)
        val line = getString(R.string.benchmark_line, label, one.median, one.loading, one.megabytes)
        return one.fallback?.let { "$line\n$it" } ?: line
    }

    private fun device() = mapOf(
        "manufacturer" to Build.MANUFACTURER,
        "model" to Build.MODEL,
        "android" to Build.VERSION.RELEASE,
        "api" to Build.VERSION.SDK_INT.toString(),
        "abi" to Build.SUPPORTED_ABIS.first()
    )

    private fun save() {
        val name = "brushport-${Build.MODEL.replace(' ', '-')}.json"
        val create = Intent(Intent.ACTION_CREATE_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE)
        try {
            startActivityForResult(create.setType("application/json").putExtra(Intent.EXTRA_TITLE, name), SAVE)
        } catch (_: ActivityNotFoundException) {
            results.text = getString(R.string.error_no_app)
        }
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val place = data?.data
        if (request == SAVE && result == RESULT_OK && place != null) write(place)
    }

    private fun write(place: Uri) {
        try {
            val stream = contentResolver.openOutputStream(place) ?: throw IOException(place.toString())
            stream.use { it.write(report.orEmpty().toByteArray()) }
            results.append("\n" + getString(R.string.report_saved))
        } catch (error: IOException) {
            results.append("\n" + getString(R.string.error_save, error.message))
        }
    }

    companion object {
        private const val SAVE = 1
        private const val RUNS = 30

        // Of the last run, kept while the device is turned.
        private var report: String? = null
        private var lines: String? = null
    }
}
