"""What of a layer's URLs is fetched: a layer is a stranger's."""

from __future__ import annotations

import pytest

from platform_e2e.sources import locations
from platform_e2e.sources.locations import CHARTS, FILES, GIT, refused

HOSTILE = (
    "ext::sh -c id",
    "ext::sh%20-c%20id",
    "fd::17",
    "file:///etc",
    "file://localhost/etc",
    "/etc/passwd",
    "../other",
    "--upload-pack=/bin/sh",
    "-oProxyCommand=id",
    "ssh://-oProxyCommand=id/x",
    "ssh://-l@host/x",
    "git://host.example/x",
    "ftp://host.example/x",
    "http:///x",
    "https://host.example/a/../b",
    "https://host.example/a b",
    "https://host.example/a\nb",
    "https://[::1",
    "s3://bucket/x",
    "",
)


@pytest.mark.point("sources-fetched-safely")
@pytest.mark.parametrize("url", HOSTILE)
@pytest.mark.parametrize("schemes", [GIT, CHARTS, FILES])
def test_what_would_read_or_run_something_of_this_host_is_refused(url: str, schemes: tuple[str, ...]) -> None:
    assert refused(url, schemes)


@pytest.mark.parametrize(
    ("url", "schemes"),
    [
        ("https://github.com/org/repo.git", GIT),
        ("http://git.example.com:3000/x", GIT),
        ("ssh://git@github.com:22/org/repo", GIT),
        ("git@github.com:org/repo.git", GIT),
        ("https://charts.example.com", CHARTS),
        ("oci://registry.example.com/org", CHARTS),
        ("registry.example.com:5000/org/charts", CHARTS),
        ("https://raw.example.com/x.yaml", FILES),
    ],
)
def test_the_usual_ones_are_fetched(url: str, schemes: tuple[str, ...]) -> None:
    assert refused(url, schemes) == ""


def test_a_registry_on_this_host_is_asked_without_tls() -> None:
    assert locations.is_loopback("127.0.0.1:5000/org")
    assert locations.is_loopback("oci://localhost:5000/org")
    assert not locations.is_loopback("registry.example.com/localhost")


def test_a_transport_that_runs_a_program_is_called_so() -> None:
    assert "runs a program" in refused("ext::https://host.example/x", GIT)
