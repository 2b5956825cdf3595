"""Real faults that make the alerts of a layer fire: declared as data, made, watched until they are received, and undone."""

from __future__ import annotations

from platform_e2e.faults.course import Course
from platform_e2e.faults.declaration import Fault, load_all
from platform_e2e.faults.judging import findings, left, undeclared
from platform_e2e.faults.outcome import Outcome, table

__all__ = ["Course", "Fault", "Outcome", "findings", "left", "load_all", "table", "undeclared"]
