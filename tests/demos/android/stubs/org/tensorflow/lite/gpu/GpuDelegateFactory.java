package org.tensorflow.lite.gpu;

/** As in LiteRT 1.4, as far as the app uses it. */
public class GpuDelegateFactory {
    public static class Options {
        public Options setPrecisionLossAllowed(boolean allowed) {
            return this;
        }
    }
}
