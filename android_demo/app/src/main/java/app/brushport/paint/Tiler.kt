package app.brushport.paint

/** A photo of any size, read piece by piece: pixels of the rectangle at ([left], [top]), row by row. */
interface Source {
    val width: Int
    val height: Int

    fun read(left: Int, top: Int, width: Int, height: Int, pixels: IntArray)
}

/** Where a painting goes, piece by piece: the rectangle of [pixels] that begins at [offset], [stride] pixels a row. */
fun interface Sink {
    fun write(left: Int, top: Int, width: Int, height: Int, pixels: IntArray, offset: Int, stride: Int)
}

/** Thrown out of [Tiler.paint] when it is told to stop. */
class Stopped : Exception()

/**
 * Where tiles of [side] pixels lie along a line of [length] pixels.
 *
 * Tile `i` begins at [starts]`[i]` and answers for pixels [cuts]`[i]` until [cuts]`[i + 1]`, at least [halo] pixels
 * away from its ends, but for the ends of the line. Tiles begin at multiples of [step], the last one of [STEP], so that
 * the network's strides fall on the same pixels in each; the line is thought to go on, mirrored, up to a multiple of
 * [STEP]. [side] and [halo] are multiples of [step].
 */
class Grid(val length: Int, val side: Int, halo: Int, step: Int = STEP) {
    val starts: IntArray
    val cuts: IntArray

    init {
        require(length > 0 && step % STEP == 0 && side % step == 0 && halo % step == 0 && side > 2 * halo)
        val last = maxOf(0, (length + STEP - 1) / STEP * STEP - side)
        val stride = side - 2 * halo
        val count = 1 + (last + stride - 1) / stride
        starts = IntArray(count) { minOf(it * stride, last) }
        cuts = IntArray(count + 1) {
            when (it) {
                0 -> 0
                count -> length
                else -> starts[it - 1] + side - halo
            }
        }
    }

    companion object {
        const val STEP = 8
    }
}

/**
 * Paints photos of any size with a model of one size.
 *
 * Norms take statistics of the whole picture, so tiles painted one by one do not match. This model takes them from
 * outside: first the photo's statistics are measured, a pass over it for each norm, since each norm's input depends on
 * those before it; then every tile is painted with the same ones. Each tile sees [Tiles.halo] pixels more than it
 * answers for, so that what is painted is what one look at the whole photo would give, without a seam. Memory is that
 * of one tile, whatever the photo.
 */
class Tiler(private val painter: Painter) {
    private val manifest = painter.manifest
    private val tiles = manifest.tiles
    private val picture = IntArray(manifest.height * manifest.width)
    private val painted = IntArray(picture.size)

    /** Whether a photo of [width] x [height] can be painted at that size: within a tile always, beyond with tiles. */
    fun takes(width: Int, height: Int): Boolean =
        tiles != null || (width <= manifest.width && height <= manifest.height)

    /** How many times the model will run for a photo of [width] x [height]. */
    fun runs(width: Int, height: Int): Int {
        val paint = layout(width, height, tiles?.halo ?: 0)
        if (paint.count == 1) return 1
        return paint.count + levels * measuringLayout(width, height).count
    }

    /**
     * Paints [source] into [sink], in the blend of styles that [weights] gives.
     *
     * [progress] is told how many of [runs] are done and answers whether to go on; [Stopped] is thrown if not.
     */
    fun paint(source: Source, weights: FloatArray, sink: Sink, progress: (Int, Int) -> Boolean = { _, _ -> true }) {
        if (!takes(source.width, source.height)) {
            throw PaintException(
                "This model paints ${manifest.width}x${manifest.height} pixels at most; export it with --tiles."
            )
        }
        val total = runs(source.width, source.height)
        var done = 0
        fun step() {
            if (!progress(++done, total)) throw Stopped()
        }
        val layout = layout(source.width, source.height, tiles?.halo ?: 0)
        val given = if (layout.count > 1) measure(source, weights, ::step) else null
        layout.forEach { column, row ->
            read(source, layout.columns.starts[column], layout.rows.starts[row])
            painter.paint(picture, weights, painted, given)
            val (left, right) = layout.columns.cuts[column] to layout.columns.cuts[column + 1]
            val (top, bottom) = layout.rows.cuts[row] to layout.rows.cuts[row + 1]
            val offset = (top - layout.rows.starts[row]) * manifest.width + left - layout.columns.starts[column]
            sink.write(left, top, right - left, bottom - top, painted, offset, manifest.width)
            step()
        }
    }

    private val levels get() = tiles?.layers?.maxOfOrNull { it.level } ?: 0

