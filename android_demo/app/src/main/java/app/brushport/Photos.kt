package app.brushport

import android.content.ContentResolver
import android.content.ContentValues
import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import android.media.ExifInterface
import android.net.Uri
import android.os.Build
import android.provider.MediaStore
import app.brushport.paint.PaintException
import app.brushport.paint.Pixels
import app.brushport.paint.Sink
import app.brushport.paint.Source
import java.io.IOException
import java.io.InputStream
import kotlin.math.max
import kotlin.math.roundToInt
import kotlin.math.sqrt

/** Reads photos upright, and writes paintings into the gallery. */
class Photos(private val context: Context) {
    private val resolver: ContentResolver = context.contentResolver

    /**
     * The photo at [uri], turned as its EXIF says, its longer side at most [longSide] pixels and all of it at most
     * [mostPixels]. Throws [PaintException] where it cannot be read.
     */
    fun read(uri: Uri, longSide: Int, mostPixels: Long): Bitmap {
        try {
            val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            opened(uri) { BitmapFactory.decodeStream(it, null, bounds) }
            if (bounds.outWidth <= 0 || bounds.outHeight <= 0) throw IOException(context.getString(R.string.gallery))
            val wanted = scale(bounds.outWidth, bounds.outHeight, longSide, mostPixels)
            val options = BitmapFactory.Options().apply { inSampleSize = sample(wanted) }
            val decoded = opened(uri) { BitmapFactory.decodeStream(it, null, options) }
                ?: throw IOException(bounds.outMimeType ?: "?")
            return upright(decoded, orientation(uri), scale(decoded.width, decoded.height, longSide, mostPixels))
        } catch (error: IOException) {
            throw unreadable(error)
        } catch (error: SecurityException) {
            throw unreadable(error)
        }
    }

    private fun unreadable(error: Exception) =
        PaintException(context.getString(R.string.error_photo, error.message), error)

    private fun <T> opened(uri: Uri, read: (InputStream) -> T): T =
        resolver.openInputStream(uri)?.use(read) ?: throw IOException(uri.toString())

    /** By how much to shrink, 1 for not at all. */
    private fun scale(width: Int, height: Int, longSide: Int, mostPixels: Long): Double {
        val bySide = longSide / max(width, height).toDouble()
        val byMemory = sqrt(mostPixels / (width.toDouble() * height))
        return minOf(1.0, bySide, byMemory)
    }

    /** The power of two by which the decoder may shrink without falling below [wanted]. */
    private fun sample(wanted: Double): Int {
        var sample = 1
        while (wanted * sample * 2 <= 1) sample *= 2
        return sample
    }

    private fun orientation(uri: Uri): Int = try {
        opened(uri) { ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, 1) }
    } catch (_: IOException) {
        1 // not every picture has EXIF
    }

    private fun upright(bitmap: Bitmap, orientation: Int, scale: Double): Bitmap {
        val turn = Matrix()
        if (scale < 1) turn.setScale(scale.toFloat(), scale.toFloat())
        when (orientation) {
            2 -> turn.postScale(-1f, 1f)
            3 -> turn.postRotate(180f)
            4 -> turn.postScale(1f, -1f)
            5 -> { turn.postRotate(90f); turn.postScale(-1f, 1f) }
            6 -> turn.postRotate(90f)
            7 -> { turn.postRotate(270f); turn.postScale(-1f, 1f) }
            8 -> turn.postRotate(270f)
        }
        if (turn.isIdentity) return bitmap
        val turned = Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, turn, true)
        if (turned !== bitmap) bitmap.recycle()
        return turned
    }

    /** Writes [bitmap] as JPEG into the gallery and returns where it is. Throws [PaintException] if that fails. */
    fun save(bitmap: Bitmap, name: String): Uri {
        val uri = newPicture(name)
        try {
            val stream = resolver.openOutputStream(uri) ?: throw IOException(uri.toString())
            stream.use { if (!bitmap.compress(Bitmap.CompressFormat.JPEG, QUALITY, it)) throw IOException("JPEG") }
            if (Build.VERSION.SDK_INT >= ANDROID_10) {
                resolver.update(uri, ContentValues().apply { put(IS_PENDING, 0) }, null, null)
            }
            return uri
        } catch (error: IOException) {
            discard(uri)
            throw PaintException(context.getString(R.string.error_save, error.message), error)
        }
    }

    /** A new entry of the gallery, empty until written; on Android 10 and later unseen until then. */
    fun newPicture(name: String, pending: Boolean = true): Uri {
        val values = ContentValues().apply {
            put(MediaStore.Images.Media.DISPLAY_NAME, "$name.jpg")
            put(MediaStore.Images.Media.MIME_TYPE, "image/jpeg")
            if (Build.VERSION.SDK_INT >= ANDROID_10) {
                put(RELATIVE_PATH, "Pictures/Brushport")
                if (pending) put(IS_PENDING, 1)
            }
        }
        try {
            return resolver.insert(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, values)
                ?: throw PaintException(context.getString(R.string.error_save, "MediaStore"))
        } catch (error: RuntimeException) { // SecurityException, or what the provider itself throws
            throw PaintException(context.getString(R.string.error_save, error.message), error)
        }
    }

    /** Takes an entry back that was never filled. */
    fun discard(uri: Uri) {
        try {
            resolver.delete(uri, null, null)
        } catch (_: RuntimeException) {
            // it is gone, or not ours any more
        }
    }

    companion object {
        private const val QUALITY = 95
        private const val ANDROID_10 = 29
        private const val RELATIVE_PATH = "relative_path" // MediaStore's names from Android 10 on
        private const val IS_PENDING = "is_pending"

        /** [bitmap] no larger than [longSide], itself if it is no larger. */
        fun shown(bitmap: Bitmap, longSide: Int): Bitmap {
            val scale = longSide / max(bitmap.width, bitmap.height).toFloat()
            if (scale >= 1) return bitmap
            val width = max(1, (bitmap.width * scale).roundToInt())
            val height = max(1, (bitmap.height * scale).roundToInt())
            return Bitmap.createScaledBitmap(bitmap, width, height, true)
        }

        /** The photo laid over by [painting] at [strength], row by row; [painting] itself where that is all of it. */
        fun blended(photo: Bitmap, painting: Bitmap, strength: Float): Bitmap {
            if (strength >= 1) return painting
            val (width, height) = painting.width to painting.height
            val blended = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
            val (below, above) = List(2) { IntArray(width) }
            for (y in 0 until height) {
                photo.getPixels(below, 0, width, 0, y, width, 1)
                painting.getPixels(above, 0, width, 0, y, width, 1)
                Pixels.blend(below, above, strength)
                blended.setPixels(above, 0, width, 0, y, width, 1)
            }
            return blended
        }
    }
}

/** A bitmap to be painted. */
class BitmapSource(private val bitmap: Bitmap) : Source {
    override val width: Int get() = bitmap.width
    override val height: Int get() = bitmap.height

    override fun read(left: Int, top: Int, width: Int, height: Int, pixels: IntArray) =
        bitmap.getPixels(pixels, 0, width, left, top, width, height)
}

/** A bitmap to paint into. */
class BitmapSink(private val bitmap: Bitmap) : Sink {
    override fun write(left: Int, top: Int, width: Int, height: Int, pixels: IntArray, offset: Int, stride: Int) =
        bitmap.setPixels(pixels, offset, stride, left, top, width, height)
}
