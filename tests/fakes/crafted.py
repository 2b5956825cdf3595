"""Archives, directories and documents as somebody would craft them who means harm: byte by byte, since no library writes them."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MIB = 1 << 20


def said(**changes: Any) -> bytes:
    """Return a run.json of a red run, or one that is odd."""
    plain: dict[str, Any] = {
        "exit_code": 1,
        "options": {},
        "layer": {},
        "verdict": {"tests": [{"test": "e2e/a.py::a", "outcome": "failed"}]},
    }
    return json.dumps(plain | changes).encode()


def header(
    name: bytes,
    sort: bytes = b"0",
    size: int | bytes = 0,
    *,
    link: bytes = b"",
    mode: bytes = b"0000644\0",
    broken: bool = False,
) -> bytes:
    """Return a header of tar, whatever it says."""
    number = size if isinstance(size, bytes) else b"%011o\0" % size
    block = name[:100].ljust(100, b"\0") + mode + b"0000000\0" * 2 + number.ljust(12, b"\0") + b"%011o\0" % 0
    block += (
        b" " * 8 + sort + link[:100].ljust(100, b"\0") + b"ustar\x0000" + b"\0" * 64 + b"0000000\0" * 2 + b"\0" * 167
    )
    total = sum(block) + (1 if broken else 0)
    return block[:148] + b"%06o\0 " % total + block[156:]


def filled(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 512)


def member(name: str | bytes, data: bytes = b"", sort: bytes = b"0", **more: Any) -> bytes:
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return header(raw, sort, more.pop("size", len(data)), **more) + filled(data)


def pax(sort: bytes = b"x", **records: str | bytes) -> bytes:
    """Return an extended header of POSIX."""
    data = b""
    for name, value in records.items():
        raw = value.encode() if isinstance(value, str) else value
        rest = b" " + name.replace("_", ".").encode() + b"=" + raw + b"\n"
        length = len(rest) + 1
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        data += str(length).encode() + rest
    return member("pax", data, sort)


def tar(*parts: bytes) -> bytes:
    return gzip.compress(b"".join(parts) + bytes(1024), compresslevel=1)


RUN = member("r/run.json", said())


@functools.cache
def _block() -> bytes:
    return gzip.compress(bytes(4 * MIB), 1)


def zeros(mib: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return a gzip that unpacks to some bytes, so many MiB of zeros, and more bytes; in parts, which take no time to make."""
    return gzip.compress(before) + _block() * (mib // 4) + gzip.compress(after)


def in_one(mib: int, before: bytes) -> bytes:
    """Return the same in one part."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = bytes(4 * MIB)
    return b"".join([packer.compress(before), *(packer.compress(block) for _ in range(mib // 4)), packer.flush()])


def zipped(*members: tuple[str, bytes], sort: int = zipfile.ZIP_DEFLATED, mode: int = 0o100644) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", sort) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, sort
            archive.writestr(info, content)
    return out.getvalue()


def changed(data: bytes, before: bytes, after: bytes) -> bytes:
    assert before in data
    return data.replace(before, after)


def encrypted() -> bytes:
    data = bytearray(zipped(("run.json", said())))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    return bytes(data)


def lying() -> bytes:
    """Return a zip whose member has more than it says."""
    return changed(zipped(("run.json", bytes(30 * MIB))), struct.pack("<I", 30 * MIB), struct.pack("<I", 10))


def large_directory() -> bytes:
    """Return a zip whose directory at its end says of 200,000 members that they are all at the same place."""
    first = zipped(("run.json", said()))
    at = first.index(b"PK\x01\x02")
    entry = first[at : first.index(b"PK\x05\x06")]
    directory = entry * 200_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), at, 0)
    return first[:at] + directory + end


def overlapping() -> bytes:
    """Return a zip whose 2,000 members are all the same packed bytes, 20 MiB each: its headers are quoted by its data."""
    kernel = zipped(("run.json", bytes(20 * MIB)))
    at = kernel.index(b"PK\x01\x02")
    entry = kernel[at : kernel.index(b"PK\x05\x06")]
    names = [b"%04d.json" % number for number in range(2000)]
    directory = b"".join(entry[:28] + struct.pack("<H", 9) + entry[30:46] + name for name in names)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2000, 2000, len(directory), at, 0)
    return kernel[:at] + directory + end


def broken_zip64() -> bytes:
    data = zipped(("run.json", said()))
    at = data.index(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 1 << 60, 1 << 60)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return data[:at] + record + locator + data[at:]


def gnu(sort: bytes, size: int, data: bytes = b"") -> bytes:
    return header(b"././@LongLink", sort, size) + filled(data)


BIG = b"\x80" + (1 << 40).to_bytes(11, "big")
"""A size of a tebibyte, in base 256."""

NEGATIVE = b"\xff" + (-512).to_bytes(11, "big", signed=True)

ARCHIVES: dict[str, Callable[[], bytes]] = {
    # Names and links that lead out.
    "up": lambda: tar(RUN, member("../../x", b"x")),
    "up-within": lambda: tar(RUN, member("r/a/../../../x", b"x")),
    "up-run": lambda: tar(member("a/../../run.json", said())),
    "absolute": lambda: tar(RUN, member("/etc/cron.d/x", b"x")),
    "absolute-by-pax": lambda: tar(RUN, pax(path="/etc/cron.d/x"), member("x", b"x")),
    "absolute-by-gnu": lambda: tar(RUN, gnu(b"L", 7, b"/etc/x\0"), member("x", b"x")),
    "link-absolute": lambda: tar(RUN, member("r/layer.tar.gz", sort=b"2", link=b"/etc/shadow")),
    "link-up": lambda: tar(RUN, member("r/uncommitted.patch", sort=b"2", link=b"../../etc/shadow")),
    "link-within": lambda: tar(RUN, member("r/x", b"x"), member("r/harness.patch", sort=b"2", link=b"x")),
    "link-by-pax": lambda: tar(RUN, pax(linkpath="/etc/shadow"), member("r/l", sort=b"2", link=b"x")),
    "link-by-gnu": lambda: tar(RUN, gnu(b"K", 12, b"/etc/shadow\0"), member("r/l", sort=b"2", link=b"x")),
    "hard-link": lambda: tar(RUN, member("r/layer.sha256", sort=b"1", link=b"../../../etc/shadow")),
    "hard-link-within": lambda: tar(RUN, member("r/layer.sha256", sort=b"1", link=b"r/run.json")),
    "through-a-link": lambda: tar(RUN, member("r/l", sort=b"2", link=b"x"), member("r/l/run.json", said())),
    "below-a-file": lambda: tar(RUN, member("r/run.json/run.json", said())),
    "backslash": lambda: tar(RUN, member("..\\..\\x", b"x")),
    "share": lambda: tar(RUN, member("\\\\host\\share\\x", b"x")),
    "nul": lambda: tar(RUN, pax(path=b"r/a\0/../../x"), member("x", b"x")),
    "nothing": lambda: tar(RUN, pax(path=""), member("", b"x")),
    # What is no file.
    "character-device": lambda: tar(RUN, member("r/x", sort=b"3")),
    "block-device": lambda: tar(RUN, member("r/x", sort=b"4")),
    "pipe": lambda: tar(RUN, member("r/run.seal", sort=b"6")),
    "unknown-type": lambda: tar(RUN, member("r/x", sort=b"Z")),
    "volume": lambda: tar(RUN, member("r/x", sort=b"V")),
    "sparse-gnu": lambda: tar(RUN, member("r/x", bytes(512), sort=b"S")),
    "sparse-pax": lambda: tar(RUN, pax(GNU_sparse_major="1", GNU_sparse_minor="0"), member("r/x", b"9" * 512)),
    "sparse-pax-map": lambda: tar(RUN, pax(GNU_sparse_map="0,1," * 200), member("r/x", b"x")),
    "sparse-for-all": lambda: tar(pax(b"g", GNU_sparse_size="1"), RUN),
    # What Git, a shell or a terminal would obey.
    "git": lambda: tar(RUN, member("r/.git/config", b"x")),
    "git-in-capitals": lambda: tar(RUN, member("r/.GIT/config", b"x")),
    "git-with-a-dot": lambda: tar(RUN, member("r/.git. /config", b"x")),
    "escape": lambda: tar(RUN, member("r/\x1b]0;owned\x07", b"x")),
    "escape-out": lambda: tar(RUN, member("/\x1b[2J\x1b[31m", b"x")),
    "line-end": lambda: tar(RUN, member("r/a\nreproduce: rm -rf", b"x")),
    "right-to-left": lambda: tar(RUN, member("r/\u202egpj.exe", b"x")),
    "not-utf-8": lambda: tar(RUN, member(b"r/\xff\xfe", b"x")),
    "setuid": lambda: tar(RUN, member("r/x", b"x", mode=b"0006755\0")),
    "mode-of-letters": lambda: tar(RUN, member("r/x", b"x", mode=b"rwxr-xr\0")),
    # Too much.
    "bomb": lambda: in_one(260, RUN + header(b"r/x", size=260 * MIB)),
    "bomb-needed": lambda: zeros(600, header(b"r/run.json", size=600 * MIB)),
    "bomb-after-the-end": lambda: zeros(600, RUN + bytes(1024)),
    "bomb-in-parts": lambda: tar(RUN, header(b"r/x", size=600 * MIB)) + gzip.compress(bytes(4 * MIB), 1) * 70,
    "long-name": lambda: zeros(600, RUN + gnu(b"L", 4 << 30)),
    "long-link": lambda: zeros(600, RUN + gnu(b"K", 4 << 30)),
    "long-name-of-a-tebibyte": lambda: tar(RUN, header(b"l", b"L", BIG)),
    "pax-bomb": lambda: zeros(600, RUN + header(b"p", b"x", 2 << 30)),
    "pax-bomb-for-all": lambda: zeros(600, header(b"p", b"g", 2 << 30)),
    "pax-solaris": lambda: zeros(600, header(b"p", b"X", 2 << 30)),
    "pax-many": lambda: tar(*(pax(b"g", **{f"k{n}": "x" * 8000}) for n in range(5)), RUN),
    "headers-without-end": lambda: tar(RUN, gnu(b"L", 2, b"x\0") * 60_000),
    "headers-for-each": lambda: tar(RUN, *(pax(b"x", path=f"r/{n}") + member("x") for n in range(25_000))),
    "members-without-end": lambda: tar(RUN, *(member(f"r/{n}") for n in range(25_000))),
    "directories-without-end": lambda: tar(RUN, *(member("/".join(f"{n}-{d}" for d in range(14)), sort=b"5") for n in range(6_000))),
    "deep": lambda: tar(RUN, pax(path="a/" * 200 + "x"), member("x")),
    "name-of-thousands": lambda: tar(RUN, pax(path="a" * 10_000), member("x")),
    "tebibyte": lambda: tar(RUN, header(b"r/x", size=BIG)),
    "less-than-nothing": lambda: tar(RUN, header(b"r/x", size=NEGATIVE)),
    "size-by-pax": lambda: tar(RUN, pax(size="99999999999999999999"), member("r/x")),
    "size-by-pax-of-thousands": lambda: tar(RUN, pax(size="9" * 9_000), member("r/x")),
    "size-by-pax-of-run": lambda: tar(pax(size="1"), member("r/run.json", said())),
    # Not whole.
    "twice": lambda: tar(RUN, RUN),
    "twice-otherwise": lambda: tar(RUN, member("./r/run.json", said(exit_code=0))),
    "twice-by-slashes": lambda: tar(RUN, member("r//run.json", said(exit_code=0))),
    "checksum": lambda: tar(RUN, member("r/x", broken=True)),
    "cut": lambda: tar(RUN, member("r/layer.tar.gz", os.urandom(9000)))[:-6000],
    "cut-in-a-header": lambda: gzip.compress(RUN + header(b"r/x")[:300]),
    "cut-in-a-member": lambda: gzip.compress(header(b"r/run.json", size=5000) + b"{}"),
    "pax-length": lambda: tar(RUN, member("p", b"99999 path=x\n", b"x"), member("x")),
    "pax-length-of-thousands": lambda: tar(RUN, member("p", b"9" * 9000 + b" path=x\n", b"x"), member("x")),
    "pax-no-length": lambda: tar(RUN, member("p", b" path=x\n", b"x"), member("x")),
    "pax-zero": lambda: tar(RUN, member("p", b"0 path=x\n", b"x"), member("x")),
    "octal": lambda: tar(RUN, header(b"r/x", size=b"89abcdefghij")),
    "empty": lambda: b"",
    "zeros": lambda: bytes(4096),
    "gzip-of-zeros": lambda: gzip.compress(bytes(4096)),
    "gzip-of-gzip": lambda: gzip.compress(tar(RUN)),
    "gzip-head-alone": lambda: b"\x1f\x8b\x08",
    "text": lambda: b"no archive\n" * 100,
    "tar-in-tar": lambda: tar(member("r.tar.gz", tar(RUN))),
    # The same as zip, and what only zip has.
    "zip-up": lambda: zipped(("run.json", said()), ("../../x", b"x")),
    "zip-absolute": lambda: zipped(("run.json", said()), ("/etc/x", b"x")),
    "zip-backslash": lambda: zipped(("run.json", said()), ("..\\..\\x", b"x")),
    "zip-nul": lambda: changed(zipped(("run.json", said()), ("aXb/../../x", b"x")), b"aXb", b"a\0b"),
    "zip-link": lambda: zipped(("layer.tar.gz", b"/etc/shadow"), mode=0o120777),
    "zip-link-without-end": lambda: zipped(("x", b"a" * 9000), mode=0o120777),
    "zip-device": lambda: zipped(("x", b""), mode=0o020666),
    "zip-git": lambda: zipped(("run.json", said()), (".git/config", b"x")),
    "zip-twice": lambda: changed(zipped(("run.json", said()), ("run.jso_", said())), b"run.jso_", b"run.json"),
    "zip-escape": lambda: zipped(("run.json", said()), ("\x1b[2J", b"x")),
    "zip-encrypted": encrypted,
    "zip-lying": lying,
    "zip-bomb": lambda: zipped(("run.json", said()), ("x", bytes(60 * MIB))),
    "zip-bomb-needed": lambda: zipped(("run.json", bytes(60 * MIB))),
    "zip-bzip2": lambda: zipped(("run.json", bytes(4 * MIB)), sort=zipfile.ZIP_BZIP2),
    "zip-lzma": lambda: zipped(("run.json", bytes(MIB)), sort=zipfile.ZIP_LZMA),
    "zip-many-members": lambda: zipped(*((f"{n}", b"") for n in range(21_000)), sort=zipfile.ZIP_STORED),
    "zip-many-runs": lambda: zipped(*((f"{n}/{name}", bytes(20 * MIB)) for n in range(2) for name in ("layer.tar.gz", "run.json"))),
    "zip-large-directory": large_directory,
    "zip-overlapping": overlapping,
    "zip-zip64": broken_zip64,
    "zip-cut": lambda: zipped(("run.json", said()))[:-30],
    "zip-head-alone": lambda: b"PK\x03\x04",
    "zip-crc": lambda: changed(zipped(("run.json", said()), sort=zipfile.ZIP_STORED), b'"failed"', b'"fail_d"'),
    "zip-in-zip": lambda: zipped(("a.zip", zipped(("run.json", said())))),
    "zip-of-bzip2": lambda: b"PK" + bz2.compress(b"x"),
}  # fmt: skip
"""By name: every one is read by a replay and as an incident."""


def run(**files: bytes) -> bytes:
    """Return an archive of a run; `__` in a name is a dot."""
    return tar(*(member(f"r/{name.replace('__', '.')}", content) for name, content in files.items()))


def layer(*parts: bytes) -> bytes:
    return run(run__json=said(), layer__tar__gz=tar(*parts))


def patched(text: str) -> bytes:
    return text.encode()


RUNS: dict[str, Callable[[], bytes]] = {
    # The copy of the layer within.
    "layer-bomb": lambda: run(run__json=said(), layer__tar__gz=zeros(600, header(b"x", size=220 * MIB))),
    "layer-long-name": lambda: run(run__json=said(), layer__tar__gz=zeros(600, gnu(b"L", 4 << 30))),
    "layer-pax-bomb": lambda: run(run__json=said(), layer__tar__gz=zeros(600, header(b"p", b"x", 2 << 30))),
    "layer-many": lambda: layer(*(member(f"{n}.yaml", b"a: 1\n") for n in range(21_000))),
    "layer-up": lambda: layer(member("../x", b"x")),
    "layer-git": lambda: layer(member("a/.git/config", b"x")),
    "layer-link-out": lambda: layer(member("a", sort=b"2", link=b"../..")),
    "layer-links-out-together": lambda: layer(
        member("a/b/l", sort=b"2", link=b"../.."), member("a/m", sort=b"2", link=b"b/l/../..")
    ),
    "layer-link-loop": lambda: layer(member("a", sort=b"2", link=b"b"), member("b", sort=b"2", link=b"a")),
    "layer-through-link": lambda: layer(member("a", sort=b"2", link=b"b"), member("a/x", b"x")),
    "layer-pipe": lambda: layer(member("a", sort=b"6")),
    "layer-setuid": lambda: layer(member("a", b"x", mode=b"0006777\0")),
    "layer-zip": lambda: run(run__json=said(), layer__tar__gz=zipped(("a.yaml", b"a: 1\n"))),
    "layer-none": lambda: run(run__json=said(), layer__tar__gz=b"no archive"),
    "layer-large-file": lambda: run(run__json=said(), layer__tar__gz=zeros(12, header(b"x", size=12 * MIB))),
    "layer-put-back": lambda: run(
        run__json=said(layer={"commit": "a" * 40, "prefix": "", "withheld": [{"path": f"{n}", "committed": True} for n in range(5_000)]}),
        layer__tar__gz=tar(member("1", b"x")),
    ),
    "layer-put-back-out": lambda: run(
        run__json=said(layer={"commit": "a" * 40, "prefix": "../..", "withheld": [{"path": "../../x", "committed": True}, {"path": "a\0b"}]}),
        layer__tar__gz=tar(member("1", b"x")),
    ),
    "sums-odd": lambda: run(run__json=said(), layer__tar__gz=tar(member("a", b"x")), layer__sha256=b"\xff  \x1b[2J\n" * 9_000),
    # run.json itself.
    "json-deep": lambda: run(run__json=b"[" * 100_000),
    "json-deep-closed": lambda: run(run__json=b'{"a":' * 900 + b"1" + b"}" * 900),
    "json-many": lambda: run(run__json=b"[" + b"[]," * 5_000_000 + b"1]"),
    "json-many-keys": lambda: run(run__json=b"{" + b",".join(b'"%d":1' % n for n in range(400_000)) + b"}"),
    "json-text-without-end": lambda: run(run__json=b'"' + b'\\"' * (7 * MIB)),
    "json-large": lambda: run(run__json=said(x="x" * (17 * MIB))),
    "json-digits": lambda: run(run__json=b'{"exit_code": ' + b"9" * 100_000 + b"}"),
    "json-nan": lambda: run(run__json=b'{"exit_code": NaN, "options": {}, "verdict": {}}'),
    "json-infinite": lambda: run(run__json=said().replace(b'"options": {}', b'"options": {"deadline": 1e999, "nodes": 1e999}')),
    "json-large-number": lambda: run(run__json=said(options={"deadline": 10**4000, "nodes": -(10**4000)})),
    "json-not-utf-8": lambda: run(run__json=b'{"a": "\xff\xfe"}'),
    "json-utf-16": lambda: run(run__json=said().decode().encode("utf-16")),
    "json-lone-surrogate": lambda: run(run__json=said().replace(b"e2e/a.py::a", b"\\ud800")),
    "json-lone-surrogate-of-a-key": lambda: run(run__json=said(layer={"\ud800": 1}, options={"\ud800": 1})),
    "json-lone-surrogate-of-an-outcome": lambda: run(run__json=said(verdict={"tests": [{"test": "a", "outcome": "\udfff"}]})),
    "json-lone-surrogate-in-bytes": lambda: run(run__json=said(layer={"X": 1}).replace(b'"X"', b'"\xed\xa0\x80"')),
    "json-none": lambda: run(run__json=b""),
    "json-list": lambda: run(run__json=b"[]"),
    "cause-is-text": lambda: run(run__json=said(verdict={"tests": [{"test": "a", "outcome": "failed", "findings": [{"cause": "x"}]}]})),
    "findings-odd": lambda: run(run__json=said(verdict={"tests": [{"test": {}, "outcome": [], "findings": [1, [], {"cause": {"id": {}}}]}]})),
    "many-tests": lambda: run(run__json=said(verdict={"tests": [{"test": f"{n}", "outcome": "failed"} for n in range(25_000)]})),
    "options-of-host": lambda: run(run__json=said(options={"charts_dir": "/tmp", "sealing_key": "/etc/shadow", "registry_mirror": "https://evil.example", "layer": "/etc"})),
    "options-of-proc": lambda: run(run__json=said(options={"charts_dir": "/proc/self/root/etc", "sealing_key": "/dev/zero"})),
    "options-escape": lambda: run(run__json=said(options={"charts_dir": "/\x1b]0;owned\x07", "provider": "\x1b[2J"})),
    "options-odd": lambda: run(run__json=said(options={"nodes": [1], "deadline": {}, "strict_versions": "maybe", "provider": 1})),
    "commit-is-an-option": lambda: run(run__json=said(layer={"commit": "--upload-pack=x"}, harness={"commit": "--exec=x"})),
    "patch-of-copies": lambda: run(run__json=said(), uncommitted__patch=b"diff --git a/a b/b\ncopy from a\ncopy to b\nold mode 1\n" * 9_000),
}  # fmt: skip
"""By name: archives of a run, sound as such, whose content is not."""


def directory(place: Path) -> Path:
    place.mkdir()
    (place / "run.json").write_bytes(said())
    return place


def _linked(name: str) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        directory(place)
        (place.parent / "secret").write_text("hunter2")
        (place / name).unlink(missing_ok=True)
        (place / name).symlink_to("../secret")

    return make


def _piped(name: str) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        directory(place)
        (place / name).unlink(missing_ok=True)
        os.mkfifo(place / name)

    return make


def _large(name: str) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        directory(place)
        with (place / name).open("wb") as file:
            file.truncate(1 << 40)

    return make


def _deep(place: Path) -> None:
    place.mkdir()
    here = place
    for _ in range(60):
        here = here / ("d" * 50)
        here.mkdir()
    (here / "run.json").write_bytes(said())


def _wide(place: Path) -> None:
    place.mkdir()
    for number in range(300):
        (place / f"{number}").mkdir()
        (place / f"{number}" / "run.json").write_bytes(said())


def _loop(place: Path) -> None:
    place.mkdir()
    (place / "a").symlink_to(".")
    (place / "b").symlink_to("b")


def _device(place: Path) -> None:
    directory(place)
    (place / "layer.tar.gz").symlink_to("/dev/zero")


def _folder(place: Path) -> None:
    place.mkdir()
    (place / "run.json").mkdir()


def _named(place: Path) -> None:
    place.mkdir()
    directory(place / "\x1b]0;owned\x07")


NAMES = ("run.json", "layer.tar.gz", "layer.sha256", "uncommitted.patch", "harness.patch", "run.seal")

DIRECTORIES: dict[str, Callable[[Path], None]] = {
    **{f"link-{name}": _linked(name) for name in NAMES},
    **{f"pipe-{name}": _piped(name) for name in NAMES},
    "large-run.json": _large("run.json"),
    "large-layer.tar.gz": _large("layer.tar.gz"),
    "deep": _deep,
    "wide": _wide,
    "loop": _loop,
    "device": _device,
    "folder": _folder,
    "named": _named,
    "pipe-itself": os.mkfifo,
}
"""By name: what is made at a path, which is then replayed."""

HEAD: dict[str, Any] = {
    "schema": 1, "captured": "2026-01-01T00:00:00Z", "harness": "0", "cluster": "prod", "kubernetes": "v1", "nodes": 1,
    "chosen": False, "repository": "", "revision": "", "has_layer": False, "probed": False, "sealing_key_lost": False,
}  # fmt: skip


def incident(**files: bytes | Sequence[Any]) -> bytes:
    """Return an incident; `__` in a name is a dot, `___` a slash."""
    every = {"incident__json": json.dumps(HEAD).encode(), **files}
    named = {name.replace("___", "/").replace("__", "."): content for name, content in every.items()}
    return tar(
        *(
            member(name, bytes(content) if isinstance(content, bytes) else json.dumps(content).encode())
            for name, content in named.items()
        )
    )


ALIASES = b"a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
FINDING = {"object": "a", "promise": "selfheal", "expected": "a", "observed": "b"}

INCIDENTS: dict[str, Callable[[], bytes]] = {
    "yaml-aliases": lambda: incident(drift___a__yaml=ALIASES),
    "yaml-alias-of-itself": lambda: incident(drift___a__yaml=b"&a [*a]"),
    "yaml-merge": lambda: incident(drift___a__yaml=b"a: &a {b: 1}\nc: {<<: *a}\n"),
    "yaml-deep": lambda: incident(drift___a__yaml=b"[" * 50_000),
    "yaml-deep-block": lambda: incident(drift___a__yaml=b"".join(b" " * n + b"a:\n" for n in range(2_000))),
    "yaml-many": lambda: incident(drift___a__yaml=b"[" + b"1," * 900_000 + b"1]"),
    "yaml-many-files": lambda: incident(**{f"drift___{n}__yaml": b"[" + b"1," * 9_000 + b"1]" for n in range(40)}),
    "yaml-large": lambda: incident(drift___a__yaml=b"a: " + b"x" * (3 * MIB)),
    "yaml-python": lambda: incident(drift___a__yaml=b"!!python/object/apply:os.system [touch /tmp/owned]"),
    "yaml-tag": lambda: incident(drift___a__yaml=b"a: !evil 1"),
    "yaml-date": lambda: incident(drift___a__yaml=b"change: 2024-99-99"),
    "yaml-set": lambda: incident(drift___a__yaml=b"!!set {a, b}"),
    "yaml-key-is-a-list": lambda: incident(drift___a__yaml=b"? [a]\n: b"),
    "yaml-not-utf-8": lambda: incident(drift___a__yaml=b"a: \xff"),
    "yaml-control": lambda: incident(drift___a__yaml=b"a: \x1b[2J"),
    "yaml-documents": lambda: incident(drift___a__yaml=b"--- 1\n--- 2\n"),
    "yaml-number": lambda: incident(drift___a__yaml=b"change: " + b"9" * 100_000),
    "yaml-lone-surrogate": lambda: incident(drift___a__yaml=rb'{"change": "\ud800", "\udfff": 1}'),
    "json-lone-surrogate": lambda: incident(incident__json=json.dumps(HEAD | {"cluster": "\ud800", "\udfff": 1}).encode()),
    "findings-lone-surrogate": lambda: incident(findings__json=[{"object": "\ud800", "promise": "\udfff", "details": {"\ud800": 1}}]),
    "drift-is-text": lambda: incident(drift___a__yaml=b"text"),
    "drift-kind-is-a-list": lambda: incident(drift___a__yaml=b"change: [changed]\nkind: []\n"),
    "drift-live-odd": lambda: incident(drift___a__yaml=b"change: extra\nkind: v1/A\nname: a\nlive: {metadata: 1, kind: A, apiVersion: v1}\n"),
    "cause-is-text": lambda: incident(findings__json=[{**FINDING, "cause": "x"}]),
    "promise-odd": lambda: incident(findings__json=[{**FINDING, "promise": [], "cause": {"id": "a", "sentence": "b", "remedy": "c"}}]),
    "findings-many": lambda: incident(findings__json=b"[" + b"{}," * 900_000 + b"{}]"),
    "findings-deep": lambda: incident(findings__json=b"[" * 90_000),
    "foundations-odd": lambda: incident(foundations__json=[{"name": [], "values": []}]),
    "alerts-odd": lambda: incident(alerts__json=[[1]]),
    "head-odd": lambda: incident(incident__json=json.dumps(HEAD | {"nodes": True, "apps": 1}).encode()),
    "head-missing": lambda: tar(member("x", b"x")),
    "head-schema": lambda: incident(incident__json=json.dumps(HEAD | {"schema": ["\x1b[2J"]}).encode()),
    "head-escape": lambda: incident(incident__json=json.dumps(HEAD | {"repository": "\x1b]0;owned\x07", "cluster": "\x1b[2J"}).encode()),
    "nodes-many": lambda: incident(incident__json=json.dumps(HEAD | {"nodes": 10**4000}).encode()),
    "link": lambda: tar(member("incident.json", json.dumps(HEAD).encode()), member("layer/x", sort=b"2", link=b"y")),
    "large": lambda: zeros(60, member("incident.json", json.dumps(HEAD).encode()) + header(b"layer/x", size=60 * MIB)),
}  # fmt: skip
"""By name: incidents, sound as archives, whose content is not."""


def directory_of(archive: bytes) -> list[str]:
    """Return the names in an archive of ours, for a test of this file itself."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as read:
        return read.getnames()
