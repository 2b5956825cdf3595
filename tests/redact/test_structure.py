"""Secrets are found by what a file says, however it is spelled, and every other byte of it stays."""

from __future__ import annotations

import base64
import io
import json
import time

import pytest
from ruamel.yaml import YAML

from platform_e2e import paths, redact
from platform_e2e.redact import layer_files, patches

pytestmark = pytest.mark.point("secrets-withheld")

PLAIN = "tulip garden at dawn"
"""A secret that nothing but its place tells."""

CODED = base64.b64encode(PLAIN.encode()).decode()

HELD = {
    "explicit key": ("a.yaml", f"? kind\n: Secret\n? stringData\n: room: {PLAIN}\n"),
    "escaped kind": ("a.yaml", f'kind: "\\x53ecret"\nstringData: {{room: {PLAIN}}}\n'),
    "escaped kind in JSON": ("a.json", f'{{"kind": "\\u0053ecret", "data": {{"room": "{CODED}"}}}}'),
    "local tag": ("a.yaml", f"kind: !<tag:yaml.org,2002:str> Secret\ndata:\n  room: !!binary {CODED}\n"),
    "literal kind": ("a.yaml", f"kind: |-\n  Secret\ndata:\n  room: {CODED}\n"),
    "kind by an alias": ("a.yaml", f"x: &k Secret\n---\nkind: &k Secret\nmetadata: {{name: a}}\nstringData: {{room: {PLAIN}}}\n"),
    "in a list": ("a.yaml", f"- kind: ConfigMap\n  data: {{level: info}}\n- data:\n    room: {CODED}\n  kind: Secret\n"),
    "list of secrets": ("a.yaml", f"items:\n- data: {{room: {CODED}}}\n- stringData:\n    hall: {PLAIN}\nkind: SecretList\n"),
    "tab before a comment": ("a.yaml", f"kind: Secret\t# x\nstringData:\t# y\n  room: {PLAIN}\n"),
    "several lines of flow": ("a.yaml", f"{{\n  kind: Secret, stringData: {{\n    room:\n      {PLAIN} }} }}\n"),
    "multi-line plain": ("a.yaml", "kind: Secret\nstringData:\n  room: tulip garden\n    at dawn\n"),
    "double quoted over lines": ("a.yaml", 'kind: Secret\nstringData:\n  room: "tulip garden\n    at dawn"\n'),
    "anchored elsewhere": ("a.yaml", f"x-rooms: &rooms\n  room: {PLAIN}\nkind: Secret\nstringData: *rooms\n"),
    "merged": ("a.yaml", f"x: &x {{room: {PLAIN}}}\nkind: Secret\nstringData:\n  <<: [*x]\n"),
    "kind twice": ("a.yaml", f"kind: Secret\nstringData: {{room: {PLAIN}}}\nkind: ConfigMap\n"),
    "windows": ("a.yaml", f"kind: Secret\r\nstringData:\r\n  room: {PLAIN}\r\n"),
    "directive": ("a.yaml", f"%YAML 1.2\n---\nkind: Secret\nstringData: {{room: {PLAIN}}}\n...\n"),
    "document in the marker's line": ("a.yaml", f"--- {{kind: Secret, stringData: {{room: {PLAIN}}}}}\n"),
    "template around": ("a.yaml", f"{{{{- if .x }}}}\nkind: Secret\nstringData:\n  a: {{{{ .y }}}}\n  room: {PLAIN}\n{{{{- end }}}}\n"),
    "merge patch without kind": ("a.yaml", f"metadata: {{name: a}}\nstringData:\n  room: {PLAIN}\n"),
    "patch of a target": ("kustomization.yaml", f"patches:\n- target: {{kind: Secret}}\n  patch: |\n    - op: add\n      path: /data/room\n      value: {CODED}\n"),
    "patch in JSON of a target": (
        "kustomization.json", json.dumps({"patches": [{"target": {"kind": "Secret"}, "patch": f'[{{"op":"add","path":"/stringData/room","value":"{PLAIN}"}}]'}]}),
    ),
    "strategic patch in a patch": ("kustomization.yaml", f"patches:\n- patch: |-\n    kind: Secret\n    metadata: {{name: a}}\n    data:\n      room: {CODED}\n"),
    "escaped path": ("p.yaml", f"- {{op: add, path: /stringData/a~1room, value: {PLAIN}}}\n"),
    "env by patch": ("p.json", json.dumps([{"value": {"value": "hunter2x", "name": "SMTP_PASS"}, "path": "/spec/env/0", "op": "add"}]) + "\n"),
    "text that begins as a font": ("a.env", "OTTO_SMTP_PASSWORD=hunter2x\n"),
    "text that begins as a sound": ("a.env", "RIFF_TOKEN=hunter2x\n"),
    "option of Redis": ("a.yaml", "command: redis-server --requirepass hunter2x --port 1\n"),
    "option of Redis in a list": ("a.json", '{"command": ["redis-server", "--requirepass", "hunter2x"]}\n'),
    "option of Redis with its value below": ("a.yaml", "args:\n  - --masterauth\n  - 'hunter2x'\n"),
    "generator plugin": ("g.yaml", "apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: a}\nliterals:\n- room=tulip-garden-at-dawn\n"),
    "generator, block": ("kustomization.yaml", "secretGenerator:\n- name: a\n  literals:\n  - >-\n    room=tulip-garden-at-dawn\n"),
    "Secret in a log": ("pod.log", f'12:00 applied {{"kind":"Secret","data":{{"room":"{CODED}"}}}} twice\n'),
    "Secret in a quoted string": ("pod.log", "msg='{\"kind\": \"Secret\", \"stringData\": {\"room\": \"" + PLAIN + "\"}}'\n"),
}  # fmt: skip