    private fun measure(source: Source, weights: FloatArray, step: () -> Unit): Given? {
        val port = tiles?.measured ?: return null
        val statistics = FloatArray(port.shape.last())
        val given = Given(statistics, FloatArray(statistics.size))
        val layout = measuringLayout(source.width, source.height)
        val measured = FloatArray(port.size)
        for (level in 1..levels) {
            val layers = tiles.layers.filter { it.level == level }
            val sums = layers.map { Moments(it, port) }
            layout.forEach { column, row ->
                read(source, layout.columns.starts[column], layout.rows.starts[row])
                painter.paint(picture, weights, painted, given, measured)
                val across = layout.columns.shares(column, tiles.block)
                val down = layout.rows.shares(row, tiles.block)
                sums.forEach { it.add(measured, down, across) }
                step()
            }
            sums.forEach { it.store(given) }
        }
        return given
    }

    private fun layout(width: Int, height: Int, halo: Int, step: Int = Grid.STEP) =
        Layout(Grid(width, manifest.width, halo, step), Grid(height, manifest.height, halo, step))

    /** Tiles that meet where blocks do, so that each block counts once. Means bear with a halo of two blocks. */
    private fun measuringLayout(width: Int, height: Int): Layout {
        val block = tiles?.block ?: Grid.STEP
        return layout(width, height, 2 * block, block)
    }

    /** Fills [picture] with the tile at ([left], [top]), mirrored beyond the photo's right and lower edge. */
    private fun read(source: Source, left: Int, top: Int) {
        val (width, height) = manifest.width to manifest.height
        val inside = minOf(width, source.width - left)
        val below = minOf(height, source.height - top)
        source.read(left, top, inside, below, picture)
        if (inside == width && below == height) return
        for (y in below - 1 downTo 0) {
            for (x in width - 1 downTo 0) {
                picture[y * width + x] = picture[y * inside + mirrored(x, inside)]
            }
        }
        for (y in below until height) {
            picture.copyInto(picture, y * width, mirrored(y, below) * width, (mirrored(y, below) + 1) * width)
        }
    }

    private class Layout(val columns: Grid, val rows: Grid) {
        val count get() = columns.starts.size * rows.starts.size

        inline fun forEach(visit: (column: Int, row: Int) -> Unit) {
            for (row in rows.starts.indices) for (column in columns.starts.indices) visit(column, row)
        }
    }

    companion object {
        /** The place in `0 until length` that a mirror at each end shows at [place] >= 0, ends not doubled. */
        fun mirrored(place: Int, length: Int): Int {
            if (length == 1) return 0
            val period = 2 * (length - 1)
            val within = place % period
            return if (within < length) within else period - within
        }
    }
}

/** How many lines of each block of tile [index] that tile answers for. */
fun Grid.shares(index: Int, block: Int): DoubleArray {
    val first = cuts[index] - starts[index]
    val last = cuts[index + 1] - starts[index]
    return DoubleArray(side / block) { number ->
        val begin = number * block
        maxOf(0, minOf(last, begin + block) - maxOf(first, begin)).toDouble()
    }
}

/**
 * Sums up means and variances of one layer over the tiles of a photo.
 *
 * A tile gives, for each block, the mean of `x` and of `(x - m)^2`, where `m` is its own mean of `x`. From these come
 * the sums of `x` and of `x^2 = (x - m)^2 + 2 m x - m^2` over the pixels that the tile answers for.
 */
internal class Moments(private val layer: StatisticsLayer, measured: Port) {
    private val rows = measured.shape[1]
    private val columns = measured.shape[2]
    private val numbers = measured.shape[3]
    private val sums = DoubleArray(layer.channels)
    private val squares = DoubleArray(layer.channels)
    private var weight = 0.0

    fun add(measured: FloatArray, down: DoubleArray, across: DoubleArray) {
        val share = down.sum() * across.sum()
        for (channel in 0 until layer.channels) {
            var mean = 0.0
            var sum = 0.0
            var deviation = 0.0
            for (row in 0 until rows) {
                for (column in 0 until columns) {
                    val place = (row * columns + column) * numbers + layer.offset + channel
                    val part = down[row] * across[column]
                    mean += measured[place]
                    sum += part * measured[place]
                    if (layer.moments == 2) deviation += part * measured[place + layer.channels]
                }
            }
            mean /= rows * columns
            sums[channel] += sum
            squares[channel] += deviation + 2 * mean * sum - share * mean * mean
        }
        weight += share
    }

    fun store(given: Given) {
        for (channel in 0 until layer.channels) {
            val mean = sums[channel] / weight
            given.statistics[layer.offset + channel] = mean.toFloat()
            if (layer.moments == 2) {
                val variance = squares[channel] / weight - mean * mean
                given.statistics[layer.offset + layer.channels + channel] = maxOf(0.0, variance).toFloat()
            }
        }
        given.weights.fill(1f, layer.offset, layer.offset + layer.channels * layer.moments)
    }
}
