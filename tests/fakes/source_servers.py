"""Chart repositories with a password, an OCI registry and Git repositories, served on loopback; and a Helm that knows the first two."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

USER, PASSWORD = "fetcher", "s3cr3t-of-the-team"

CONFIGMAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"

TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-NAME
data:
  version: {{ .Chart.Version | quote }}
  message: {{ .Values.message | quote }}
"""


def chart(name: str, version: str, files: Mapping[str, str] | None = None) -> bytes:
    """Return the archive of a chart with one ConfigMap."""
    every = {
        "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n",
        "values.yaml": "message: hello\n",
        "templates/configmap.yaml": TEMPLATE.replace("NAME", name),
        **(files or {}),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, text in every.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


class Sources(ThreadingHTTPServer):
    """The server.

    Attributes:
        root: of the Git repositories, bare ones.
        files: content by path.
        asked: every path that was asked for.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Return the beginning of its URLs."""
        return f"http://127.0.0.1:{self.server_port}"

    def charts(self, *charts: tuple[str, str]) -> str:
        """Serve a repository of charts, which asks for the password, and return its URL."""
        entries: dict[str, list[str]] = {}
        for name, version in charts:
            content = chart(name, version)
            self.files[f"/charts/{name}-{version}.tgz"] = content
            digest = hashlib.sha256(content).hexdigest()
            line = f"  - {{name: {name}, version: {version}, apiVersion: v2, digest: {digest}, urls: [{name}-{version}.tgz]}}"
            entries.setdefault(name, []).append(line)
        text = "apiVersion: v1\nentries:\n" + "".join(
            f"  {name}:\n" + "".join(f"{line}\n" for line in lines) for name, lines in entries.items()
        )
        self.files["/charts/index.yaml"] = text.encode()
        return f"{self.url}/charts"

    def repository(self, name: str, files: Mapping[str, str], tags: Sequence[str] = ()) -> tuple[str, str]:
        """Serve a Git repository, and return its URL and its commit; one whose name begins with `private` asks for the password."""
        work = self.root / f"{name}.work"
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        git(work, "init", "-q", "-b", "main")
        git(work, "add", "-A")
        git(work, "commit", "-qm", "x")
        for tag in tags:
            git(work, "tag", tag)
        git(self.root, "clone", "-q", "--bare", str(work), f"{name}.git")
        git(self.root / f"{name}.git", "config", "uploadpack.allowAnySHA1InWant", "true")
        return f"{self.url}/git/{name}.git", git(work, "rev-parse", "HEAD")


def git(directory: Path, *words: str) -> str:
    """Run Git."""
    person = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "safe.bareRepository=all")
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-C", directory, *person, *words], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


@contextlib.contextmanager
def serving(root: Path) -> Iterator[Sources]:
    """Serve while the block lasts."""
    root.mkdir(parents=True, exist_ok=True)
    with Sources(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Sources
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if path.startswith(("/charts/", "/git/private")) and self.headers.get("Authorization") != wanted:
            self.answer(401, b"no", [("WWW-Authenticate", "Basic realm=x")])
        elif path.startswith("/git/"):
            self.git(path.removeprefix("/git"))
        elif path in self.server.files:
            self.answer(200, self.server.files[path])
        else:
            self.answer(404, b"not found")

    def git(self, path: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": urlsplit(self.path).query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=self.rfile.read(length), env=environment, capture_output=True, check=False
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        pairs = [line.partition(": ")[::2] for line in head.decode().split("\r\n") if line]
        status = next((int(value.split()[0]) for name, value in pairs if name == "Status"), 200)
        self.answer(status, body, [(name, value) for name, value in pairs if name != "Status"])


HELM = """\
#!PYTHON
import base64, os, sys, urllib.error, urllib.request, yaml
words = sys.argv[1:]
entry = yaml.safe_load(open(os.environ["HELM_REPOSITORY_CONFIG"]))["repositories"][0]

def get(name):
    request = urllib.request.Request(entry["url"].rstrip("/") + "/" + name)
    if entry.get("username"):
        both = (entry["username"] + ":" + entry["password"]).encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(both).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(request, timeout=20).read()
    except urllib.error.HTTPError as error:
        sys.exit("Error: failed to fetch %s : %s" % (request.full_url, error))

index = yaml.safe_load(get("index.yaml"))["entries"]
if words[0] == "pull":
    name = words[1].partition("/")[2]
    into = words[words.index("--destination") + 1]
    wanted = words[words.index("--version") + 1] if "--version" in words else "*"
    sys.path.insert(0, ROOT)
    from platform_e2e.layer import versions
    chosen = versions.chosen(wanted, [each["version"] for each in index.get(name, [])])
    if chosen is None:
        sys.exit("Error: chart %r matching %s not found in wanted index" % (name, wanted))
    archive = "%s-%s.tgz" % (name, chosen)
    open(os.path.join(into, archive), "wb").write(get(archive))
"""


def helm(directory: Path, root: Path) -> Path:
    """Write a program that fetches charts as Helm does, and return its path."""
    program = directory / "helm"
    program.write_text(HELM.replace("PYTHON", sys.executable).replace("ROOT", repr(str(root))))
    program.chmod(0o755)
    return program
