"""Finished runs as files for other programs: ONNX, `torch.export`, Hugging Face."""
