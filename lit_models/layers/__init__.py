"""Layers from which the architectures are built: plain modules and functions of tensors."""
