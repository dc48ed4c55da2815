package app.brushport

import android.Manifest.permission
import android.annotation.SuppressLint
import android.app.Activity
import android.app.AlertDialog
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.os.Parcelable
import android.provider.MediaStore
import android.view.MotionEvent
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.SeekBar
import android.widget.TextView
import app.brushport.paint.Brush
import app.brushport.paint.PaintException
import kotlin.math.max

/** The easel: a photo, its painting laid over it, and what to paint it with. */
class MainActivity : Activity() {
    private lateinit var studio: Studio
    private lateinit var strip: StyleStrip
    private lateinit var painting: ImageView
    private val watcher = { show() }
    private var captured: Uri? = null
    private var afterPermission: (() -> Unit)? = null

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.activity_main)
        studio = Studio.of(this)
        strip = StyleStrip(findViewById(R.id.styles) as ViewGroup, studio::choose)
        painting = findViewById(R.id.painting) as ImageView
        pressToCompare()
        onSlide(R.id.strength) { value, _ ->
            studio.strength = value
            painting.imageAlpha = (value * OPAQUE).toInt()
        }
        onSlide(R.id.mix) { value, released -> if (released) studio.choose(studio.brush.copy(mix = value)) }
        onClick(R.id.gallery) { start(pick(), PICK) }
        onClick(R.id.camera) { allowed(permission.CAMERA) { allowedToWrite { takePhoto() } } }
        onClick(R.id.live) { allowed(permission.CAMERA) { startActivity(Intent(this, LiveActivity::class.java)) } }
        onClick(R.id.benchmark) { startActivity(Intent(this, BenchmarkActivity::class.java)) }
        onClick(R.id.save) { allowedToWrite { studio.save { } } }
        onClick(R.id.share) { allowedToWrite { studio.save(::share) } }
        onClick(R.id.size) { askSize() }
        onClick(R.id.processor) { askProcessor() }
        onClick(R.id.stop) { studio.stop() }
        if (state != null) restore(state) else receive(intent)
    }

    override fun onStart() {
        super.onStart()
        studio.watch(watcher)
    }

    override fun onStop() {
        studio.unwatch(watcher)
        super.onStop()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putString(URI, studio.uri?.toString())
        state.putString(CAPTURED, captured?.toString())
        state.putInt(FIRST, studio.brush.first)
        state.putInt(SECOND, studio.brush.second)
        state.putFloat(MIX, studio.brush.mix)
        state.putInt(SIZE, studio.size)
        state.putFloat(STRENGTH, studio.strength)
    }

    private fun restore(state: Bundle) {
        captured = state.getString(CAPTURED)?.let(Uri::parse)
        val brush = Brush(state.getInt(FIRST), state.getInt(SECOND), state.getFloat(MIX))
        studio.restore(state.getString(URI)?.let(Uri::parse), brush, state.getInt(SIZE), state.getFloat(STRENGTH))
    }

    /** A photo that another app shares. */
    @Suppress("DEPRECATION") // the typed call is of Android 13
    private fun receive(sent: Intent) {
        if (sent.action == Intent.ACTION_SEND) {
            (sent.getParcelableExtra<Parcelable>(Intent.EXTRA_STREAM) as? Uri)?.let(studio::open)
        }
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        receive(intent)
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        when (request) {
            PICK -> data?.data?.let { picked ->
                keepAccess(picked)
                studio.open(picked)
            }

            CAPTURE -> captured?.let {
                if (result == RESULT_OK) studio.open(it) else Photos(this).discard(it)
                captured = null
            }
        }
    }

    /** So that the photo can be read again after the system ended the app. */
    private fun keepAccess(picked: Uri) {
        try {
            contentResolver.takePersistableUriPermission(picked, Intent.FLAG_GRANT_READ_URI_PERMISSION)
        } catch (_: SecurityException) {
            // this provider grants access for now only
        }
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        super.onRequestPermissionsResult(request, permissions, results)
        val next = afterPermission
        afterPermission = null
        if (results.firstOrNull() == PackageManager.PERMISSION_GRANTED) {
            next?.invoke()
        } else if (permissions.isNotEmpty()) {
            val camera = permissions[0] == permission.CAMERA
            studio.say(getString(if (camera) R.string.error_camera_permission else R.string.error_storage_permission))
        }
    }

    private fun show() {
        val manifest = studio.manifest
        if (manifest != null) strip.show(manifest.styles, studio.thumbnails, studio.brush)
        (findViewById(R.id.photo) as ImageView).setImageBitmap(studio.shownPhoto)
        painting.setImageBitmap(studio.shownPainting)
        painting.imageAlpha = (studio.strength * OPAQUE).toInt()
        (findViewById(R.id.strength) as SeekBar).progress = (studio.strength * PERCENT).toInt()
        showMix()
        showProgress()
        val progress = studio.progress
        text(R.id.status).text = when {
            studio.message.isNotEmpty() -> studio.message
            progress == null -> studio.status
            progress.second == 0 -> getString(R.string.painting)
            else -> getString(R.string.painting_tiles, progress.first, progress.second)
        }
        text(R.id.message).visibility = if (studio.photo == null && progress == null) View.VISIBLE else View.GONE
        if (studio.message.isNotEmpty()) text(R.id.message).text = studio.message
        val finished = studio.painting != null
        (findViewById(R.id.save) as View).isEnabled = finished
        (findViewById(R.id.share) as View).isEnabled = finished
    }

    private fun showMix() {
        val styles = studio.manifest?.styles.orEmpty()
        val (first, second) = styles.getOrNull(studio.brush.first) to styles.getOrNull(studio.brush.second)
        val visible = if (first != null && second != null) View.VISIBLE else View.GONE
        text(R.id.mix_label).visibility = visible
        (findViewById(R.id.mix) as SeekBar).let {
            it.visibility = visible
            if (!it.isPressed) it.progress = (studio.brush.mix * PERCENT).toInt()
        }
        if (first != null && second != null) {
            text(R.id.mix_label).text = getString(R.string.mix, first.title, second.title)
        }
    }

    private fun showProgress() {
        val bar = findViewById(R.id.progress) as ProgressBar
        val progress = studio.progress
        val visible = if (progress == null) View.INVISIBLE else View.VISIBLE
        bar.visibility = visible
        (findViewById(R.id.stop) as View).visibility = visible
        if (progress != null) {
            bar.isIndeterminate = progress.second == 0
            bar.max = max(1, progress.second)
            bar.progress = progress.first
        }
    }

    @SuppressLint("ClickableViewAccessibility") // what a press shows is described in words
    private fun pressToCompare() = painting.setOnTouchListener { _, event ->
        when (event.actionMasked) {
            MotionEvent.ACTION_DOWN -> painting.imageAlpha = 0
            MotionEvent.ACTION_UP, MotionEvent.ACTION_CANCEL -> painting.imageAlpha = (studio.strength * OPAQUE).toInt()
        }
        true
    }

    private fun pick() = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")

    private fun takePhoto() {
        try {
            val place = Photos(this).newPicture("photo-${System.currentTimeMillis()}", pending = false)
            captured = place
            start(Intent(MediaStore.ACTION_IMAGE_CAPTURE).putExtra(MediaStore.EXTRA_OUTPUT, place), CAPTURE)
        } catch (error: PaintException) {
            studio.say(error.message.orEmpty())
        }
    }

    private fun share(saved: Uri) {
        val send = Intent(Intent.ACTION_SEND).setType("image/jpeg").putExtra(Intent.EXTRA_STREAM, saved)
        send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        startActivity(Intent.createChooser(send, getString(R.string.share)))
    }

    private fun start(intent: Intent, request: Int) {
        try {
            startActivityForResult(intent, request)
        } catch (_: ActivityNotFoundException) {
            studio.say(getString(R.string.error_no_app))
        }
    }

    private fun askSize() {
        val manifest = studio.manifest ?: return
        val own = max(manifest.width, manifest.height)
        if (manifest.tiles == null) {
            studio.say(getString(R.string.error_size, manifest.width, manifest.height))
            return
        }
        val sizes = listOf(0, 2 * own, 4 * own, Studio.FULL)
        val labels = sizes.map {
            when (it) {
                0 -> getString(R.string.size_pixels, own)
                Studio.FULL -> getString(R.string.size_full)
                else -> getString(R.string.size_pixels, it)
            }
        }
        ask(R.string.size, labels, sizes.indexOf(studio.size)) { studio.resize(sizes[it]) }
    }

    private fun askProcessor() {
        val settings = Settings(this)
        val now = settings.setting
        val chosen = Settings.CHOICES.indexOfFirst { it.processor == now.processor && it.threads == now.threads }
        ask(R.string.processor, Settings.CHOICES.map { Settings.label(this, it) }, chosen) {
            settings.setting = Settings.CHOICES[it]
            studio.reload()
        }
    }

    private fun ask(title: Int, labels: List<String>, chosen: Int, choose: (Int) -> Unit) {
        AlertDialog.Builder(this)
            .setTitle(title)
            .setSingleChoiceItems(labels.toTypedArray(), chosen) { dialog, index ->
                dialog.dismiss()
                choose(index)
            }
            .show()
    }

    /** Saving takes a permission up to Android 9 only. */
    private fun allowedToWrite(next: () -> Unit) =
        if (Build.VERSION.SDK_INT < ANDROID_10) allowed(permission.WRITE_EXTERNAL_STORAGE, next) else next()

    private fun allowed(name: String, next: () -> Unit) {
        if (checkSelfPermission(name) == PackageManager.PERMISSION_GRANTED) {
            next()
        } else {
            afterPermission = next
            requestPermissions(arrayOf(name), PERMISSION)
        }
    }

    private fun text(id: Int) = findViewById(id) as TextView

    private fun onClick(id: Int, act: () -> Unit) = (findViewById(id) as View).setOnClickListener { act() }

    /** [act] on a slider's value in 0..1 as the user moves it, and when it is let go. */
    private fun onSlide(id: Int, act: (Float, Boolean) -> Unit) =
        (findViewById(id) as SeekBar).setOnSeekBarChangeListener(
            object : SeekBar.OnSeekBarChangeListener {
                override fun onProgressChanged(bar: SeekBar, value: Int, byUser: Boolean) {
                    if (byUser) act(value / PERCENT, false)
                }

                override fun onStartTrackingTouch(bar: SeekBar) = Unit

                override fun onStopTrackingTouch(bar: SeekBar) = act(bar.progress / PERCENT, true)
            }
        )

    companion object {
        private const val PICK = 1
        private const val CAPTURE = 2
        private const val PERMISSION = 3
        private const val OPAQUE = 255
        private const val PERCENT = 100f
        private const val ANDROID_10 = 29
        private const val URI = "uri"
        private const val CAPTURED = "captured"
        private const val FIRST = "first"
        private const val SECOND = "second"
        private const val MIX = "mix"
        private const val SIZE = "size"
        private const val STRENGTH = "strength"
    }
}
