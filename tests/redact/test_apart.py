"""Secrets whose name stands apart from them: columns, anchors, here-documents, command lines; and what looks the same."""

from __future__ import annotations

import pytest

from platform_e2e import redact

VALUE = "mR4zKq81Lw0v"

SECRET = {
    "kubectl": f"NAME    USER   PASSWORD\nchat    bob    {VALUE}\nother   eve    {VALUE}\n",
    "kubeadm": f"TOKEN          TTL   USAGES\n{VALUE}   23h   signing\n",
    "markdown": f"| user | password | host |\n|---|---|---|\n| bob | {VALUE} | db |\n",
    "psql": f" user | api_key\n------+---------\n bob  | {VALUE}\n(1 row)\n",
    "mysql": f"+------+--------+\n| User | Secret |\n+------+--------+\n| bob  | {VALUE} |\n+------+--------+\n",
    "tabs": f"USER\tPASSWORD\nbob\t{VALUE}\n",
    "empty cells": f"| user | note | password |\n|---|---|---|\n|bob||{VALUE}|\n",
    "bars apart": f"  | token | of |\n  |---|---|\n| {VALUE} | bob |\n",
    "long": "USER  PASSWORD\n" + f"bob   {VALUE}\n" * 600,
    "anchor": f"shared: &db {VALUE}\nchat:\n  password: *db\n",
    "quoted anchor": f"shared:\n- &db '{VALUE}'\nchat: {{db_password: *db}}\n",
    "explicit key": f"? password\n: {VALUE}\n",
    "blank lines": f"password:\n\n  {VALUE}\n",
    "HCL": f"password = <<-EOT\n  {VALUE}\n  EOT\n",
    "shell": f"DB_PASSWORD=<<'END'\n{VALUE}\nline two {VALUE}\nEND\n",
    "SSHPASS": f"SSHPASS={VALUE} sshpass -e ssh host",
    "pw": f"pw: {VALUE}\n",
    "docker": f"docker login registry.local -u bob -p {VALUE}\n",
    "helm": f"helm registry login -u bob -p '{VALUE}' registry.local",
    "mongodump": f"mongodump -u root -p {VALUE} --out /dump",
    "ldapsearch": f"ldapsearch -x -D cn=admin -w {VALUE} -b dc=a",
    "openssl": f"openssl enc -aes-256-cbc -k {VALUE} -in a",
    "Net-SNMP": f"rocommunity {VALUE} 10.0.0.0/8\n",
    "Cisco": f"enable secret 5 {VALUE}\n",
}

INNOCUOUS = {
    "Secret's name": "NAME      READY   SECRET     AGE\nweb-tls   True    web-tls    3d\n",
    "a generated name": "NAME   SECRET                AGE\na      chat-tls-9f8a7b6c5d   3d\n",
    "names of Secrets": "| Application | Secret |\n|---|---|\n| chat | default-token-x7k2p |\n| a | signing-key-k57m9dg6t2 |\n",
    "pipes of a shell": "ls | grep PASSWORD\necho | abc12345\n",
    "operators": "if (a | PASSWORD_FLAG) {\n x | y1234567890abc;\n",
    "key's name": "NAMESPACE   NAME   SECRET KEY\ndev         a      password\n",
    "kubectl get secrets": "NAME   TYPE     DATA   AGE\nchat   Opaque   2      3d\n",
    "tokens that are counted": "MODEL   TOKENS   COST\nsmall   1234     5\n",
    "options": "| Option | Key | Default |\n|---|---|---|\n| timeout | e2e_timeout_seconds | 30 |\n",
    "prose in a table": "| token | what it is |\n|---|---|\n| none | a word of the text |\n",
    "Go's verdict": "--- PASS: TestIt (0.01s)\n",
    "counts": "PASS=5 FAIL=0\n",
    "standard input": "docker login -u bob --password-stdin registry.local\n",
    "anchor of a port": "port: &p http\nname: *p\n",
    "here-document": "cat <<EOF\nhello A1b2C3d4\nEOF\n",
    "openssl's file": "openssl req -new -keyout tls.key -out a.csr\n",
    "sentence": "enable secret rotation in the operator\n",
    "BYPASS": "BYPASS=1\n",
}


@pytest.mark.point("secrets-withheld")
@pytest.mark.parametrize("text", SECRET.values(), ids=SECRET)
def test_a_secret_apart_from_its_name_is_taken_out(text: str) -> None:
    shown = redact.text(text)
    assert VALUE not in shown
    assert redact.HIDDEN in shown
    assert redact.text(shown) == shown
    # Its neighbours stay.
    assert shown.replace(redact.HIDDEN, "").strip()


@pytest.mark.point("no-over-redaction")
@pytest.mark.parametrize("text", INNOCUOUS.values(), ids=INNOCUOUS)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redact.text(text) == text
