package app.brushport.paint

/** Which styles are painted with: one, or two and how much of the second (0..1). */
data class Brush(val first: Int = 0, val second: Int = -1, val mix: Float = 0.5f) {
    /** The model's weights, one for each of [count] styles, of sum 1. */
    fun weights(count: Int) = FloatArray(count) {
        (if (it == first) 1 - share else 0f) + (if (it == second) share else 0f)
    }

    private val share get() = if (second < 0) 0f else mix
}
