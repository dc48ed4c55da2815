package app.brushport.paint

import java.io.Closeable
import java.nio.ByteBuffer
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor
import org.tensorflow.lite.gpu.GpuDelegate
import org.tensorflow.lite.gpu.GpuDelegateFactory

/** What runs the network: XNNPACK on the CPU, or the GPU delegate. */
enum class Processor { CPU, GPU }

/** What a tile is told of the whole photo: numbers, and for each 1 where it counts or 0 where the tile's own does. */
class Given(val statistics: FloatArray, val weights: FloatArray)

/** Paints one picture of the model's size. Not to be called from two threads at once. */
interface Painter : Closeable {
    val manifest: Manifest

    /**
     * Paints [picture] (pixels, [Manifest.height] x [Manifest.width]) into [painted], in the blend of styles that
     * [weights] gives (sum 1, one for each of [Manifest.styles]).
     *
     * [given] tells a tile of the whole photo, [measured] takes what the tile measured (blocks x numbers); both need
     * [Manifest.tiles]. Throws [PaintException] when the model fails.
     */
    fun paint(
        picture: IntArray,
        weights: FloatArray,
        painted: IntArray,
        given: Given? = null,
        measured: FloatArray? = null
    )
}

/**
 * A `.tflite` file and its manifest, ready to paint.
 *
 * [model] is the file's content, direct or mapped. The GPU is used if asked for and able; else [processor] is the CPU
 * and [fallback] says why. Throws [PaintException] where file and manifest do not belong together.
 */
class StyleModel(
    private val model: ByteBuffer,
    override val manifest: Manifest,
    wanted: Processor = Processor.CPU,
    private val threads: Int = 2
) : Painter {
    var processor = wanted
        private set
    var fallback: String? = null
        private set

    /** How long the last [paint] took in the model alone. */
    var milliseconds = 0.0
        private set

    private var gpu: GpuDelegate? = null
    private var interpreter = open()
    private val inputs: List<Port> = listOfNotNull(manifest.picture, manifest.weights) + manifest.beyond
    private val outputs: List<Port> = listOf(manifest.painting) + manifest.extra
    private val buffers = (inputs + outputs).associate { it.name to Pixels.buffer(it) }
    private val inputPlaces: Map<String, Int>
    private val outputPlaces: Map<String, Int>

    init {
        try {
            inputPlaces = places(inputs, interpreter.inputTensorCount, interpreter::getInputTensor)
            outputPlaces = places(outputs, interpreter.outputTensorCount, interpreter::getOutputTensor)
        } catch (error: PaintException) {
            close()
            throw error
        }
    }

    override fun paint(
        picture: IntArray,
        weights: FloatArray,
        painted: IntArray,
        given: Given?,
        measured: FloatArray?
    ) {
        require(picture.size == manifest.height * manifest.width && painted.size == picture.size)
        Pixels.toTensor(picture, manifest.picture, buffers.getValue(manifest.picture.name))
        manifest.weights?.let { fill(it, weights) }
        manifest.beyond.forEach { fill(it, null) }
        if (given != null) {
            val tiles = requireNotNull(manifest.tiles)
            tiles.statistics?.let { fill(it, given.statistics) }
            tiles.given?.let { fill(it, given.weights) }
        }
        val port = if (measured == null) null else manifest.tiles?.measured
        run(listOfNotNull(manifest.painting, port))
        Pixels.fromTensor(buffers.getValue(manifest.painting.name), manifest.painting, painted)
        if (measured != null && port != null) {
            val buffer = buffers.getValue(port.name)
            buffer.rewind()
            buffer.asFloatBuffer().get(measured)
        }
    }

    override fun close() {
        interpreter.close()
        gpu?.close()
        gpu = null
    }

    /** Runs the model and reads [wanted] of its outputs. */
    private fun run(wanted: List<Port>) {
        val fed = arrayOfNulls<Any>(inputs.size)
        inputs.forEach { fed[inputPlaces.getValue(it.name)] = buffers.getValue(it.name) }
        val got: Map<Int, Any> = wanted.associate { outputPlaces.getValue(it.name) to buffers.getValue(it.name) }
        val started = System.nanoTime()
        try {
            buffers.values.forEach { it.rewind() }
            interpreter.runForMultipleInputsOutputs(fed, got)
        } catch (error: RuntimeException) {
            if (processor == Processor.CPU) {
                throw PaintException("The model failed on this picture (${error.message}).", error)
            }
            fallBack(error)
            return run(wanted)
        }
        milliseconds = (System.nanoTime() - started) / 1e6
    }

    private fun fill(port: Port, values: FloatArray?) {
        val buffer = buffers.getValue(port.name)
        buffer.rewind()
        if (values == null) {
            repeat(port.size) { buffer.putFloat(0f) }
        } else {
            require(values.size == port.size) { "${port.name} takes ${port.size} numbers, not ${values.size}" }
            buffer.asFloatBuffer().put(values)
        }
        buffer.rewind()
    }

    private fun open(): Interpreter {
        if (processor == Processor.GPU) {
            try {
                return openOnGpu()
            } catch (error: Exception) {
                useCpu(error)
            } catch (error: LinkageError) { // no GPU library for this device
                useCpu(error)
            }
        }
        try {
            return Interpreter(model, Interpreter.Options().setNumThreads(threads))
        } catch (error: RuntimeException) {
            throw PaintException("The model file cannot be loaded (${error.message}); bundle it again.", error)
        }
    }

    private fun openOnGpu(): Interpreter {
        // Half precision would blur the statistics of a large photo.
        val exact = GpuDelegateFactory.Options().setPrecisionLossAllowed(false)
        val delegate = GpuDelegate(exact)
        gpu = delegate
        return Interpreter(model, Interpreter.Options().addDelegate(delegate))
    }

    private fun fallBack(error: Throwable) {
        interpreter.close()
        useCpu(error)
        interpreter = open()
    }

    private fun useCpu(error: Throwable) {
        gpu?.close()
        gpu = null
        processor = Processor.CPU
        fallback = "The GPU cannot run this model (${error.message ?: error.javaClass.simpleName}), the CPU paints."
    }

    /** Where each of [ports] is among the model's [count] tensors, checked to be of its shape and type. */
    private fun places(ports: List<Port>, count: Int, tensor: (Int) -> Tensor): Map<String, Int> {
        val found = (0 until count).associateBy { tensor(it).name() }
        val names = ports.map { it.name }
        if (found.keys != names.toSet()) {
            throw PaintException("The model has ${found.keys}, its manifest $names: replace both files.")
        }
        for (port in ports) {
            val own = tensor(found.getValue(port.name))
            val type = if (port.isByte) DataType.UINT8 else DataType.FLOAT32
            if (!own.shape().contentEquals(port.shape) || own.dataType() != type) {
                throw PaintException("'${port.name}' is not in the model what its manifest says: replace both files.")
            }
        }
        return found
    }
}
