"""The shapes of secrets that are planted: one list for the unit test and for the run on a real cluster.

The values are made anew from a seed. None is written down here: a scanner of repositories would be right to complain.
"""

from __future__ import annotations

import base64
import json
import random
import string
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Shape:
    """One secret in its shape.

    Attributes:
        name: of the shape, lower case with hyphens.
        text: as it stands in a log, a manifest or a command line; may have several lines.
        secrets: what must not be found anywhere: the secret itself, each line of a key.
    """

    name: str
    text: str
    secrets: tuple[str, ...]


class Maker:
    """Make random values of the sorts that secrets have.

    Args:
        seed: the same seed makes the same values.
    """

    def __init__(self, seed: int) -> None:
        """Begin."""
        self._random = random.Random(seed)  # noqa: S311 - nobody relies on these

    def word(self, length: int, alphabet: str = LETTERS) -> str:
        """Return random characters; at least one digit and one capital where the alphabet has them."""
        body = [self._random.choice(alphabet) for _ in range(length)]
        if alphabet == LETTERS:
            body[1], body[3] = self._random.choice(string.digits), self._random.choice(string.ascii_uppercase)
        return "".join(body)

    def hex(self, length: int) -> str:
        """Return random hexadecimal digits."""
        return self.word(length, "0123456789abcdef")

    def base64(self, size: int) -> str:
        """Return base64 of random bytes."""
        return base64.b64encode(self._random.randbytes(size)).decode()

    def key(self, kind: str, end: str = "\n") -> tuple[str, tuple[str, ...]]:
        """Return a private key that opens nothing, and its lines."""
        lines = textwrap.wrap(self.base64(180), 64)
        return end.join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"]) + end, tuple(lines)

    def jwt(self) -> tuple[str, str]:
        """Return a JSON web token that nobody signed, and its signature."""
        parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": self.word(8), "iat": 1700000000})]
        head = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
        signature = self.word(43)
        return f"{head}.{signature}", signature


def b64(text: str) -> str:
    """Return base64 of a text."""
    return base64.b64encode(text.encode()).decode()


class Shapes:
    """Collect shapes.

    Args:
        make: makes their values.
    """

    def __init__(self, make: Maker) -> None:
        """Have none."""
        self.make = make
        self.found: list[Shape] = []

    def one(self, name: str, template: Callable[[str], str], secret: str = "") -> None:
        """Add a shape with one secret, 20 random characters by default."""
        secret = secret or self.make.word(20)
        self.found.append(Shape(name, template(secret), (secret,)))


def shapes(seed: int = 1) -> list[Shape]:
    """Return every shape, with values of the seed."""
    collected = Shapes(Maker(seed))
    for add in (_tokens, _keys, _addresses, _headers, _variables, _manifests):
        add(collected)
    return collected.found


