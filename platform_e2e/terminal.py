"""Print untrusted text on a terminal: control characters are shown instead of obeyed. And print tables of such text."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from io import StringIO

PLAIN = frozenset("\n\t")
"""Characters that are not printable and are printed."""

Cell = str | tuple[str, str]
"""A text, or a text and its style."""


def visible(text: str) -> str:
    r"""Return a text whose control characters are visible: the escape character as `\x1b`, one that turns lines round as `\u202e`.

    Args:
        text: from an API server, an archive, a layer, a kubeconfig: names, messages, events.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in PLAIN else sign.encode("unicode_escape").decode() for sign in text
    )


def size(log_width: int) -> tuple[int, bool]:
    """Return the width of standard output in columns, and whether escape sequences are welcome there.

    Args:
        log_width: the width where it is not a terminal.
    """
    if not sys.stdout.isatty():
        return log_width, False
    return shutil.get_terminal_size().columns, not os.environ.get("NO_COLOR")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    width: int,
    colour: bool,
    title: str = "",
    headline: str = "",
    lines: bool = True,
    ratios: Sequence[int | None] = (),
) -> str:
    """Return a table whose cells are folded and cannot steer the terminal.

    Args:
        columns: their titles.
        rows: a cell for each column.
        width: columns of the terminal.
        colour: whether escape sequences are welcome.
        title: above the table, which has a frame then; an empty string for neither.
        headline: a text above the table, without a frame; an empty string for none.
        lines: whether a table with a frame has lines between its rows.
        ratios: shares of the width, one for each column; none for as much as each one needs.
    """
    from rich.console import Console  # noqa: PLC0415 - most commands print no table
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    framed = bool(title)
    made = Table(
        title=title or None, title_justify="left", show_lines=framed and lines, show_edge=framed, pad_edge=framed
    )
    for name, ratio in zip(columns, ratios or (None,) * len(columns), strict=True):
        made.add_column(name, overflow="fold", ratio=ratio)
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        made.add_row(*(Text(visible(text), style) for text, style in cells))
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    if headline:
        console.print(Text(visible(headline)))
    console.print(made)
    return out.getvalue()