def kept(name: str, text: str) -> str:
    """Return what of a file is in a layer's copy, and see that an incident has the same."""
    content, _ = patches.file(name, text.encode())
    assert layer_files.redacted({name: text.encode()})[0][name] == content
    return content.decode()


def gone(text: str) -> bool:
    return not any(one in text for one in (PLAIN, CODED, "tulip", "hunter2x"))


@pytest.mark.parametrize("case", HELD)
def test_a_secret_is_found_by_what_the_file_says(case: str) -> None:
    name, text = HELD[case]
    assert gone(kept(name, text))
    assert gone(redact.text(text))
    added = "".join(f"+{line}\n" for line in text.splitlines())
    assert gone(patches.section(f"diff --git a/{name} b/{name}\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,9 @@\n{added}"))


def test_all_but_the_values_stays_byte_for_byte_and_the_api_server_takes_it() -> None:
    text = f"""\
# a comment: kept
apiVersion: v1
kind:   'Secret'   # so is this
metadata: {{name: a,   labels: {{x: "y"}}}}
data:
    room:   {CODED}  # and this
    hall: "{CODED}"
    wing: >
        {CODED}
stringData: {{a: {PLAIN}, b: '{PLAIN}', c: 3}}
---
kind: ConfigMap
data: {{room: kitchen, script: "a \\
  b"}}
"""
    hidden = base64.b64encode(redact.HIDDEN.encode()).decode()
    shown = kept("a.yaml", text)
    block = f">\n        {CODED}\n"
    expected = text.replace(block, f"{CODED}\n").replace(CODED, hidden)
    expected = expected.replace(f"'{PLAIN}'", f"'{redact.HIDDEN}'").replace(PLAIN, f'"{redact.HIDDEN}"')
    assert shown == expected.replace("c: 3", f'c: "{redact.HIDDEN}"')
    secret, other = YAML(typ="safe", pure=True).load_all(io.StringIO(shown))
    assert {base64.b64decode(one) for one in secret["data"].values()} == {redact.HIDDEN.encode()}
    assert set(secret["stringData"].values()) == {redact.HIDDEN}
    assert other == {"kind": "ConfigMap", "data": {"room": "kitchen", "script": "a b"}}


def test_what_a_file_lost_is_said() -> None:
    assert patches.file("a.json", b'{"kind":"Secret","data":{"a":"eHg="}}')[1] == "the values of its Secret"
    assert patches.file("a.yaml", b"env: [{value: hunter2x, name: DB_PASS}]\n")[1] == "values that look like secrets"


def test_in_a_patch_each_side_is_read_by_itself() -> None:
    patch = """\
diff --git a/kustomization.yaml b/kustomization.yaml
--- a/kustomization.yaml
+++ b/kustomization.yaml
@@ -1,6 +1,6 @@
 secretGenerator:
 - name: a
   literals:
-  - room=hunter2x
+  - room=tulip
 resources:
 - a.yaml
"""
    assert patches.section(patch) == patch.replace("hunter2x", redact.HIDDEN).replace("tulip", redact.HIDDEN)
    reference = patch.replace("secretGenerator", "configMapGenerator")
    assert patches.section(reference) == reference


