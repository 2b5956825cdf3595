"""The generators of ApplicationSets that need nothing but the layer: list, git directories, and matrix and merge of those."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e.layer.tree import SKIPPED
from tests.fakes import templates

Parameters = dict[str, Any]
"""One set of parameters: one generated Application."""


class GeneratorError(ValueError):
    """A generator cannot be expanded from the layer alone; the text says which."""


@dataclass(frozen=True)
class Expansion:
    """How an ApplicationSet's generators are expanded.

    Attributes:
        root: the layer, for git generators.
        go: whether its templates are Go templates; parameters are then nested, else flat.
    """

    root: Path
    go: bool

    def all(self, generators: Iterable[Any]) -> list[Parameters]:
        """Return the parameter sets of all generators, one after the other.

        Raises:
            GeneratorError: a generator is not understood.
        """
        return [parameters for generator in generators for parameters in self.one(generator)]

    def one(self, generator: Any) -> list[Parameters]:
        """Return the parameter sets of one generator.

        Raises:
            GeneratorError: it is not understood.
        """
        if not isinstance(generator, Mapping) or len(generator) != 1:
            extra = ", ".join(generator) if isinstance(generator, Mapping) else repr(generator)
            raise GeneratorError(f"a generator must have exactly one kind and nothing else; this has {extra}")
        ((kind, body),) = generator.items()
        if not isinstance(body, Mapping):
            raise GeneratorError(f"the generator {kind} is empty")
        if (body.get("template") or {}).get("spec"):
            raise GeneratorError(f"the generator {kind} has a template of its own, which is not followed here")
        match kind:
            case "list":
                return self._list(body)
            case "git":
                return self._git(body)
            case "matrix":
                return self._matrix(body)
            case "merge":
                return self._merge(body)
        raise GeneratorError(
            f"the generator {kind} needs more than the layer; list, git directories, matrix, merge are known"
        )

    def _list(self, body: Mapping[str, Any]) -> list[Parameters]:
        if body.get("elementsYaml"):
            raise GeneratorError("elementsYaml is not followed here")
        elements = body.get("elements") or []
        if not all(isinstance(element, Mapping) for element in elements):
            raise GeneratorError("the generator list has an element that is not a mapping")
        return [dict(element) if self.go else _flat(element) for element in elements]

    def _git(self, body: Mapping[str, Any]) -> list[Parameters]:
        if body.get("files"):
            raise GeneratorError("the generator git reads parameters from files, which is not followed here")
        wanted = body.get("directories") or []
        for entry in wanted:
            path = entry.get("path") if isinstance(entry, Mapping) else None
            if not isinstance(path, str) or path != path.strip("/") or "\\" in path:
                # Argo CD finds nothing below a path with a slash at an end, and excludes nothing by it either.
                raise GeneratorError(
                    f"the generator git has the path {path!r}; one without outer slashes and \\ is known"
                )
        included = [entry["path"] for entry in wanted if not entry.get("exclude")]
        excluded = [entry["path"] for entry in wanted if entry.get("exclude")]
        prefix, values = body.get("pathParamPrefix") or "", body.get("values") or {}
        return [
            self._directory(directory, prefix, values)
            for directory in _directories(self.root)
            if _any_match(included, directory) and not _any_match(excluded, directory)
        ]

    def _directory(self, directory: str, prefix: str, values: Mapping[str, Any]) -> Parameters:
        basename = directory.rpartition("/")[2]
        normalized = re.sub(r"[^a-z0-9.-]", "-", basename.lower())
        segments = directory.split("/")
        parameters: Parameters
        if self.go:
            path = {"path": directory, "basename": basename, "basenameNormalized": normalized, "segments": segments}
            parameters = {prefix: {"path": path}} if prefix else {"path": path}
        else:
            name = f"{prefix}.path" if prefix else "path"
            parameters = {name: directory, f"{name}.basename": basename, f"{name}.basenameNormalized": normalized}
            parameters |= {f"{name}[{index}]": segment for index, segment in enumerate(segments)}
        own = {key: templates.substitute(value, parameters, go=self.go) for key, value in values.items()}
        if self.go:
            return parameters | ({"values": own} if own else {})
        return parameters | {f"values.{key}": value for key, value in own.items()}

    def _matrix(self, body: Mapping[str, Any]) -> list[Parameters]:
        pair = body.get("generators") or []
        if len(pair) != 2:
            raise GeneratorError("the generator matrix must have exactly two generators")
        found = []
        for first in self.one(pair[0]):
            # The second generator may use the parameters of the first.
            second = (
                templates.substitute(pair[1], first, go=self.go)
                if templates.EXPRESSION.search(str(pair[1]))
                else pair[1]
            )
            for other in self.one(second):
                twice = [key for key in first.keys() & other.keys() if first[key] != other[key]]
                if twice:
                    raise GeneratorError(f"both generators of the matrix set {twice[0]}")
                found.append(first | other)
        return found

    def _merge(self, body: Mapping[str, Any]) -> list[Parameters]:
        keys, generators = body.get("mergeKeys") or [], body.get("generators") or []
        if not keys or len(generators) < 2:
            raise GeneratorError("the generator merge must have mergeKeys and at least two generators")

        def key_of(parameters: Parameters) -> tuple[str, ...]:
            missing = [key for key in keys if key not in parameters]
            if missing:
                raise GeneratorError(f"the generator merge has a parameter set without its key {missing[0]}")
            return tuple(str(parameters[key]) for key in keys)

        base = {key_of(parameters): parameters for parameters in self.one(generators[0])}
        for parameters in itertools.chain.from_iterable(self.one(generator) for generator in generators[1:]):
            key = key_of(parameters)
            if key in base:
                base[key] = base[key] | parameters
        return list(base.values())


def _flat(element: Mapping[str, Any]) -> Parameters:
    found: Parameters = {}
    for key, value in element.items():
        if key == "values" and isinstance(value, Mapping):
            found |= {f"values.{inner}": content for inner, content in value.items()}
        else:
            found[key] = value
    return found


def _directories(root: Path) -> list[str]:
    """Return every directory of the layer, hidden ones left out as Argo CD does."""
    found = []
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.is_dir() and not any(part.startswith(".") or part in SKIPPED for part in parts):
            found.append("/".join(parts))
    return sorted(found)


def _any_match(patterns: list[str], directory: str) -> bool:
    return any(_match(pattern, directory) for pattern in patterns)


def _match(pattern: str, directory: str) -> bool:
    """Match as Go's path.Match: `*` ends at a slash."""
    signs = {"*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*|\?|\[[^\]]+\])", pattern)
    text = "".join(
        part if part.startswith("[") and len(part) > 2 else signs.get(part, re.escape(part)) for part in parts
    )
    return re.fullmatch(text, directory) is not None
