package app.brushport

import android.app.ActivityManager
import android.content.Context
import android.graphics.Bitmap
import android.net.Uri
import android.os.Build
import android.os.Debug
import android.os.Handler
import android.os.Looper
import app.brushport.paint.Brush
import app.brushport.paint.Manifest
import app.brushport.paint.PaintException
import app.brushport.paint.Setting
import app.brushport.paint.Stopped
import app.brushport.paint.StyleModel
import app.brushport.paint.Tiler
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors
import kotlin.math.max

/**
 * The photo on the easel, and the one thread that paints it.
 *
 * It outlives the screens, so that turning the device neither stops a painting nor begins it anew. Everything but
 * [inBackground]'s work happens on the main thread; who [watch]es is called there after each change.
 */
class Studio private constructor(private val context: Context) {
    private val main = Handler(Looper.getMainLooper())
    private val worker: ExecutorService = Executors.newSingleThreadExecutor()
    private val photos = Photos(context)
    private val settings = Settings(context)
    private var files: ModelFiles? = null
    private var model: StyleModel? = null

    @Volatile
    private var round = 0 // of painting; a new one stops the one before
    private var stale = true // the photo is to be read: it is another one, or of another size, than the one at hand

    private val watchers = mutableListOf<() -> Unit>()
    var manifest: Manifest? = null
        private set

    /** Where the photo came from. */
    var uri: Uri? = null
        private set
    var photo: Bitmap? = null
        private set
    var painting: Bitmap? = null
        private set

    /** [photo] and [painting], small enough for any screen. */
    var shownPhoto: Bitmap? = null
        private set
    var shownPainting: Bitmap? = null
        private set
    var thumbnails: List<Bitmap> = emptyList()
        private set

    var brush = Brush()
        private set

    /** The painting's longer side in pixels, 0 for the model's own, [FULL] for the photo's. */
    var size = 0
        private set
    var strength = 1f

    /** How far the painting is, in runs of the model: done and of how many; null when nothing is being painted. */
    var progress: Pair<Int, Int>? = null
        private set

    /** What was measured of the last painting, and what went wrong last, "" for nothing. */
    var status = ""
        private set
    var message = ""
        private set

    init {
        inBackground { files().manifest.let { found -> main.post { manifest = found; notifyChange() } } }
    }

    /** Puts the photo at [source] on the easel and paints it. */
    fun open(source: Uri) {
        uri = source
        thumbnails = emptyList()
        stale = true
        begin()
    }

    fun choose(wanted: Brush) {
        if (wanted == brush) return
        brush = wanted
        begin()
    }

    fun resize(wanted: Int) {
        if (wanted == size) return
        size = wanted
        stale = true
        begin()
    }

    /** Takes up what a screen had kept before the system ended the app. */
    fun restore(source: Uri?, kept: Brush, keptSize: Int, keptStrength: Float) {
        if (uri != null || source == null) return
        brush = kept
        size = keptSize
        strength = keptStrength
        open(source)
    }

    /** Paints on another processor from now on. */
    fun reload() {
        inBackground { closeModel() }
        begin()
    }

    /** Stops painting. */
    fun stop() {
        round++
        progress = null
        notifyChange()
    }

    /** Saves what is seen, at its full size, and hands its place to [done]. */
    fun save(done: (Uri) -> Unit) {
        val below = photo ?: return
        val above = painting ?: return
        val laid = strength
        say(context.getString(R.string.saving))
        inBackground {
            val blended = Photos.blended(below, above, laid)
            val saved = photos.save(blended, "brushport-${System.currentTimeMillis()}")
            main.post { say(context.getString(R.string.saved)); done(saved) }
        }
    }

    /** Runs [work] on the thread of the model; what it throws is said in words. */
    fun inBackground(work: () -> Unit) {
        worker.execute {
            try {
                work()
            } catch (_: Stopped) {
                // something newer is waiting
            } catch (error: PaintException) {
                complain(error.message.orEmpty())
            } catch (_: OutOfMemoryError) {
                complain(context.getString(R.string.error_memory))
            }
        }
    }

    /** The model, loaded on first use; on the thread of [inBackground] only. */
    fun model(): StyleModel = model ?: files().open(settings.setting).also { model = it }

    /** Frees the model, so that another setting can be measured; on the thread of [inBackground] only. */
    fun closeModel() {
        model?.close()
        model = null
    }

    fun files(): ModelFiles = files ?: ModelFiles(context).also { files = it }

    /** Which processor [opened] runs on, in words, with why it is not another one. */
    fun described(opened: StyleModel): String {
        val used = Settings.label(context, Setting(opened.processor, settings.setting.threads))
        return opened.fallback?.let { "$used. $it" } ?: used
    }

    private fun begin() {
        val source = uri ?: return notifyChange()
        val kept = if (stale) null else photo
        val known = thumbnails.isNotEmpty()
        val mine = ++round
        val wanted = brush
        val wantedSize = size
        message = ""
        progress = 0 to 0
        notifyChange()
        inBackground {
            if (mine == round) paint(source, kept, known, wanted, wantedSize, mine)
        }
    }

