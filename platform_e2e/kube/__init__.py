"""Talk to a Kubernetes API server and wait for what it reports; knows no product.

* `client.py`: `Kube`, the one thing to begin with: objects, lists, server-side apply, logs, proxy, and the watched sources.
* `expect.py`: `eventually`, `consistently`, `never`, `eventually_gone`, `poll`, `all_of`, `any_of`, and their verdicts.
* `rollouts.py`: ready-made expectations: rollouts, conditions, Jobs, endpoints, CRDs, webhooks.
* `errors.py`: what may be raised. `selection.py`: label selectors. `show.py`: objects and events as a person reads them.

Underneath: `stream.py` is the shared list-then-watch of one kind, `audience.py` who listens to it, `view.py` one wait's sight
of it, `waiting.py` one wait from its begin to its end.
"""
