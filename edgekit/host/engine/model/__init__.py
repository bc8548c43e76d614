"""Models as ONNX graphs: read, prepared, quantised, cut in two."""
