"""Small files that a redactor is measured by, written without having seen one: planted shapes and innocuous texts."""

from __future__ import annotations

from benchmarks.planted.corpus.measure import Measured, measure
from benchmarks.planted.corpus.records import Filled, Innocuous, Planted, innocuous, shapes

__all__ = ["Filled", "Innocuous", "Measured", "Planted", "innocuous", "measure", "shapes"]
