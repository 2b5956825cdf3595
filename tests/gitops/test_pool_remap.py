from __future__ import annotations

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.gitops.transform import transform
from tests.fakes.gitops_layers import ANCHOR, MAP, OWN, URL, run, with_anchor

POOL = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p}\nspec:\n  addresses:\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (POOL + "  - 10.89.0.200-10.89.0.220 # ours\n", POOL + "  - 10.91.7.10-10.91.7.30 # ours\n"),
        (POOL + '  - "10.89.0.200 - 10.89.0.220"\n', POOL + '  - "10.91.7.10-10.91.7.30"\n'),
        (POOL + "  - 10.89.1.0/28\n", POOL + "  - 10.91.8.0-10.91.8.15\n"),
        (POOL + "  - 10.89.0.201-10.89.0.202\n  - fd00::/64\n", POOL + "  - 10.91.7.11-10.91.7.12\n  - fd00::/64\n"),
        (POOL + "  - 10.89.0.210/32\n", POOL + "  - 10.91.7.20-10.91.7.20\n"),
        (POOL + "  - 10.89.0.210-10.89.0.221\n", POOL + "  - 10.89.0.210-10.89.0.221\n"),
        (
            SERVICE + "  annotations:\n    metallb.io/loadBalancerIPs: 10.89.0.201\n",
            SERVICE + "  annotations:\n    metallb.io/loadBalancerIPs: 10.91.7.11\n",
        ),
        (
            SERVICE + "  annotations: {metallb.universe.tf/loadBalancerIPs: '10.89.0.220, fd00::1,10.89.0.200'}\n",
            SERVICE + "  annotations: {metallb.universe.tf/loadBalancerIPs: '10.91.7.30, fd00::1,10.91.7.10'}\n",
        ),
        (SERVICE + "spec: {loadBalancerIP: 10.89.0.205}\n", SERVICE + "spec: {loadBalancerIP: 10.91.7.15}\n"),
        (SERVICE + "spec: {loadBalancerIP: 10.89.0.221}\n", SERVICE + "spec: {loadBalancerIP: 10.89.0.221}\n"),
        (SERVICE + "spec: {externalIPs: [10.89.0.205]}\n", SERVICE + "spec: {externalIPs: [10.89.0.205]}\n"),
        ("kind: ConfigMap\ndata: {url: 10.89.0.201}\n", "kind: ConfigMap\ndata: {url: 10.89.0.201}\n"),
        (
            "- {op: replace, path: /spec/loadBalancerIP, value: 10.89.0.201}\n",
            "- {op: replace, path: /spec/loadBalancerIP, value: 10.91.7.11}\n",
        ),
        (
            "- op: add\n  path: /metadata/annotations/metallb.io~1loadBalancerIPs\n  value: '10.89.0.201'\n",
            "- op: add\n  path: /metadata/annotations/metallb.io~1loadBalancerIPs\n  value: '10.91.7.11'\n",
        ),
        (
            "- op: add\n  path: /metadata/annotations\n  value: {metallb.io/loadBalancerIPs: 10.89.0.201}\n",
            "- op: add\n  path: /metadata/annotations\n  value: {metallb.io/loadBalancerIPs: 10.91.7.11}\n",
        ),
        (
            "- {op: replace, path: /spec/addresses/0, value: 10.89.0.200-10.89.0.220}\n",
            "- {op: replace, path: /spec/addresses/0, value: 10.91.7.10-10.91.7.30}\n",
        ),
        (
            "- {op: replace, path: /spec/addresses, value: [10.89.0.200-10.89.0.220]}\n",
            "- {op: replace, path: /spec/addresses, value: [10.91.7.10-10.91.7.30]}\n",
        ),
    ],
)
def test_pools_and_pinned_addresses(before: str, after: str) -> None:
    moves = {**MAP, "10.89.1.0-10.89.1.15": "10.91.8.0-10.91.8.255"}
    assert run(before, file="manifests/x.yaml", pool_map=moves) == after
    assert run(before, file="manifests/x.yaml", pool_map={}) == before


