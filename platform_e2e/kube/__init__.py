"""A Kubernetes client and waits on what the API server reports; independent of any product.

* `client.py`: `Kube`, the place to start: objects, lists, server-side apply, logs, proxy, and watched sources.
* `expect.py`: `eventually`, `consistently`, `never`, `eventually_gone`, `poll`, `all_of`, `any_of`, and their verdicts.
* `readiness.py`: ready-made expectations: rollouts, conditions, Jobs, Services, CRDs, webhooks. `fields.py`: any single field.
* `progress.py`: whether anything in a cluster still changes, and which images are being pulled.
* `errors.py`: the errors. `labels.py`: label selectors. `describe.py`: objects and events in words.
* `kubeconfig/`: the API server, and how this user authenticates.

Underneath, from a wait down to the wire: `wait.py` runs one wait; `watched.py` caches what it sees of a shared stream (`watch.py`,
`subscribers.py`); `list_watch.py` sends the requests through `transport.py`.
"""
