"""What a session does about its cluster beside the fixtures: tell workers, skip what cannot be had, wait until it is gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from platform_e2e.cluster.provider import Capability
from platform_e2e.paths import command
from platform_e2e.pytest_plugin.layer import layer_of
from platform_e2e.pytest_plugin.options import asks_only, settings_of
from platform_e2e.pytest_plugin.run import is_worker, run_of

REMOVAL_SECONDS = 60.0
"""The longest that the supervisor may take after the last process has let the cluster go; it takes about one second."""

MADE_OF_IT = "platform_e2e_made_of_it"
"""Key under which a controller tells its workers what the run makes of its cluster."""


def made_of_it(config: pytest.Config) -> str:
    """Return the fingerprint of what a run makes of its cluster: runs that make the same may use it at the same time.

    All workers have their controller's: a file that is edited meanwhile must not make two runs of one.
    """
    told = getattr(config, "workerinput", {}).get(MADE_OF_IT)
    chosen = settings_of(config)
    return told or f"{layer_of(config).fingerprint()} {chosen.root} {chosen.charts_dir} {chosen.sealing_key}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what the run makes of its cluster."""
    if run_of(node.config) is not None:
        node.workerinput[MADE_OF_IT] = made_of_it(node.config)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Wait until the cluster is gone also where workers were ended before they could wait for it themselves."""
    yield
    run = run_of(session.config)
    if run is None or is_worker(session.config) or run.keeps():
        return
    from platform_e2e.cluster.directory import ClusterDirectory
    from platform_e2e.toolbox.waiting import NotInTime, wait_until

    files = ClusterDirectory(run.settings.cluster)

    def look() -> bool | str:
        gone = not files.path.exists() or not files.supervisor.is_held() or files.holders()
        return True if gone else "its supervisor is removing it"

    try:
        wait_until(
            look,
            timeout=REMOVAL_SECONDS,
            what=f"cluster {files.name} is removed",
            remedy=f"{command('leaks', more=False)}",
        )
    except NotInTime as error:
        run.timeline.event("fact", "teardown", text=str(error))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Skip tests that need what the provider cannot do."""
    if asks_only(config):
        return
    from platform_e2e.cluster import providers

    provider = providers.choose(settings_of(config).provider)
    for item in items:
        needed = [Capability(name) for marker in item.iter_markers("needs") for name in marker.args]
        lacking = [capability.value for capability in needed if capability not in provider.capabilities]
        if lacking:
            reason = f"the provider {provider.name} cannot do: {', '.join(lacking)}"
            item.add_marker(pytest.mark.skip(reason=reason))
