package org.tensorflow.lite;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;

/**
 * LiteRT's Java interface over LiteRT's Python package: each call goes through a pipe to tests/demos/android/worker.py.
 *
 * <p>Buffers are treated as LiteRT treats them: inputs are read whole, outputs written from their position on.
 */
public class Interpreter implements AutoCloseable {
    public static class Options {
        int threads = 1;

        public Options setNumThreads(int threads) {
            this.threads = threads;
            return this;
        }

        public Options addDelegate(Delegate delegate) {
            return this;
        }
    }

    private static class Port implements Tensor {
        String name;
        int[] shape;
        DataType type;

        @Override
        public String name() {
            return name;
        }

        @Override
        public int[] shape() {
            return shape.clone();
        }

        @Override
        public DataType dataType() {
            return type;
        }

        int bytes() {
            int count = type == DataType.UINT8 ? 1 : 4;
            for (int side : shape) count *= side;
            return count;
        }
    }

    private final Process worker;
    private final DataInputStream from;
    private final DataOutputStream to;
    private final Port[] inputs;
    private final Port[] outputs;

    public Interpreter(ByteBuffer model, Options options) {
        try {
            String threads = Integer.toString(options.threads);
            worker =
                    new ProcessBuilder(System.getProperty("brushport.python"), "-m", "tests.demos.android.worker", threads)
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            from = new DataInputStream(new BufferedInputStream(worker.getInputStream(), 1 << 20));
            to = new DataOutputStream(new BufferedOutputStream(worker.getOutputStream(), 1 << 20));
            ByteBuffer whole = model.duplicate();
            whole.rewind();
            byte[] bytes = new byte[whole.remaining()];
            whole.get(bytes);
            to.writeInt(bytes.length);
            to.write(bytes);
            to.flush();
            answer();
            inputs = ports();
            outputs = ports();
        } catch (IOException error) {
            throw new IllegalStateException("the worker ended", error);
        }
    }

    public int getInputTensorCount() {
        return inputs.length;
    }

    public int getOutputTensorCount() {
        return outputs.length;
    }

    public Tensor getInputTensor(int index) {
        return inputs[index];
    }

    public Tensor getOutputTensor(int index) {
        return outputs[index];
    }

    public void runForMultipleInputsOutputs(Object[] fed, Map<Integer, Object> got) {
        if (fed.length != inputs.length) {
            throw new IllegalArgumentException("Input error: " + fed.length + " given, " + inputs.length + " taken");
        }
        try {
            for (int i = 0; i < inputs.length; i++) {
                ByteBuffer buffer = checked((ByteBuffer) fed[i], inputs[i]).duplicate();
                buffer.clear();
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                to.write(bytes);
            }
            to.flush();
            answer();
            for (int i = 0; i < outputs.length; i++) {
                byte[] bytes = new byte[outputs[i].bytes()];
                from.readFully(bytes);
                if (got.containsKey(i)) checked((ByteBuffer) got.get(i), outputs[i]).put(bytes);
            }
        } catch (IOException error) {
            throw new IllegalStateException("the worker ended", error);
        }
    }

    @Override
    public void close() {
        worker.destroy();
    }

    private static ByteBuffer checked(ByteBuffer buffer, Port port) {
        if (buffer.capacity() != port.bytes() || buffer.order() != ByteOrder.nativeOrder() || !buffer.isDirect()) {
            throw new IllegalArgumentException(
                    "Cannot copy between " + port.name + " with " + port.bytes() + " bytes and a buffer with "
                            + buffer.capacity());
        }
        return buffer;
    }

    private void answer() throws IOException {
        if (from.readByte() != 0) throw new IllegalArgumentException(from.readUTF());
    }

    private Port[] ports() throws IOException {
        Port[] ports = new Port[from.readInt()];
        for (int i = 0; i < ports.length; i++) {
            ports[i] = new Port();
            ports[i].name = from.readUTF();
            ports[i].type = DataType.valueOf(from.readUTF());
            ports[i].shape = new int[from.readInt()];
            for (int j = 0; j < ports[i].shape.length; j++) ports[i].shape[j] = from.readInt();
        }
        return ports;
    }
}
