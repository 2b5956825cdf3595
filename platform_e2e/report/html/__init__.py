"""One self-contained page of a run: the verdict and its causes, the timeline, every test, what was measured and kept."""

from platform_e2e.report.html.writing import NAME, write

__all__ = ["NAME", "write"]
