"""Read other people's layers, each in a process of its own: `nox -s foreign -- DIR[:ROOT,ROOT]...`.

Prints which repository has which name, and what is not judged; writes docs/foreign-layers.md. Ends with 1 where the reader broke down.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.foreign import page
from benchmarks.foreign.one import Read
from benchmarks.foreign.page import Row
from platform_e2e import paths, shell
from platform_e2e.commands.arguments import Parser
from platform_e2e.git import repository, urls
from platform_e2e.shell import CommandError
from platform_e2e.terminal import visible

PAGE = paths.ROOT / "docs" / "foreign-layers.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Read all, print and write what became of them, and return the exit status."""
    parser = Parser(prog="benchmarks.foreign", description=__doc__)
    parser.add_argument(
        "layers", nargs="+", metavar="DIR[:ROOT,ROOT]", help="a layer, and what is applied by hand of it"
    )
    parser.add_argument("--seconds", type=float, default=300.0, metavar="N", help="how long each may take; 300")
    parser.add_argument(
        "--megabytes", type=int, default=2048, metavar="N", help="of memory that each process may take; 2048"
    )
    parser.add_argument(
        "--store", default="", metavar="DIR", help="of fetched charts and repositories; none by default"
    )
    parser.add_argument(
        "--page", type=Path, default=PAGE, metavar="FILE", help="what is written; docs/foreign-layers.md"
    )
    known = parser.parse_args(argv)
    # Every process that is started from here has it too.
    resource.setrlimit(resource.RLIMIT_DATA, (known.megabytes << 20, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    rows = []
    for each in known.layers:
        rows.append(_row(each, known.seconds, str(Path(known.store).resolve()) if known.store else ""))
        _say(rows[-1])
    called = page.names(rows)
    for repository_name, name in called.items():
        print(f"{name} = {repository_name}")
    known.page.write_text(page.markdown(rows, called), encoding="utf-8")
    print(f"the page: {known.page}")
    return int(any(row.read is None for row in rows))


def _row(named: str, seconds: float, store: str) -> Row:
    directory, _, roots = named.partition(":")
    path = Path(directory).resolve()
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.foreign.one",
        path,
        store,
        *filter(None, roots.split(",")),
    ]
    try:
        done = shell.run(argv, timeout=seconds)
        return Row(_repository(path), msgspec.json.decode(done.stdout, type=Read))
    except CommandError as error:
        last = (error.output.strip().splitlines() or [str(error)])[-1]
        return Row(_repository(path), None, visible(last))


def _repository(directory: Path) -> str:
    """Return `OWNER/NAME` of a checkout."""
    found = repository.located(directory)
    remotes = [urls.canonical(url) for url in (found[1] if found else {}).values() if urls.is_remote(url)]
    return "/".join(remotes[0].split("/")[-2:]) if remotes else directory.name


def _say(row: Row) -> None:
    read = row.read
    if read is None:
        print(f"{row.repository}: BREAKS DOWN: {row.crash}")
        return
    print(f"{row.repository}: {read.rendered} of {read.there}; {read.seconds:.1f} s {read.refused}")
    for text in (*read.roots, *read.each):
        print(f"    {visible(text)}")


if __name__ == "__main__":
    sys.exit(main())
