"""Training: paintings and photos in, a run folder with checkpoint, curves, samples and ``model.onnx`` out."""
