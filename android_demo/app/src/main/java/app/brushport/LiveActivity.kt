package app.brushport

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Matrix
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.TextView
import android.widget.Toast
import app.brushport.paint.Brush
import app.brushport.paint.Frame
import app.brushport.paint.PaintException
import app.brushport.paint.Pixels
import java.util.concurrent.atomic.AtomicBoolean

/** What the camera sees, painted as it comes: the middle of each frame that the model can keep up with. */
class LiveActivity : Activity() {
    private lateinit var studio: Studio
    private lateinit var strip: StyleStrip
    private lateinit var view: ImageView
    private val watcher = { showStyles() }
    private val busy = AtomicBoolean()
    private var camera: Camera? = null
    private var shown: Bitmap? = null
    private var lastFrame = 0L
    private var memory = 0L
    private var memoryCounted = 0L

    @Volatile
    private var brush = Brush()

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.activity_live)
        studio = Studio.of(this)
        view = findViewById(R.id.frame) as ImageView
        brush = if (state == null) studio.brush else Brush(state.getInt(FIRST), state.getInt(SECOND_STYLE))
        strip = StyleStrip(findViewById(R.id.styles) as ViewGroup) {
            brush = it
            showStyles()
        }
        (findViewById(R.id.take) as View).setOnClickListener { save() }
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(FIRST, brush.first)
        state.putInt(SECOND_STYLE, brush.second)
    }

    override fun onStart() {
        super.onStart()
        studio.watch(watcher)
    }

    private fun startCamera() {
        val manifest = studio.manifest ?: return
        val side = maxOf(manifest.width, manifest.height)
        camera = Camera(this, side, ::receive) { reason ->
            runOnUiThread { say(getString(R.string.error_camera, reason)) }
        }.apply { start() }
    }

    override fun onStop() {
        camera?.close()
        camera = null
        studio.unwatch(watcher)
        super.onStop()
    }

    private fun showStyles() {
        studio.manifest?.let { strip.show(it.styles, studio.thumbnails, brush) }
        if (camera == null) startCamera()
        if (studio.message.isNotEmpty()) say(studio.message)
    }

    /** On the camera's thread: copies the frame and has it painted, unless one is being painted. */
    private fun receive(frame: Frame) {
        val manifest = studio.manifest ?: return
        if (!busy.compareAndSet(false, true)) return
        val pixels = IntArray(manifest.width * manifest.height)
        Pixels.fromYuv(frame, manifest.width, manifest.height, pixels)
        studio.inBackground {
            try {
                paint(pixels, manifest.width, manifest.height)
            } finally {
                busy.set(false)
            }
        }
    }

    private fun paint(pixels: IntArray, width: Int, height: Int) {
        val model = studio.model()
        val painted = IntArray(pixels.size)
        model.paint(pixels, brush.weights(model.manifest.styles.size), painted)
        val bitmap = Bitmap.createBitmap(painted, width, height, Bitmap.Config.ARGB_8888)
        val now = System.nanoTime()
        val rate = 1e9 / maxOf(1, now - lastFrame)
        lastFrame = now
        if (now - memoryCounted > SECOND) {
            memory = Studio.memory() / 1_000_000
            memoryCounted = now
        }
        val status = getString(
            R.string.live_status, model.milliseconds.toInt(), rate, studio.described(model), memory
        )
        runOnUiThread {
            shown = bitmap
            view.setImageBitmap(bitmap)
            view.rotation = turn().toFloat()
            say(status)
        }
    }

    /** By how many degrees frames are to be turned on the screen as it is held now. */
    @Suppress("DEPRECATION") // what replaces it is of Android 11
    private fun turn(): Int {
        val held = windowManager.defaultDisplay.rotation * 90
        return ((camera?.orientation ?: 0) - held + 360) % 360
    }

    private fun save() {
        val frame = shown ?: return
        val turn = Matrix().apply { setRotate(turn().toFloat()) }
        studio.inBackground {
            try {
                val upright = Bitmap.createBitmap(frame, 0, 0, frame.width, frame.height, turn, true)
                Photos(this).save(upright, "live-${System.currentTimeMillis()}")
                runOnUiThread { Toast.makeText(this, R.string.saved, Toast.LENGTH_SHORT).show() }
            } catch (error: PaintException) {
                runOnUiThread { say(error.message.orEmpty()) }
            }
        }
    }

    private fun say(sentence: String) {
        (findViewById(R.id.status) as TextView).text = sentence
    }

    companion object {
        private const val FIRST = "first"
        private const val SECOND_STYLE = "second"
        private const val SECOND = 1_000_000_000L
    }
}
