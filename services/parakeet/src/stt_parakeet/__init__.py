"""The parakeet service: NVIDIA's Parakeet and its relatives as ONNX models, by onnx-asr."""