    private fun paint(source: Uri, kept: Bitmap?, known: Boolean, wanted: Brush, wantedSize: Int, mine: Int) {
        val model = model()
        val manifest = model.manifest
        val own = max(manifest.width, manifest.height)
        val side = if (wantedSize == 0) own else wantedSize
        val easel = kept ?: fitting(photos.read(source, side, mostPixels()), manifest)
        val shown = Photos.shown(easel, SCREEN)
        main.post {
            if (mine == round && kept == null) {
                stale = false
                show(easel, shown, null, null)
            }
        }
        if (!known) paintThumbnails(model, easel, mine)
        val started = System.nanoTime()
        val painted = Bitmap.createBitmap(easel.width, easel.height, Bitmap.Config.ARGB_8888)
        val tiler = Tiler(model)
        tiler.paint(BitmapSource(easel), wanted.weights(manifest.styles.size), BitmapSink(painted)) { done, of ->
            if (of > 1) main.post { if (mine == round) { progress = done to of; notifyChange() } }
            mine == round
        }
        val took = (System.nanoTime() - started) / 1_000_000
        val facts = context.getString(
            R.string.status, easel.width, easel.height, took.toInt(), described(model), memory() / MEGABYTE
        )
        val small = Photos.shown(painted, SCREEN)
        main.post {
            if (mine != round) return@post
            progress = null
            status = if (wantedSize == FULL && easel.width.toLong() * easel.height >= mostPixels() * 9 / 10) {
                facts + "\n" + context.getString(R.string.shrunk, easel.width, easel.height)
            } else {
                facts
            }
            show(easel, shown, painted, small)
        }
    }

    /** [read] as large as the model can paint it. */
    private fun fitting(read: Bitmap, manifest: Manifest): Bitmap {
        if (manifest.tiles != null) return read
        val scale = minOf(1f, manifest.width / read.width.toFloat(), manifest.height / read.height.toFloat())
        if (scale >= 1) return read
        val width = max(1, (read.width * scale).toInt())
        return Bitmap.createScaledBitmap(read, width, max(1, (read.height * scale).toInt()), true)
    }

    /** The photo in each style, small, for the strip. */
    private fun paintThumbnails(model: StyleModel, easel: Bitmap, mine: Int) {
        val small = fitting(Photos.shown(easel, minOf(model.manifest.width, model.manifest.height)), model.manifest)
        val found = model.manifest.styles.indices.map { style ->
            val painted = Bitmap.createBitmap(small.width, small.height, Bitmap.Config.ARGB_8888)
            val weights = Brush(style).weights(model.manifest.styles.size)
            Tiler(model).paint(BitmapSource(small), weights, BitmapSink(painted)) { _, _ -> mine == round }
            Photos.shown(painted, THUMBNAIL)
        }
        main.post {
            if (mine == round) {
                thumbnails = found
                notifyChange()
            }
        }
    }

    private fun show(photo: Bitmap, shownPhoto: Bitmap, painting: Bitmap?, shownPainting: Bitmap?) {
        this.photo = photo
        this.shownPhoto = shownPhoto
        this.painting = painting
        this.shownPainting = shownPainting
        notifyChange()
    }

    /** How many pixels a photo may have: with its painting, and while it is turned, a third of what is free. */
    private fun mostPixels(): Long {
        val facts = ActivityManager.MemoryInfo()
        (context.getSystemService(Context.ACTIVITY_SERVICE) as ActivityManager).getMemoryInfo(facts)
        val runtime = Runtime.getRuntime()
        // Up to Android 7 bitmaps lie in the app's own heap.
        val heap = if (Build.VERSION.SDK_INT < BITMAPS_BESIDE_THE_HEAP) runtime.maxMemory() else Long.MAX_VALUE
        return minOf(facts.availMem, heap) / SHARE / (BITMAPS * BYTES_A_PIXEL)
    }

    private fun complain(sentence: String) {
        main.post {
            progress = null
            say(sentence)
        }
    }

    /** Shows [sentence] in place of what was said before. */
    fun say(sentence: String) {
        message = sentence
        notifyChange()
    }

    /** Has [watcher] called after each change, and once now. */
    fun watch(watcher: () -> Unit) {
        watchers += watcher
        watcher()
    }

    fun unwatch(watcher: () -> Unit) {
        watchers -= watcher
    }

    private fun notifyChange() = watchers.toList().forEach { it() }

    companion object {
        const val FULL = Int.MAX_VALUE
        private const val SCREEN = 2048 // pixels that every GPU can show
        private const val THUMBNAIL = 192
        private const val MEGABYTE = 1_000_000
        private const val BYTES_A_PIXEL = 4
        private const val BITMAPS = 3
        private const val SHARE = 3
        private const val BITMAPS_BESIDE_THE_HEAP = 26

        @Volatile
        private var instance: Studio? = null

        /** The one studio of this process; to be asked for on the main thread. */
        fun of(context: Context): Studio =
            instance ?: Studio(context.applicationContext).also { instance = it }

        /** Bytes of memory that the app holds; takes a while to count. */
        fun memory(): Long = Debug.getPss() * 1024
    }
}
