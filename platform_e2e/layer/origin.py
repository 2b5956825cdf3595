"""Which repository a directory belongs to: its root, and the URLs under which Applications read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.git import repository, urls
from platform_e2e.layer.argo_objects import ArgoObject, Reads

UNKNOWN = "https://unknown.invalid/repository"
"""The URL of a repository of which none is known."""


@dataclass(frozen=True)
class Checkout:
    """What Git says.

    Attributes:
        top: of the checkout; the directory itself where no checkout contains it.
        urls: of its remotes that name a host, without credentials.
        found: whether there is a checkout.
    """

    top: Path
    urls: tuple[str, ...]
    found: bool

    @classmethod
    def of(cls, directory: Path) -> Checkout:
        """Return the checkout that contains a directory."""
        located = repository.located(directory)
        if located is None:
            return cls(directory, (), found=False)
        top, remotes = located
        # The one that was cloned comes first.
        ordered = sorted(remotes.items(), key=lambda each: (each[0] != "origin", each[0]))
        named = dict.fromkeys(urls.without_credentials(url) for _, url in ordered if urls.is_remote(url))
        return cls(top, tuple(named), found=True)


def root(directory: Path, checkout: Checkout, objects: Sequence[ArgoObject]) -> tuple[Path, str]:
    """Return the directory that the paths of Applications begin at, and why it is that one.

    Args:
        directory: the layer's, an absolute path.
        checkout: that contains it.
        objects: of Argo CD in the directory.
    """
    if not checkout.found:
        return directory, _alone(directory, objects)
    if checkout.top == directory:
        return directory, "the repository is the directory itself: Git says so"
    own = {urls.canonical(url) for url in checkout.urls}
    reads = [each for item in objects for each in item.reads if "{{" not in each.path]
    if any(urls.canonical(each.repository) in own for each in reads):
        return checkout.top, f"the repository is {checkout.top}: Git says so, and Applications read its remote"
    between = [place for place in reversed((directory, *directory.parents)) if place.is_relative_to(checkout.top)]
    counts = {place: sum(_exists(place, each) for each in reads) for place in between}
    best = max(between, key=lambda place: counts[place])
    if best == checkout.top:
        return best, f"the repository is {best}: Git says so"
    return best, (
        f"the root of the repository is {best}, within the checkout {checkout.top}: {counts[best]} paths of Applications are"
        f" directories there, and {counts[checkout.top]} below the checkout's top"
    )


def _alone(directory: Path, objects: Sequence[ArgoObject]) -> str:
    beside = next(
        (
            f"; {each.path} of {item.kind} {item.name} is below the directory above it: if that is the repository, run git init there"
            for item in objects
            for each in item.reads
            if each.exact
            and not (directory / each.path).is_dir()
            and (directory.parent / each.path).is_relative_to(directory)
            if (directory.parent / each.path).is_dir()
        ),
        "",
    )
    return f"the repository is the directory itself: it is in no checkout of Git{beside}"


def _exists(place: Path, reads: Reads) -> bool:
    return reads.exact and (place / reads.path).is_dir()


@dataclass(frozen=True)
class Own:
    """The repository's URLs.

    Attributes:
        urls: all spellings, the one that Applications use most first.
        reasons: why these, and what was not taken for one.
    """

    urls: tuple[str, ...]
    reasons: tuple[str, ...]


def own_urls(place: Path, checkout: Checkout, stated: Iterable[str], objects: Sequence[ArgoObject]) -> Own:
    """Return the URLs of a repository.

    Args:
        place: its root.
        checkout: that contains it; its remotes count where the root is its top.
        stated: what the team says besides.
        objects: of Argo CD in it.
    """
    named = list(dict.fromkeys(stated))
    remotes = list(checkout.urls) if checkout.top == place else []
    reads = [each for item in objects for each in item.reads if each.repository and "{{" not in each.repository]
    said = []
    if named:
        said.append(f"the repository is also {', '.join(named)}: platform-e2e.yaml says so")
    if remotes:
        said.append(f"the repository is {', '.join(remotes)}: its remotes in Git")
    known = [*named, *remotes]
    if not known:
        guess, why = _guessed(place, reads, [url for item in objects for url in item.generated])
        known, said = [guess], [why]
    owned = {urls.canonical(url) for url in known}
    used = Counter(each.repository for each in reads if urls.canonical(each.repository) in owned)
    if not used and reads:
        others = Counter(each.repository for each in reads)
        most, count = others.most_common(1)[0]
        said.append(
            f"no Application reads {known[0]}, and {count} read {most}: if that is this repository, write `urls: [{most}]` into"
            " platform-e2e.yaml"
        )
    spelled = [url for url, _ in used.most_common()]
    usual = [each for url in known if urls.is_remote(url) for each in urls.spellings(url)]
    return Own(tuple(dict.fromkeys([*spelled, *known, *usual])), tuple(said))


def _guessed(place: Path, reads: Sequence[Reads], generated: Sequence[str]) -> tuple[str, str]:
    """Return the URL that most Applications read whose directories are there, or that are known only once they are generated."""
    there = Counter(urls.canonical(each.repository) for each in reads if _exists(place, each))
    asked = Counter(urls.canonical(each.repository) for each in reads)
    if not there and generated:
        (url, _), *_ = Counter(generated).most_common(1)
        why = f"{url} is taken for this repository: no remote in Git says another, and the paths that Applications read from it"
        return url, f"{why} are generated; if that is wrong, write `urls:` into platform-e2e.yaml"
    if not there:
        return (
            UNKNOWN,
            "the repository has no known URL: no remote in Git, and no directory that an Application reads is there",
        )
    best = max(there, key=lambda name: (there[name], asked[name]))
    spelled = Counter(each.repository for each in reads if urls.canonical(each.repository) == best)
    url = spelled.most_common(1)[0][0]
    why = f"{url} is taken for this repository: no remote in Git says another, and {there[best]} of {asked[best]} paths that"
    return url, f"{why} Applications read from it are here; if that is wrong, write `urls:` into platform-e2e.yaml"


def owner(every: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a URL is one of these, in any spelling."""
    own = {urls.canonical(url) for url in every}
    return lambda url: urls.canonical(url) in own
