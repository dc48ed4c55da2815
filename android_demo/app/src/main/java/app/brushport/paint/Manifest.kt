package app.brushport.paint

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

/** Says in one sentence, fit to be shown, what is wrong and what helps. */
class PaintException(message: String, cause: Throwable? = null) : Exception(message, cause)

/**
 * One input or output of the model.
 *
 * [shape] is NHWC for pictures. [black] and [white] are the tensor values of 8-bit 0 and 255, both zero where the port
 * is no picture. [isByte] tells uint8 from float32.
 */
class Port(
    val name: String,
    val shape: IntArray,
    val isByte: Boolean,
    val black: Float = 0f,
    val white: Float = 0f
) {
    /** How many numbers the port holds. */
    val size: Int get() = shape.fold(1) { product, side -> product * side }

    /** How many bytes the port holds. */
    val bytes: Int get() = if (isByte) size else 4 * size
}

/** A style's name as the model knows it, the painting's title, and who painted it ("" where the card is silent). */
class Style(val name: String, val title: String, val artist: String)

/**
 * A layer that looks at the whole picture: its channels, 1 (means) or 2 (means, then variances) numbers for each, how
 * many such layers lie in front of it, itself included, and where its numbers begin.
 */
class StatisticsLayer(val channels: Int, val moments: Int, val level: Int, val offset: Int)

/**
 * What painting a large photo tile by tile takes: the ports for statistics (null where no layer looks at the whole
 * picture), how many pixels a tile must see around itself, the side of the blocks that are measured, and the layers.
 */
class Tiles(
    val statistics: Port?,
    val given: Port?,
    val measured: Port?,
    val halo: Int,
    val block: Int,
    val layers: List<StatisticsLayer>
)

/**
 * What `NAME-PRECISION.json` says of the `.tflite` file beside it, as far as an app needs it.
 *
 * [tiles] is null where the file paints nothing larger than its own size. [beyond] lists the inputs that are to be
 * zero unless a photo is painted in tiles, and [extra] the outputs for tiles.
 */