def test_a_list_of_services_is_looked_through() -> None:
    text = "kind: List\nitems:\n- kind: Service\n  metadata: {name: a}\n  spec: {loadBalancerIP: 10.89.0.200}\n"
    assert run(text, pool_map=MAP) == text.replace("10.89.0.200", "10.91.7.10")


INLINE = f"""\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
patches:
  - target: {{kind: Service}}
    patch: |-
      # 10.89.0.2, 10.89.0.2010, 110.89.0.201 and 1.10.89.0.201.5 are not 10.89.0.201
      - op: add
        path: /metadata/annotations/metallb.io~1loadBalancerIPs
        value: 10.89.0.201
  - patch: |
      kind: Service
      metadata: {{name: x, annotations: {{metallb.io/loadBalancerIPs: "10.89.0.202"}}}}
  - target: {{kind: Application}}
    patch: '[{{"op": "replace", "path": "/spec/source/repoURL", "value": "{OWN}"}}]'
  - path: elsewhere.yaml
patchesStrategicMerge:
  - file.yaml
  - |-
    kind: Service
    metadata: {{name: y}}
    spec: {{loadBalancerIP: 10.89.0.203}}
"""


@pytest.mark.parametrize("file", ["kustomization.yaml", "a/kustomization.yml", "a/Kustomization"])
def test_inline_patches_of_a_kustomization(file: str) -> None:
    done = transform({"anchor.yaml": ANCHOR.encode(), file: INLINE.encode()}, url=URL, pool_map=MAP)
    # The comment's last word is the address that is moved; everything else on that line is a different one.
    expected = INLINE.replace(" 10.89.0.201\n", " 10.91.7.11\n").replace("10.89.0.202", "10.91.7.12")
    expected = expected.replace("10.89.0.203", "10.91.7.13").replace(OWN, URL)
    assert done.files[file].decode() == expected
    lines = {change.line: change.before for change in done.changes if change.file == file}
    assert lines == {9: "10.89.0.201", 12: "10.89.0.202", 14: OWN, 21: "10.89.0.203"}


def test_two_forms_of_the_own_url_in_one_inline_patch() -> None:
    patch = f"[{{op: add, path: /spec/sources, value: [{{repoURL: '{OWN}'}}, {{repoURL: '{OWN}/'}}]}}]"
    text = f'kind: Kustomization\npatches:\n- patch: "{patch}"\n'
    assert with_anchor(text, file="kustomization.yaml") == text.replace(f"{OWN}/", URL).replace(OWN, URL)


def test_inline_text_of_another_file_is_no_patch() -> None:
    assert run(INLINE, file="manifests/other.yaml", pool_map=MAP) == INLINE


def test_an_inline_patch_that_hides_the_address_is_refused() -> None:
    text = 'kind: Kustomization\npatches:\n- patch: "kind: Service\\nspec: {loadBalancerIP: 10.89.0.20\\x31}"\n'
    with pytest.raises(WrongUsage, match=r"^kustomization\.yaml:3: '10\.89\.0\.201' cannot be replaced") as caught:
        run(text, file="kustomization.yaml", pool_map=MAP)
    assert "write the patch as a block" in str(caught.value)


@pytest.mark.parametrize(
    ("pool_map", "text"),
    [
        (
            {"10.89.0.200-10.89.0.220": "10.91.0.1-10.91.0.20"},
            "10.91.0.1-10.91.0.20 must have at least as many addresses as",
        ),
        (
            {"nonsense": "10.91.0.1-10.91.0.20"},
            "must have two address ranges in each entry, got 'nonsense' -> '10.91.0.1-10.91.0.20'",
        ),
    ],
)
def test_a_pool_map_that_cannot_be_used_is_refused(pool_map: dict[str, str], text: str) -> None:
    with pytest.raises(WrongUsage, match=text):
        run("kind: Service\n", pool_map=pool_map)
