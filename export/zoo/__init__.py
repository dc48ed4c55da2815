"""The networks that come with Brushport, as ONNX, each with a card."""
