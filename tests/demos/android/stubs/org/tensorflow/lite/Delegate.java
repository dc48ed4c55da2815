package org.tensorflow.lite;

/** As in LiteRT 1.4, as far as the app uses it. */
public interface Delegate {}