def _tokens(into: Shapes) -> None:
    """Add tokens that say whose they are."""
    make = into.make
    token, signature = make.jwt()
    into.found.append(Shape("jwt", f"the server answered with {token} at last", (signature,)))
    into.one("github", lambda s: f"cloning with {s}", "ghp_" + make.word(36))
    into.one("github-fine-grained", lambda s: f"using {s}.", "github_pat_" + make.word(22) + "_" + make.word(59))
    into.one("gitlab", lambda s: f"runner registered ({s})", "glpat-" + make.word(20))
    into.one("slack", lambda s: f"posting as {s}", "xoxb-" + make.word(12, string.digits) + "-" + make.word(24))
    into.one(
        "slack-webhook",
        lambda s: f"POST https://hooks.slack.com/services/T0{s}",
        f"{make.word(8)}/B0{make.word(8)}/{make.word(24)}",
    )
    into.one(
        "aws-id",
        lambda s: f"signing with {s} for eu-central-1",
        "AKIA" + make.word(16, string.ascii_uppercase + string.digits),
    )
    into.one("aws-secret", lambda s: f"AWS_SECRET_ACCESS_KEY={s}", make.word(38) + "/+")
    into.one("google-api", lambda s: f"https://maps.example/api?key={s}", "AIza" + make.word(35))
    account, lines = make.key("PRIVATE KEY")
    into.found.append(
        Shape(
            "google-account", json.dumps({"type": "service_account", "private_key": account, "client_id": "1"}), lines
        )
    )
    into.one(
        "azure-storage",
        lambda s: f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={s};EndpointSuffix=core.windows.net",
        make.base64(64),
    )
    into.one(
        "azure-sas",
        lambda s: f"https://shop.blob.core.windows.net/c?sv=2022-11-02&sig={s}&se=2027",
        quote(make.base64(32), safe=""),
    )
    into.one("stripe", lambda s: f"charging with {s}", "sk_" + "live_" + make.word(24))
    into.one("npm", lambda s: f"//registry.npmjs.org/:_authToken={s}", "npm_" + make.word(36))
    into.one("pypi", lambda s: f"uploading as __token__ with {s}", "pypi-AgEIcHlwaS5vcmc" + make.word(60))
    pair = f"robot:{make.word(20)}"
    into.found.append(
        Shape(
            "docker-auths",
            json.dumps({"auths": {"registry.example": {"auth": b64(pair)}}}),
            (pair.split(":")[1], b64(pair)),
        )
    )
    into.one(
        "age",
        lambda s: f"# public key: age1example\n{s}",
        "AGE-SECRET-KEY-1" + make.word(58, string.ascii_uppercase + string.digits),
    )
    into.one("vault", lambda s: f"renewed {s}", "hvs." + make.word(30))
    into.one(
        "bootstrap",
        lambda s: f"kubeadm join 10.0.0.1:6443 --token {s}",
        f"{make.word(6, string.ascii_lowercase + string.digits)}.{make.word(16, string.ascii_lowercase + string.digits)}",
    )
    into.one("bcrypt", lambda s: f"admin.password in the database: $2a$10${s}", make.word(53))


def _keys(into: Shapes) -> None:
    """Add private keys."""
    make = into.make
    for name, kind, end in (
        ("rsa-key", "RSA PRIVATE KEY", "\n"),
        ("ssh-key", "OPENSSH PRIVATE KEY", "\n"),
        ("pgp-key", "PGP PRIVATE KEY BLOCK", "\n"),
        ("key-of-windows", "EC PRIVATE KEY", "\r\n"),
        ("key-escaped", "PRIVATE KEY", "\\n"),
    ):
        pem, lines = make.key(kind, end)
        into.found.append(Shape(name, pem, lines))
    pem, lines = make.key("RSA PRIVATE KEY")
    into.found.append(Shape("key-cut-off", "\n".join(pem.splitlines()[:3]), lines[:2]))
    pem, lines = make.key("RSA PRIVATE KEY")
    into.found.append(Shape("key-in-base64", f"tls.key is {b64(pem)} here", (b64(pem)[60:140], lines[0])))
    pem, lines = make.key("RSA PRIVATE KEY")
    into.found.append(
        Shape(
            "kubeconfig-key",
            f"users:\n- name: admin\n  user:\n    client-key-data: {b64(pem)}",
            (b64(pem)[60:140], lines[1]),
        )
    )
    into.one("kubeconfig-token", lambda s: f"users:\n- name: ci\n  user:\n    token: {s}", make.word(40))


def _addresses(into: Shapes) -> None:
    """Add credentials in addresses."""
    make = into.make
    into.one("url", lambda s: f"https://deploy:{s}@git.example/platform.git")
    into.one("url-token", lambda s: f"https://{s}@git.example/platform.git", make.hex(40))
    into.one("url-password-alone", lambda s: f"redis://:{s}@redis.shop:6379/0")
    into.one("url-odd", lambda s: f"https://deploy:{s}@git.example/platform.git", make.word(9) + "/" + make.word(9))
    into.one("postgres", lambda s: f"postgres://shop:{s}@db.shop:5432/shop?sslmode=require")
    into.one("postgres-words", lambda s: f"host=db.shop user=shop password={s} dbname=shop")
    into.one("mongodb", lambda s: f"mongodb+srv://shop:{s}@cluster0.example/shop")
    into.one("amqp", lambda s: f"amqp://shop:{s}@mq.shop:5672/%2Fshop", make.word(10) + "%20" + make.word(10))
    into.one("jdbc", lambda s: f"jdbc:sqlserver://db:1433;databaseName=shop;user=sa;password={s};encrypt=true")
    into.one("mysql-go", lambda s: f"shop:{s}@tcp(db.shop:3306)/shop")
    into.one("query", lambda s: f"GET /hook?access_token={s}&x=1")


