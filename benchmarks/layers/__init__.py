"""Layers to measure the reading of layers with."""
