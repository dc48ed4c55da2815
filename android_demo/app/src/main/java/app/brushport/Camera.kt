package app.brushport

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.ImageFormat
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.view.Surface
import app.brushport.paint.Frame
import java.io.Closeable

/**
 * Frames of the camera on the back (any, where there is none there), at least [side] pixels each way if it can.
 *
 * [onFrame] gets each on a thread of its own and must be done with it when it returns; frames that come meanwhile are
 * dropped. [onError] is told in the system's words why there are none.
 */
class Camera(
    context: Context,
    private val side: Int,
    private val onFrame: (Frame) -> Unit,
    private val onError: (String) -> Unit
) : Closeable {
    private val none = context.getString(R.string.no_camera)
    private val manager = context.getSystemService(Context.CAMERA_SERVICE) as CameraManager
    private val thread = HandlerThread("camera").apply { start() }
    private val handler = Handler(thread.looper)
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null
    private var closed = false

    /** By how many degrees to turn frames clockwise on a device held upright. */
    var orientation = 0
        private set

    /** Starts the frames; the permission to use the camera is there. */
    @SuppressLint("MissingPermission")
    fun start() = handler.post {
        try {
            val id = manager.cameraIdList.minByOrNull { if (facesBack(it)) 0 else 1 }
            if (id == null) {
                onError(none)
            } else {
                val facts = manager.getCameraCharacteristics(id)
                orientation = facts.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0
                reader = reader(facts)
                manager.openCamera(id, opened, handler)
            }
        } catch (error: CameraAccessException) {
            onError(error.message.orEmpty())
        } catch (error: SecurityException) {
            onError(error.message.orEmpty())
        } catch (error: IllegalArgumentException) { // the camera went away meanwhile
            onError(error.message.orEmpty())
        }
    }

    override fun close() {
        handler.post {
            closed = true
            device?.close()
            reader?.close()
            thread.quitSafely()
        }
    }

    private fun facesBack(id: String) =
        manager.getCameraCharacteristics(id).get(CameraCharacteristics.LENS_FACING) ==
            CameraCharacteristics.LENS_FACING_BACK

    private fun reader(facts: CameraCharacteristics): ImageReader {
        val sizes = facts.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
            ?.getOutputSizes(ImageFormat.YUV_420_888).orEmpty()
        val fitting = sizes.filter { minOf(it.width, it.height) >= side }.minByOrNull { it.width * it.height }
        val size = fitting ?: sizes.maxByOrNull { it.width * it.height } ?: throw IllegalArgumentException("YUV")
        return ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, 2).apply {
            setOnImageAvailableListener({ it.acquireLatestImage()?.use(::hand) }, handler)
        }
    }

    private fun hand(image: Image) {
        val (luma, blue, red) = image.planes
        onFrame(
            Frame(
                image.width, image.height, luma.buffer, blue.buffer, red.buffer,
                luma.rowStride, blue.rowStride, blue.pixelStride
            )
        )
    }

    private val opened = object : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            if (closed) return camera.close()
            device = camera
            val surface = reader?.surface ?: return
            try {
                stream(camera, surface)
            } catch (error: CameraAccessException) {
                onError(error.message.orEmpty())
            }
        }

        override fun onDisconnected(camera: CameraDevice) = camera.close()

        override fun onError(camera: CameraDevice, error: Int) {
            camera.close()
            onError("$error")
        }
    }

    @Suppress("DEPRECATION") // what replaces it is of Android 9
    private fun stream(camera: CameraDevice, surface: Surface) = camera.createCaptureSession(
        listOf(surface),
        object : CameraCaptureSession.StateCallback() {
            override fun onConfigured(session: CameraCaptureSession) {
                if (closed) return
                val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                request.addTarget(surface)
                try {
                    session.setRepeatingRequest(request.build(), null, handler)
                } catch (error: CameraAccessException) {
                    onError(error.message.orEmpty())
                }
            }

            override fun onConfigureFailed(session: CameraCaptureSession) = onError("configuration")
        },
        handler
    )
}