def _headers(into: Shapes) -> None:
    """Add headers of HTTP."""
    make = into.make
    into.one("bearer", lambda s: f"Authorization: Bearer {s}", make.word(32))
    basic = f"admin:{make.word(20)}"
    into.found.append(Shape("basic", f"> authorization: Basic {b64(basic)}", (b64(basic), basic.split(":")[1])))
    into.one("cookie", lambda s: f"Cookie: theme=dark; argocd.sid={s}", make.word(32))
    into.one("set-cookie", lambda s: f"Set-Cookie: sid={s}; Path=/; HttpOnly", make.word(32))
    into.one("api-key-header", lambda s: f"X-Api-Key: {s}", make.word(32))
    into.one("go-headers", lambda s: f"map[Accept:[*/*] Authorization:[Bearer {s}]]", make.word(32))


def _variables(into: Shapes) -> None:
    """Add variables and options, however they are written."""
    make = into.make
    into.one("variable", lambda s: f"DB_PASSWORD={s}")
    into.one(
        "variable-exported", lambda s: f"export ADMIN_PASSWORD='{s}'", f"{make.word(8)} {make.word(8)};{make.word(4)}"
    )
    into.one("variable-odd", lambda s: f"DB_PASSWORD={s}", f"{make.word(6)},{make.word(6)};{make.word(6)}&")
    into.one("variable-of-a-container", lambda s: f"- name: API_TOKEN\n  value: {s}")
    into.one("json", lambda s: json.dumps({"user": "shop", "password": s}), f'{make.word(6)} "{make.word(6)}')
    into.one("json-in-json", lambda s: json.dumps({"message": json.dumps({"clientSecret": s})}))
    into.one("yaml", lambda s: f"smtp:\n  smtp_auth_password: {s}")
    into.one("yaml-quoted", lambda s: f'smtp:\n  passphrase: "{s}"', f"{make.word(8)} {make.word(8)}")
    block = (make.word(24), make.word(24))
    into.found.append(
        Shape("yaml-block", f"config:\n  apiToken: |\n    {block[0]}\n    {block[1]}\n  level: info", block)
    )
    into.one("option", lambda s: f"/bin/server --admin-password {s} --listen :8080")
    into.one("option-equals", lambda s: f"/bin/server --client-secret={s} --listen :8080")
    into.one("option-list", lambda s: json.dumps(["/bin/server", "--auth-token", s, "--listen", ":8080"]))
    into.one("go-struct", lambda s: f"config loaded: {{User:shop Password:{s} Port:5432}}")
    into.one("url-encoded", lambda s: f"body: user%3Dshop%26password%3D{s}")
    into.one("base64-of-pair", lambda s: f"payload {b64('db_password=' + s)} sent")


def _manifests(into: Shapes) -> None:
    """Add Secrets of Kubernetes."""
    make = into.make
    room = make.word(18)
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "room"}, "data": {"room": b64(room)}}
    into.found.append(Shape("secret-json", json.dumps(manifest), (room, b64(room))))
    room = make.word(18)
    text = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: room\nstringData:\n  room: {room}\ntype: Opaque"
    into.found.append(Shape("secret-yaml", text, (room,)))
    room = make.word(18)
    manifest["data"] = {"room": b64(room)}
    applied = {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(manifest)}}}
    into.found.append(Shape("secret-last-applied", json.dumps(applied), (room, b64(room))))
