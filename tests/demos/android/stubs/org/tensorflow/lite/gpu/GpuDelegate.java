package org.tensorflow.lite.gpu;

import java.io.Closeable;
import org.tensorflow.lite.Delegate;

/** No host has Android's GPU library, so that the app's way back to the CPU is taken. */
public class GpuDelegate implements Delegate, Closeable {
    public GpuDelegate(GpuDelegateFactory.Options options) {
        throw new UnsatisfiedLinkError("no GPU on this host");
    }

    @Override
    public void close() {}
}
