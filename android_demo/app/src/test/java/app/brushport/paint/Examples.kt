package app.brushport.paint

/** A manifest as `python -m export --bundle` writes it, small enough to read, to be changed by [change]. */
fun manifestText(change: (String) -> String = { it }): String = change(
    """
    {"format": 1, "name": "painter", "precision": "int8", "artifacts": {"tflite": {
      "name": "painter", "precision": "int8", "file": "painter-int8.tflite", "sha256": "00",
      "inputs": [
        {"name": "image", "kind": "image", "shape": [1, 64, 128, 3], "layout": "NHWC", "dtype": "uint8",
         "color": "RGB", "range": [0, 255]},
        {"name": "style", "kind": "weights", "shape": [1, 2], "layout": null, "dtype": "float32", "color": null,
         "range": null},
        {"name": "statistics", "kind": "statistics", "shape": [1, 1, 1, 9], "layout": "NHWC", "dtype": "float32",
         "color": null, "range": null},
        {"name": "given", "kind": "statistics", "shape": [1, 1, 1, 9], "layout": "NHWC", "dtype": "float32",
         "color": null, "range": null}],
      "outputs": [
        {"name": "painting", "kind": "image", "shape": [1, 64, 128, 3], "layout": "NHWC", "dtype": "float32",
         "color": "RGB", "range": [-1, 1]},
        {"name": "measured", "kind": "statistics", "shape": [1, 8, 16, 9], "layout": "NHWC", "dtype": "float32",
         "color": null, "range": null}],
      "styles": ["wave", "starry_night"],
      "card": {"styles": {"wave": {"painting": "The Great Wave", "artist": "Hokusai"}}},
      "tiles": {"statistics": "statistics", "given": "given", "measured": "measured", "block": 8, "halo": 16,
        "layers": [{"channels": 3, "moments": 2, "level": 1}, {"channels": 3, "moments": 1, "level": 2}]}
    }}}
    """
)

fun pixel(red: Int, green: Int, blue: Int): Int = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue

/** A picture that changes slowly and in each direction otherwise. */
class Slope(override val width: Int, override val height: Int) : Source {
    fun at(x: Int, y: Int) = pixel(x * 200 / width + 20, y * 200 / height + 20, (x * 7 + y * 3) % 61 + 100)

    override fun read(left: Int, top: Int, width: Int, height: Int, pixels: IntArray) {
        require(left >= 0 && top >= 0 && left + width <= this.width && top + height <= this.height)
        for (y in 0 until height) for (x in 0 until width) pixels[y * width + x] = at(left + x, top + y)
    }
}
