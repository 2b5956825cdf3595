"""Read a kubeconfig: where the API server is, whom to trust, and how this user authenticates.

* `endpoint.py`: `load` reads the file into an `Endpoint`.
* `authentication.py`: credentials that must be obtained first: by an exec plugin (`exec_plugin.py`) or by OIDC (`oidc.py`), with
  the rules of the official client (`official_client.py`). `credential.py` caches and renews them.
* `tls.py`: TLS settings; keys are loaded from memory.
"""

from platform_e2e.kube.kubeconfig.endpoint import Endpoint, bearer, load

__all__ = ["Endpoint", "bearer", "load"]
