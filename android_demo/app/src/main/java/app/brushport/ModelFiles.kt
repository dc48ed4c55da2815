package app.brushport

import android.content.Context
import app.brushport.paint.Manifest
import app.brushport.paint.PaintException
import app.brushport.paint.Setting
import app.brushport.paint.StyleModel
import java.io.FileInputStream
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/** The pair that `python -m export --bundle` puts into the assets: a model, and the manifest that names it. */
class ModelFiles(context: Context) {
    val manifest: Manifest
    private val content: ByteBuffer

    init {
        val assets = context.assets
        val missing = context.getString(R.string.error_no_model)
        val name = assets.list("").orEmpty().firstOrNull { it.endsWith(".json") } ?: throw PaintException(missing)
        manifest = Manifest.parse(assets.open(name).bufferedReader().use { it.readText() })
        try {
            // Mapped from the package, where it lies uncompressed: no copy in memory.
            content = assets.openFd(manifest.file).use { file ->
                FileInputStream(file.fileDescriptor).channel
                    .map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength)
            }
        } catch (error: IOException) {
            throw PaintException(missing, error)
        }
    }

    fun open(setting: Setting) = StyleModel(content, manifest, setting.processor, setting.threads)
}
