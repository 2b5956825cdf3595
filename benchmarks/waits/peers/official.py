"""The official Python client: `watch.Watch().stream` with `timeout_seconds`, as its README and examples/watch have it."""

from __future__ import annotations

from kubernetes import client, config, watch

from benchmarks.waits.contender import FIELD, READY, NotSeen, Setup, Threaded


class Peer(Threaded):
    """Wait by a watch of the one object, which begins with its present state."""

    def __init__(self, setup: Setup) -> None:
        """Load the kubeconfig once for all waits."""
        super().__init__(setup)
        config.load_kube_config(config_file=str(setup.kubeconfig))
        self._core = client.CoreV1Api()

    def wait(self, name: str, timeout: float) -> None:
        """Wait for one ConfigMap."""
        stream = watch.Watch()
        found = False
        for event in stream.stream(
            self._core.list_namespaced_config_map,
            self.setup.namespace,
            field_selector=f"metadata.name={name}",
            timeout_seconds=int(timeout),
        ):
            if event["type"] != "DELETED" and (event["object"].data or {}).get(FIELD) == READY:
                found = True
                stream.stop()
        if not found:
            raise NotSeen("the stream ended")

    def close(self) -> None:
        """Leave it to the end of the process."""
