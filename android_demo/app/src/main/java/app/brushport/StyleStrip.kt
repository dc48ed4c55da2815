package app.brushport

import android.graphics.Bitmap
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.TextView
import app.brushport.paint.Brush
import app.brushport.paint.Style

/** The styles in a row: a tap takes one, a long press blends it in. */
class StyleStrip(private val row: ViewGroup, private val choose: (Brush) -> Unit) {
    private var brush = Brush()

    /** Shows [styles], one picture each as far as there are [thumbnails], and what is chosen. */
    fun show(styles: List<Style>, thumbnails: List<Bitmap>, chosen: Brush) {
        brush = chosen
        if (row.childCount != styles.size) fill(styles)
        for (index in styles.indices) {
            val item = row.getChildAt(index)
            val picture = item.findViewById(R.id.thumbnail) as ImageView
            picture.setImageBitmap(thumbnails.getOrNull(index))
            val color = when (index) {
                chosen.first -> R.color.accent
                chosen.second -> R.color.second
                else -> R.color.canvas
            }
            picture.setBackgroundColor(row.context.getColor(color))
            item.isSelected = index == chosen.first || index == chosen.second
        }
    }

    private fun fill(styles: List<Style>) {
        row.removeAllViews()
        styles.forEachIndexed { index, style ->
            val item = LayoutInflater.from(row.context).inflate(R.layout.item_style, row, false)
            (item.findViewById(R.id.title) as TextView).text = style.title
            item.contentDescription = row.context.getString(R.string.style_description, style.title, style.artist)
            item.setOnClickListener { choose(Brush(index)) }
            item.setOnLongClickListener { blendIn(it, index) }
            row.addView(item)
        }
    }

    private fun blendIn(item: View, index: Int): Boolean {
        if (index == brush.first) return false
        item.isSelected = true
        choose(brush.copy(second = index))
        return true
    }
}
