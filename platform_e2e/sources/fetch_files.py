"""Fetch a single file that a kustomization reads, by HTTP, without credentials."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin

import urllib3

from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.layer.tree import LARGEST_FILE
from platform_e2e.sources import locations

SECONDS = 60.0
"""Timeout of each step of one file."""

REDIRECTS = 5
"""How often a host may send elsewhere: a release of GitHub does once."""

REMEDY = "check that this machine reaches it, or keep the file in the layer"


class NotFetched(BrokenHarness):
    """A file does not come."""


def fetch(url: str, into: Path) -> Path:
    """Fetch a file, and return where it is.

    Args:
        url: of the file, without credentials.
        into: an empty directory.

    Raises:
        WrongUsage: the URL is not fetched, or the file is too large.
        NotFetched: it does not come.
    """
    target = into / "content"
    for _ in range(REDIRECTS + 1):
        why = locations.refused(url, locations.FILES)
        if why:
            raise WrongUsage(f"{url} is not fetched: {why}", "keep the file in the layer")
        try:
            with urllib3.PoolManager() as pool:
                answer = pool.request("GET", url, timeout=SECONDS, redirect=False, retries=2, preload_content=False)
                try:
                    if 300 <= answer.status < 400 and answer.headers.get("Location"):
                        url = urljoin(url, answer.headers["Location"])
                        continue
                    if answer.status != 200:
                        raise NotFetched(f"{url} must be answered with status 200, got {answer.status}", REMEDY)
                    content = answer.read(LARGEST_FILE + 1, decode_content=True)
                finally:
                    answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise NotFetched(f"{url} cannot be fetched: {error}", REMEDY) from error
        if len(content) > LARGEST_FILE:
            raise WrongUsage(
                f"{url} cannot have more than {LARGEST_FILE >> 20} MiB", "keep what is needed in the layer"
            )
        target.write_bytes(content)
        return target
    raise NotFetched(f"{url} sends elsewhere more than {REDIRECTS} times", REMEDY)