class Manifest private constructor(
    val name: String,
    val precision: String,
    val file: String,
    val sha256: String,
    val picture: Port,
    val weights: Port?,
    val painting: Port,
    val styles: List<Style>,
    val tiles: Tiles?,
    val beyond: List<Port>,
    val extra: List<Port>
) {
    val height: Int get() = picture.shape[1]
    val width: Int get() = picture.shape[2]

    companion object {
        private const val FORMAT = 1
        private const val AGAIN = "export the model again with --bundle"

        /** Reads the manifest's text; throws [PaintException] for whatever an app could not work with. */
        fun parse(text: String): Manifest =
            try {
                read(JSONObject(text))
            } catch (error: JSONException) {
                throw PaintException("The manifest is damaged (${error.message}); $AGAIN.", error)
            }

        private fun read(whole: JSONObject): Manifest {
            val format = whole.getInt("format")
            if (format != FORMAT) {
                throw PaintException("The manifest is of format $format, this app reads $FORMAT; $AGAIN.")
            }
            val entry = whole.getJSONObject("artifacts").optJSONObject("tflite")
                ?: throw PaintException("The manifest describes no TFLite file; $AGAIN.")
            val inputs = ports(entry.getJSONArray("inputs"))
            val outputs = ports(entry.getJSONArray("outputs"))
            val picture = only(inputs, "image", "input")
            val painting = only(outputs, "image", "output")
            if (!picture.shape.contentEquals(painting.shape)) {
                throw PaintException("The model paints another size than it takes; this app needs the same.")
            }
            val weights = inputs.filter { it.first == "weights" }.map { it.second }.firstOrNull()
            val styles = styles(entry)
            val count = weights?.size ?: 1
            if (weights != null && styles.size != count) {
                throw PaintException("The manifest names ${styles.size} styles, the model takes $count; $AGAIN.")
            }
            val known = setOf("image", "weights", "statistics")
            inputs.find { it.first !in known }?.let {
                throw PaintException("The model wants an input '${it.second.name}', which this app does not know.")
            }
            return Manifest(
                entry.getString("name"), entry.getString("precision"), entry.getString("file"),
                entry.getString("sha256"), picture, weights, painting,
                styles.ifEmpty { listOf(Style(entry.getString("name"), title(entry.getString("name")), "")) },
                tiles(entry, inputs, outputs),
                inputs.filter { it.first == "statistics" }.map { it.second },
                outputs.filter { it.first == "statistics" }.map { it.second }
            )
        }

        private fun only(ports: List<Pair<String, Port>>, kind: String, what: String): Port {
            val found = ports.filter { it.first == kind }.map { it.second }
            val port = found.singleOrNull()
                ?: throw PaintException("The model has ${found.size} picture ${what}s, this app needs one.")
            if (port.shape.size != 4 || port.shape[0] != 1 || port.shape[3] != 3) {
                throw PaintException("The picture $what '${port.name}' is no single RGB picture in NHWC.")
            }
            if (port.white <= port.black) {
                throw PaintException("The manifest gives '${port.name}' no range of values; $AGAIN.")
            }
            return port
        }

        private fun ports(array: JSONArray): List<Pair<String, Port>> = objects(array).map { port ->
            val shape = port.getJSONArray("shape")
            val dtype = port.getString("dtype")
            val name = port.getString("name")
            if (dtype != "uint8" && dtype != "float32") {
                throw PaintException("'$name' holds $dtype; export without --integer-io.")
            }
            val color = port.optString("color", "RGB")
            if (port.getString("kind") == "image" && (color != "RGB" || port.optString("layout") != "NHWC")) {
                throw PaintException("'$name' is not RGB in NHWC, which is what this app paints with.")
            }
            val range = port.optJSONArray("range")
            val (black, white) = if (range == null) 0.0 to 0.0 else range.getDouble(0) to range.getDouble(1)
            val sides = IntArray(shape.length()) { shape.getInt(it) }
            if (sides.any { it < 1 }) throw PaintException("'$name' has a side of no pixels; $AGAIN.")
            port.getString("kind") to Port(name, sides, dtype == "uint8", black.toFloat(), white.toFloat())
        }

        private fun objects(array: JSONArray) = List(array.length()) { array.getJSONObject(it) }

        private fun styles(entry: JSONObject): List<Style> {
            val names = entry.getJSONArray("styles")
            val cards = entry.optJSONObject("card")?.optJSONObject("styles")
            return List(names.length()) { index ->
                val name = names.getString(index)
                val card = cards?.optJSONObject(name)
                Style(
                    name,
                    card?.optString("painting").orEmpty().ifEmpty {
                        title(name)
                    },
                    card?.optString("artist").orEmpty()
                )
            }
        }

        /** `starry_night` as "Starry night". */
        private fun title(name: String) = name.replace('_', ' ').replaceFirstChar { it.uppercaseChar() }

        private fun tiles(
            entry: JSONObject,
            inputs: List<Pair<String, Port>>,
            outputs: List<Pair<String, Port>>
        ): Tiles? {
            val facts = entry.optJSONObject("tiles") ?: return null
            if (facts.isNull("halo")) return null
            var offset = 0
            val layers = objects(facts.getJSONArray("layers")).map {
                val layer = StatisticsLayer(it.getInt("channels"), it.getInt("moments"), it.getInt("level"), offset)
                offset += layer.channels * layer.moments
                layer
            }
            if (layers.isEmpty()) return Tiles(null, null, null, facts.getInt("halo"), 1, layers)
            fun port(key: String, ports: List<Pair<String, Port>>): Port {
                val name = facts.getString(key)
                return ports.map { it.second }.find { it.name == name && it.shape.last() == offset }
                    ?: throw PaintException("The manifest's tiles do not fit its port '$name'; $AGAIN.")
            }
            return Tiles(
                port("statistics", inputs), port("given", inputs), port("measured", outputs),
                facts.getInt("halo"), facts.getInt("block"), layers
            )
        }
    }
}
