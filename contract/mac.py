"""Compile for macOS all programs that run there: argocd, helm, kubectl, kustomize and k3d; `nox -s mac`.

It runs none of them, which would need a Mac. A program that does not compile cannot be built there either.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from platform_e2e.cluster.k3d import versions
from platform_e2e.errors import HarnessError
from platform_e2e.incident.output import PrintedTimeline, say
from platform_e2e.toolbox import cache, gomod, programs, toolchain
from platform_e2e.toolbox.gobuild import Builder, BuildTarget

ARCHITECTURES = ("arm64", "amd64")


def main(argv: Sequence[str] | None = None) -> int:
    """Compile, and report the result.

    Args:
        argv: the words after the program's name.

    Returns:
        0 when all compile, else 3.
    """
    parser = argparse.ArgumentParser(prog="mac", description=__doc__)
    parser.add_argument("architectures", nargs="*", default=ARCHITECTURES, metavar="ARCH", help="arm64 and amd64")
    known = parser.parse_args(argv)
    timeline = PrintedTimeline()
    table = {program.name: program for program in programs.table()}
    tools = [
        BuildTarget("kubectl", programs.KUBECTL, table[programs.KUBERNETES].link),
        *(
            BuildTarget(name, table[name].package, table[name].link)
            for name in programs.TOOLS_OF_HOST
            if name != "kubectl"
        ),
    ]
    k3d = [BuildTarget("k3d", versions.PACKAGE)]
    try:
        for architecture in known.architectures:
            for module, targets in ((gomod.MODULE, tools), (versions.MODULE, k3d)):
                with cache.scratch("mac") as scratch:
                    directory = scratch / "programs"
                    directory.mkdir()
                    Builder(
                        go=toolchain.choose(gomod.read(module / "go.mod").go).command(timeline),
                        module=module,
                        tags=programs.TAGS if targets is tools else "",
                        environment={
                            **toolchain.environment(),
                            "GOTMPDIR": str(scratch),
                            "GOOS": "darwin",
                            "GOARCH": architecture,
                        },
                        log=cache.log_file("mac"),
                        progress=lambda text: timeline.progress("mac", text),
                    ).build(targets, directory)
                say(f"darwin/{architecture}: {', '.join(target.name for target in targets)}")
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
