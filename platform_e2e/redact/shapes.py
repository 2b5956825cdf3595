"""Redact secrets that are recognised by their shape anywhere in a text.

Each pattern is tried only where the text has one of its needles, so a text without secrets costs little. Every pattern takes linear
time: one with a long match either begins with a literal, or cannot begin in the middle of its own match.
"""

from __future__ import annotations

import re

from platform_e2e.redact.directives import DIRECTIVES
from platform_e2e.redact.issuers import TOKENS
from platform_e2e.redact.names import HIDDEN
from platform_e2e.redact.pattern import Shape, without
from platform_e2e.redact.pattern import shape as _shape

_I = re.IGNORECASE
_NOT_DONE = r"(?!\[redacted\])"

URLS: tuple[Shape, ...] = (
    _shape("://", rf"(?P<head>://){_NOT_DONE}[^\s/@:'\"<>]{{0,200}}:(?P<value>[^\s/@'\"<>]{{0,1000}})@", HIDDEN + "@"),
    # A password that should have been escaped: it has a slash or an @. A port is not a password.
    _shape(
        "://",
        rf"(?P<head>://){_NOT_DONE}[^\s/@:'\"<>]{{1,200}}:(?!\d{{1,5}}/)(?P<value>[^\s'\"<>]{{1,300}})@",
        HIDDEN + "@",
    ),
    _shape("://", rf"(?P<head>://){_NOT_DONE}(?P<value>[^\s/@:'\"<>]{{16,1000}})@", HIDDEN + "@"),
    _shape(
        "jdbc:oracle", rf"(?P<head>jdbc:oracle:\w{{1,10}}:){_NOT_DONE}[^\s/@]{{1,100}}/[^\s@]{{1,300}}@", HIDDEN + "@"
    ),
    # Go's driver for MySQL: user:password@tcp(host).
    _shape("@tcp( @unix(", r"(?<![^\s'\"=])[^\s:/@'\"=]{1,100}:[^\s'\"]{1,300}@(?=tcp\(|unix\()", HIDDEN + "@"),
    # Signatures and keys as parameters.
    _shape(
        "sig= signature= key= code= sas= auth=",
        rf"(?P<head>[?&;](?:sig|(?:x-amz-|x-goog-)?signature|key|code|sas|auth)=){_NOT_DONE}[^\s&'\"#<>]{{8,}}",
        HIDDEN,
        _I,
    ),
)
"""Credentials in addresses."""

HEADERS: tuple[Shape, ...] = (
    _shape(
        "authorization",
        r"(?P<head>(?<![\w])(?:proxy-)?authorization\\*['\"]?[ \t]*[:=][ \t]*(?!\[redacted|\\+[nr])\[?\\*['\"]?(?:(?:basic|bearer|token|digest|negotiate|"
        r"apikey|aws4-hmac-sha256|splunk|bot)[ \t]+)?)(?![\s\[{]|\[redacted\])(?P<value>[^\n\r'\"\\\]{}]+|\$\{[^\n\r'\"\\\]]+)",
        HIDDEN,
        _I,
    ),
    _shape(
        "cookie",
        r"(?P<head>(?<![\w])(?:set-)?cookie2?\\*['\"]?[ \t]*[:=][ \t]*(?!\[redacted|\\+[nr])\[?\\*['\"]?)(?!\[redacted\]|\{|\[)(?=[^\s=;:]{1,100}=)[^\n\r'\"\\\]]+",
        HIDDEN,
        _I,
    ),
    _shape(
        "bearer",
        r"(?P<head>(?<!\w)bearer[ \t]+)(?=(?-i:[A-Za-z0-9._~+/=-]{0,200}[0-9_~+/=A-Z]))[A-Za-z0-9._~+/=-]{8,}",
        HIDDEN,
        _I,
    ),
    _shape(
        "curl",
        r"(?P<head>(?<=[ \t])(?:-u|--user)[ =]?['\"]?)(?!\[redacted\])[^\s:'\"]{1,100}:(?P<value>[^\s'\"]{1,300})",
    ),
    _shape("mysql", r"(?P<head>\bmysql(?:dump|admin)?[ \t][^\n]{0,40}?-p)(?!\[redacted\])[^\s'\"-][^\s'\"]{2,200}"),
    _shape("{sha} {ssha}", r"(?P<head>\{S?SHA\})[A-Za-z0-9+/]{20,}={0,2}"),
    _shape("sshpass", r"(?P<head>\bsshpass[ \t]+-p[ \t]*['\"]?)(?!\[redacted\])[^\s'\"]{1,300}"),
)
"""Credentials in headers of HTTP and in command lines."""


_LONG = re.compile(r"[^\s\"'<>,;(){}\[\]|]{18,}")
"""A word that is long enough for a token."""


def tokens(text: str) -> str:
    """Return a text without the secrets of all shapes."""
    lower = text.lower()
    text = without(DIRECTIVES, without(HEADERS, without(URLS, text, lower), lower), lower)
    words = _LONG.findall(text)
    # The many shapes of tokens are searched for in long words only, which are a small part of a text.
    return without(TOKENS, text, "\n".join(set(words)).lower()) if words else text
