"""Write the page: a template, a style sheet and a script that lie beside this file, and the run's data in one block."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

import jinja2

from platform_e2e.atomic import atomic_write
from platform_e2e.errors import BrokenHarness
from platform_e2e.report.html import model
from platform_e2e.report.html.source import RunFiles

NAME = "report.html"
"""Of the page, in the run's directory."""

TEMPLATES = Path(__file__).parent / "templates"

SCRIPTS = ("page.js", "drawing.js", "timeline.js", "moving.js", "finding.js", "tests.js", "plots.js", "start.js")
"""The parts of the script in their order; together they are one."""

UNEXPECTED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What data of an unforeseen shape can raise."""


def write(run_directory: Path) -> Path:
    """Make the page of a run and return its path.

    What cannot be read of the run is told in the page; what was there before stays until the new page is whole.

    Args:
        run_directory: has `run.json`, `timeline.jsonl` and `evidence/`, as far as the run came to write them.

    Raises:
        BrokenHarness: the page cannot be made or written.
    """
    path = run_directory / NAME
    try:
        # Half of a surrogate pair, which a file name can have, is not UTF-8.
        atomic_write(path, render(RunFiles.read(run_directory)).encode(errors="replace"))
    except (*UNEXPECTED, OSError, jinja2.TemplateError) as error:
        # A run's verdict must not depend on its report, whatever shape a hostile layer or a cut file has given the data.
        problem = f"the report {path} cannot be made: {type(error).__name__}: {error}"
        raise BrokenHarness(problem, "read run.json and timeline.jsonl beside it") from error
    return path


def render(source: RunFiles) -> str:
    """Return the page as text.

    Args:
        source: the run's files.
    """
    written, drawn = model.page(source)
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    texts = {"style": style, "style_digest": _digest(style), "script": script, "digest": _digest(script)}
    # Nothing else in the page may run: no attribute, no second script, whatever a name in the layer looks like.
    return str(_template().render(**written, **texts, data=drawn))


@functools.cache
def _template() -> jinja2.Template:
    """Return the page's template; to compile it takes ten times as long as to fill it in."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    return environment.get_template("report.html.j2")


def _digest(content: str) -> str:
    """Return how a content security policy names what may be used."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
