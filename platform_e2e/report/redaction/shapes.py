"""Secrets that are recognised by how they look, wherever they stand.

Each pattern is tried only where the text has one of its needles, so a text without secrets costs little. None of them can
take more than linear time: what may be long either begins with a literal, or cannot begin in the middle of what it matches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from platform_e2e.report.redaction.names import HIDDEN


@dataclass(frozen=True)
class Shape:
    """One pattern.

    Attributes:
        needles: one of these, in lower case, is in every text that has it.
        pattern: with a group `head` for what stays before the secret.
        then: stands in the secret's place.
    """

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    then: str = HIDDEN

    def sub(self, text: str) -> str:
        """Return a text without it."""
        return self.pattern.sub(self._shown, text)

    def _shown(self, found: re.Match[str]) -> str:
        return (found.groupdict().get("head") or "") + self.then


def _shape(needles: str, pattern: str, then: str = HIDDEN, flags: int = 0) -> Shape:
    return Shape(tuple(needles.split()), re.compile(pattern, flags), then)


_I = re.IGNORECASE
_WORD_BEFORE = r"(?<![A-Za-z0-9])"
_NOT_DONE = r"(?!\[redacted\])"

TOKENS: tuple[Shape, ...] = (
    # JSON web tokens, signed or encrypted (RFC 7519): the first part is a JSON object.
    _shape("eyj", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}", HIDDEN + " token"),
    # GitHub, docs.github.com: "About authentication", token formats.
    _shape("ghp_ gho_ ghu_ ghs_ ghr_", r"(?<![A-Za-z0-9_])gh[pousr]_[A-Za-z0-9]{20,}"),
    _shape("github_pat_", r"(?<!\w)github_pat_\w{20,}"),
    # GitLab, docs.gitlab.com: "Token overview", prefixes.
    _shape("gl", r"(?<![\w-])gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|oas)-[\w-]{15,}"),
    # Slack.
    _shape("xox xapp-", r"(?<![\w-])(?:xox[abeprs]|xapp)-[\w-]{10,}"),
    _shape(
        "hooks.slack.com discord",
        r"(?P<head>(?:hooks\.slack\.com/(?:services|workflows)|discord(?:app)?\.com/api/webhooks)/)[\w/-]{16,}",
    ),
    # AWS: ids of keys; the keys themselves are recognised by name only.
    _shape("akia asia abia acca", r"(?<![A-Z0-9])A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}(?![A-Z0-9])"),
    # Google: API keys, OAuth access tokens and client secrets.
    _shape("aiza", r"(?<![\w-])AIza[\w-]{35}"),
    _shape("ya29. gocspx-", r"(?<![\w-])(?:ya29\.|GOCSPX-)[\w-]{20,}"),
    # Azure: client secrets of Entra ID, keys of storage accounts (64 bytes).
    _shape("q~", r"(?<![\w.~-])[\w.~-]{3}\dQ~[\w.~-]{31,34}"),
    _shape("==", r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}=="),
    # Stripe.
    _shape("sk_ rk_ whsec_", r"(?<![A-Za-z0-9])(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9+/=]{16,}"),
    _shape("npm_", r"(?<![A-Za-z0-9_])npm_[A-Za-z0-9]{30,}"),
    _shape("pypi-", r"(?<![\w-])pypi-[\w-]{40,}"),
    _shape("dckr_", r"(?<!\w)dckr_(?:pat|oat)_[\w-]{20,}"),
    _shape("age-", r"AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]{1,20})-1[0-9A-Z]{20,}", HIDDEN + " age key", _I),
    _shape("sg.", r"(?<![\w.-])SG\.[\w-]{16,}\.[\w-]{16,}"),
    # HashiCorp Vault and Terraform.
    _shape("hvs. hvb. hvr.", r"(?<![\w.])hv[sbr]\.[\w-]{20,}"),
    _shape(".atlasv1.", r"(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[\w-]{20,}"),
    # Grafana, DigitalOcean, OpenAI and Anthropic, Hugging Face, Shopify, Databricks, Linear, New Relic, Twilio, Telegram.
    _shape("glsa_ glc_", r"(?<!\w)gl(?:sa|c)_[A-Za-z0-9+/=_]{20,}"),
    _shape("do", r"(?<!\w)do[opr]_v1_[a-f0-9]{32,}"),
    _shape("sk-", r"(?<![\w-])sk-[A-Za-z0-9_-]{20,}"),
    _shape(
        "hf_ shp dapi lin_api_ nrak-",
        r"(?<!\w)(?:hf_[A-Za-z]{30,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|dapi[a-f0-9]{32}|lin_api_\w{30,}|NRAK-[A-Z0-9]{27})",
    ),
    _shape(":aa", r"(?<!\d)\d{8,10}:AA[\w-]{33}"),
    # Bootstrap tokens; the second part of an event's name, which looks alike, is hexadecimal.
    _shape(
        ".",
        r"(?<![\w./-])(?=[a-z0-9]{6}\.[a-z0-9]{0,15}\d)(?![a-z0-9]{6}\.[0-9a-f]{16}\b)[a-z0-9]{6}\.[a-z0-9]{16}(?![\w./-])",
        HIDDEN + " bootstrap token",
    ),
    # Hashes of passwords, crypt(5), bcrypt and Argon2: they can be guessed at.
    _shape("$", r"\$(?:2[abxy]|apr1|1|5|6|y|gy|argon2(?:id?|d))\$[./A-Za-z0-9$,=+-]{13,}", HIDDEN + " hash"),
    _shape("{sha} {ssha}", r"(?P<head>\{S?SHA\})[A-Za-z0-9+/]{20,}={0,2}"),
)
"""Tokens that say whose they are."""

URLS: tuple[Shape, ...] = (
    _shape("://", rf"(?P<head>://){_NOT_DONE}[^\s/@:'\"<>]{{0,200}}:[^\s/@'\"<>]{{0,1000}}@", HIDDEN + "@"),
    # A password that should have been escaped: it has a slash or an @. A port is none.
    _shape("://", rf"(?P<head>://){_NOT_DONE}[^\s/@:'\"<>]{{1,200}}:(?!\d{{1,5}}/)[^\s'\"<>]{{1,300}}@", HIDDEN + "@"),
    _shape("://", rf"(?P<head>://){_NOT_DONE}[^\s/@:'\"<>]{{16,1000}}@", HIDDEN + "@"),
    _shape(
        "jdbc:oracle", rf"(?P<head>jdbc:oracle:\w{{1,10}}:){_NOT_DONE}[^\s/@]{{1,100}}/[^\s@]{{1,300}}@", HIDDEN + "@"
    ),
    # Go's driver for MySQL: user:password@tcp(host).
    _shape("@tcp( @unix(", r"(?<![^\s'\"=])[^\s:/@'\"=]{1,100}:[^\s'\"]{1,300}@(?=tcp\(|unix\()", HIDDEN + "@"),
    # What is signed with a key, and keys as parameters.
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
        r"apikey|aws4-hmac-sha256|splunk|bot)[ \t]+)?)(?![\s\[{]|\[redacted\])[^\n\r'\"\\\]{}]+",
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
    _shape("curl", r"(?P<head>(?<=[ \t])(?:-u|--user)[ =]?['\"]?)(?!\[redacted\])[^\s:'\"]{1,100}:[^\s'\"]{1,300}"),
    _shape("mysql", r"(?P<head>\bmysql(?:dump|admin)?[ \t][^\n]{0,40}?-p)(?!\[redacted\])[^\s'\"-][^\s'\"]{2,200}"),
    _shape("sshpass", r"(?P<head>\bsshpass[ \t]+-p[ \t]*['\"]?)(?!\[redacted\])[^\s'\"]{1,300}"),
    # netrc(5): machine HOST login USER password SECRET, and the lines of .pgpass.
    _shape(
        "5432:", r"(?P<head>(?<![\w.*-])[\w.*-]{1,200}:5432:[\w*-]{1,64}:[\w*-]{1,64}:)(?!\[redacted\])[^\s:]{1,200}"
    ),
)
"""Headers of HTTP and command lines."""


def tokens(text: str) -> str:
    """Return a text without what any of the shapes recognises."""
    lower = text.lower()
    for shape in (*URLS, *HEADERS, *TOKENS):
        # No generator: this is most of what it costs to redact a run's evidence.
        for needle in shape.needles:
            if needle in lower:
                text = shape.sub(text)
                break
    return text
