package app.brushport

import android.content.Context
import app.brushport.paint.Processor
import app.brushport.paint.Setting

/** What the user chose for good: the processor, and the CPU's threads. */
class Settings(context: Context) {
    private val stored = context.getSharedPreferences("settings", Context.MODE_PRIVATE)

    var setting: Setting
        get() = Setting(
            if (stored.getBoolean(GPU, false)) Processor.GPU else Processor.CPU,
            stored.getInt(THREADS, DEFAULT_THREADS)
        )
        set(value) = stored.edit()
            .putBoolean(GPU, value.processor == Processor.GPU)
            .putInt(THREADS, value.threads)
            .apply()

    companion object {
        private const val GPU = "gpu"
        private const val THREADS = "threads"
        private const val DEFAULT_THREADS = 2

        /** What there is to choose from, and to measure. */
        val CHOICES = listOf(
            Setting(Processor.CPU, 1), Setting(Processor.CPU, 2), Setting(Processor.CPU, 4), Setting(Processor.GPU, 1)
        )

        fun label(context: Context, setting: Setting): String = when (setting.processor) {
            Processor.GPU -> context.getString(R.string.gpu)
            Processor.CPU -> context.getString(R.string.cpu, setting.threads)
        }
    }
}