@pytest.mark.parametrize(
    "secret",
    [
        {"kind": "SecretList", "items": [{"data": {"room": CODED}}]},
        {"op": "add", "path": "/stringData/room", "value": PLAIN},
        {"secretGenerator": [{"literals": [f"room={PLAIN}"]}]},
        {"credentials": {"shop": "hunter2x"}},
        {"basicAuth": {"username": "prom", "someone": "hunter2x"}},
        {"patches": [{"target": {"kind": "Secret"}, "patch": f"- op: add\n  path: /data/room\n  value: {CODED}\n"}]},
        {"data": {"s.yaml": f"kind: SecretList\nitems:\n- stringData: {{room: {PLAIN}}}\n"}},
    ],
)
def test_objects_are_judged_by_the_same_rules(secret: dict[str, object]) -> None:
    assert gone(json.dumps(redact.plain(secret)))


@pytest.mark.point("no-over-redaction")
@pytest.mark.parametrize(
    "line",
    [
        "checksum/secret: 3f786850e387550fdab836ed7e6dc881de23001b3f786850e387550fdab836ed",
        '"integrity": "sha512-' + "q" * 86 + '=="',
        "used tokens=1234567 in 2 s",
        "--- PASS: TestPassword (0.1s)",
        "pass=31 fail=0",
        "  passwordSecretRef: {name: db-2, key: password}",
        "tlsSecret: shop-example-tls",
        "existingSecret: db-credentials-2",
        "password: ${DB_PASSWORD:-}",
        "token: $dex.github.clientSecret",
        'expr: sum by (secret) (kube_secret_info{secret="shop-2-tls"})',
        "args: [--requirepass, $(REDIS_PASSWORD), --port, '1']",
        "start it with --requirepass to protect it",
        "kind: ConfigMap\ndata:\n  stringData: x\n  literals: a=b",
        "configMapGenerator:\n- name: a\n  literals:\n  - level=info",
        "- op: replace\n  path: /data/level\n  value: debug",
        "kind: SealedSecret\nspec:\n  encryptedData:\n    password: AgBy3i4OJSWK",
        "patches:\n- target: {kind: Secret}\n  path: p.yaml",
        "properties:\n  stringData:\n    type: object\n    description: data as text",
        "secrets:\n  db:\n    file: ./db.txt",
        "# password: taken from the Secret that the team has made",
    ],
)
def test_what_only_tells_of_secrets_stays(line: str) -> None:
    assert kept("a.yaml", line + "\n") == line + "\n"
    assert redact.text(line) == line or "AgBy" in line


@pytest.mark.point("no-over-redaction")
def test_of_the_demo_layer_not_one_line_is_changed() -> None:
    files = {
        str(one): one.read_bytes() for one in (paths.ROOT / "tests" / "data" / "platform").rglob("*") if one.is_file()
    }
    assert len(files) > 40
    assert layer_files.redacted(files) == (files, [])


HOSTILE = {
    "brackets": "[", "braces": "{a: ", "quotes in lines": 'a: "\n', "brackets in lines": "a: [b\n", "JSON in lines": 'x {"a":\n',
    "items": "- ", "anchors": "a: &a [*a,*a]\n", "aliases": "a: &a [x, x]\nb: *a\n", "escapes": '\\"', "coats": "%3A", "blocks": "a: |\n b\n",
    "hunks": "@@ -1 +1 @@\n-kind: Secret\n+data: x\n", "machines": "machine a login b ", "elements": "<password>", "variables": 'variable "password" {',
    "tables": "A  PASSWORD\n", "bars": "|token|\n|---|\n", "bars in a line": "|password", "cells": "A  TOKEN  ",
    "here-documents": "password = <<EOF\n", "anchored": "a: &a x\npassword: *a\n", "explicit keys": "? password\n", "logins": "docker login ",
    "operations": "- op: add\n  path: /data/x\n  value: y\n", "tags": "!!str ",
}  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_no_file_takes_more_than_linear_time(part: str) -> None:
    text = "kind: Secret\nstringData:\n  a: b\n---\n" + (part * 15_000)[:15_000]
    start = time.thread_time()
    patches.file("a.yaml", text.encode())
    # About 0.05 s; what looks at each character once for each character would take minutes.
    assert time.thread_time() - start < 3


def test_aliases_that_stand_for_much_are_not_followed() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 200))
    start = time.thread_time()
    assert gone(kept("a.yaml", f"{bomb}kind: Secret\nstringData: {{room: {PLAIN}, more: *a199}}\n"))
    assert time.thread_time() - start < 2
