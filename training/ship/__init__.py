"""What is written into the package and its pages: the ONNX model, the model card, the demo's frames."""
