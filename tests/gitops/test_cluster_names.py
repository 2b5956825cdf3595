"""What names the cluster under test otherwise is served as Argo CD knows it on that cluster."""

from __future__ import annotations

import base64

from platform_e2e.gitops.transform import transform

URL = "http://git/layer.git"
PROD, HERE = "https://prod.example.com:6443", "https://kubernetes.default.svc"
RENAMED = {PROD: HERE, "in-cluster": "prod"}


def served(text: str) -> str:
    made = transform({"a.yaml": text.encode()}, url=URL, renamed=RENAMED)
    return made.files.get("a.yaml", text.encode()).decode()


def test_servers_are_replaced_where_they_are_a_whole_value() -> None:
    text = f"kind: AppProject\nspec:\n  destinations:\n    - server: {PROD}/ # ours\n      namespace: '*'\nnote: see {PROD}\n"
    assert served(text) == text.replace(f"server: {PROD}/", f"server: {HERE}")


def test_names_are_replaced_in_destinations_alone() -> None:
    text = "kind: Application\nmetadata: {name: in-cluster}\nspec:\n  destination: {name: in-cluster, namespace: a}\n"
    assert served(text) == text.replace("destination: {name: in-cluster", 'destination: {name: "prod"')


def test_a_secret_has_it_encoded() -> None:
    encoded = [base64.b64encode(each.encode()).decode() for each in (PROD, HERE)]
    text = f"kind: Secret\ndata: {{server: {encoded[0]}}}\n"
    assert served(text) == text.replace(encoded[0], f'"{encoded[1]}"')


def test_without_another_name_nothing_changes() -> None:
    text = f"kind: Application\nspec: {{destination: {{server: '{PROD}'}}}}\n"
    assert not transform({"a.yaml": text.encode()}, url=URL).files
