"""What Parakeet costs: a network of its size with random weights, through the service and by onnx-asr alone."""
