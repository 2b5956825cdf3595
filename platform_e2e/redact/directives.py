"""Shapes of a name and a secret without a sign between them, as in the configurations of many programs."""

from __future__ import annotations

import re

from platform_e2e.redact.names import NAMED
from platform_e2e.redact.pattern import Shape
from platform_e2e.redact.pattern import shape as _shape

_I = re.IGNORECASE
_M = re.MULTILINE
_RANDOM = r"(?!\[redacted\])(?P<value>(?=[^\s'\";,<>]{0,200}[0-9])(?=[^\s'\";,<>]{0,200}[A-Za-z])[^\s'\";,<>()]{6,500})"
"""A value with digits and letters: after the word `password` other values are mostly parts of a sentence."""

_LINE = r"(?P<head>^[-+ \t]{0,40}"

DIRECTIVES: tuple[Shape, ...] = (
    # netrc(5): machine HOST login USER account WORD password SECRET, on one line or several.
    _shape(
        "machine default login",
        r"(?P<head>(?:\bmachine\s{1,40}\S{1,255}|^default)(?:\s{1,40}(?:login|account|user)\s{1,40}\S{1,255}){0,3}\s{1,40}password\s{1,40})(?!\[redacted\])(?P<value>\S{1,255})",
        flags=_I | _M,
    ),
    # Net-SNMP, Cisco, Redis, Sentinel, OpenLDAP, nss_ldap, keepalived, HAProxy, MaxMind.
    _shape(
        "snmp-server rocommunity rwcommunity enable␣ requirepass masterauth auth-pass bindpw rootpw auth_pass insecure-password licensekey",
        _LINE
        + r"(?:snmp-server[ \t]+community|r[ow]community6?|enable[ \t]+(?:secret|password)[ \t]+\d{1,2}|requirepass|masterauth|sentinel[ \t]+auth-pass[ \t]+\S+|bindpw|rootpw|auth_pass|user[ \t]+\S+[ \t]+insecure-password|licensekey)"
        r"[ \t]+['\"]?)(?!\[redacted\])(?P<value>[^\s'\";]{1,500})",
        flags=_I | _M,
    ),
    _shape(
        "user ",
        _LINE
        + r"(?:ACL SETUSER|user)[ \t]+\S{1,100}[ \t](?:[^\n>]{0,200}[ \t])?>)(?!\[redacted\])(?P<value>\S{4,500})",
        flags=_I | _M,
    ),
    # FRR, Cisco, SNMP, Squid, libreswan.
    _shape(
        "password passphrase passwd",
        r"(?P<head>^[^\n'\"=:#]{0,80}?(?<![\w-])(?:password|passphrase|passwd)[ \t]+(?:[0-9][ \t]+)?)"
        + _RANDOM
        + r"(?=[ \t]*;?[ \t\r]*$)",
        flags=_I | _M,
    ),
    _shape(
        "password passphrase psk identified",
        r"(?P<head>(?<![\w-])(?:password|passphrase|psk|identified by|with password)[ \t]+(?P<quote>['\"]))(?!\[redacted\])(?P<value>(?=[^'\"\n]{0,200}[0-9])[^'\"\n]{6,500})(?=(?P=quote))",
        flags=_I,
    ),
    # BIND: names of objects do not have capitals.
    _shape(
        'secret␣" token␣"',
        r"(?P<head>(?<![\w-])(?i:secret|token)[ \t]+\")(?P<value>(?=[^\"\n]{0,200}[0-9])(?=[^\"\n]{0,200}[A-Z])[A-Za-z0-9+/=_-]{16,500})(?=\")",
    ),
    _shape(
        "createuser",
        r"(?P<head>\bcreateUser[ \t]+\S{1,100}[ \t]+(?:MD5|SHA\S{0,8})[ \t]+['\"]?)(?!\[redacted\])(?P<value>[^\s'\"]{4,200})",
        flags=_I,
    ),
    _shape(
        "createuser",
        r"(?P<head>\bcreateUser[ \t]+\S{1,100}[ \t]+(?:MD5|SHA\S{0,8})[ \t]+\S{1,220}[ \t]+(?:DES|AES\S{0,8})[ \t]+['\"]?)(?!\[redacted\])(?P<value>[^\s'\"]{4,200})",
        flags=_I,
    ),
    _shape("login=", r"(?P<head>[ \t]login=[^\s:=]{1,100}:)(?!\[redacted\])(?P<value>[^\s]{1,200})"),
    # Postfix: [host]:port user:password.
    _shape(
        "]:",
        r"(?P<head>^\[[\w.-]{1,200}\](?::\d{1,5})?[ \t]+[^\s:]{1,100}:)(?!\[redacted\])(?P<value>\S{1,200})",
        flags=_M,
    ),
    # PostgreSQL, the file .pgpass: host:port:database:user:password.
    _shape(
        ":",
        r"(?P<head>^(?:[\w-]{1,60}(?:\.[\w-]{1,60}){0,8}|\*|[\d.]{7,15}):(?:\d{2,5}|\*):[\w*-]{1,64}:[\w*-]{1,64}:)(?!\[redacted\])(?P<value>(?=\S{0,100}[A-Za-z])[^\s:]{6,200})$",
        flags=_M,
        sure=r":(?:\d{2,5}|\*):[\w*-]{1,64}:[\w*-]{1,64}:",
    ),
    # Command lines and Dockerfiles.
    _shape(
        "env␣ arg␣",
        rf"(?P<head>^[ \t]{{0,20}}(?:ENV|ARG)[ \t]+[\w.-]{{0,60}}?(?:{NAMED})\w{{0,3}}[ \t]+['\"]?)(?!\[redacted\]|=)(?P<value>[^\s'\"=]{{4,500}})",
        flags=_I | _M,
    ),
    _shape(
        "redis-cli",
        r"(?P<head>\bredis-cli\b[^\n|;]{0,200}?[ \t]-a[ \t]+['\"]?)(?!\[redacted\])(?P<value>[^\s'\"]{1,200})",
    ),
    _shape(
        "redis-cli",
        r"(?P<head>\bredis-cli['\"]\s{0,4},(?:[^\]\n]{0,200},)?\s{0,4}['\"]-a['\"]\s{0,4},\s{0,4}['\"])(?!\[redacted\])(?P<value>[^\s'\"]{1,200})",
    ),
    _shape(
        "--requirepass --masterauth",
        r"(?P<head>--(?:requirepass|masterauth)(?:=|[ \t]+|['\"]?\s{0,4},\s{0,80}|['\"]?[ \t]*\n[ \t+]{0,80}-[ \t]+)['\"]?)"
        r"(?!\[redacted\]|-)(?P<value>[^\s'\",\[\]]{1,500})",
    ),
    # docker, podman, helm registry, oras, crane, skopeo, az, oc, argocd: `login ... -p PASSWORD`.
    _shape(
        "login",
        r"(?P<head>\b(?:docker|podman|nerdctl|buildah|skopeo|oras|crane|auth|registry|az|oc|argocd)[ \t]+login\b[^\n|;&]{0,200}?[ \t](?:-p|-w|-pw)[ \t=]{1,4}['\"]?)(?!\[redacted\]|-)(?P<value>[^\s'\"]{3,500})",
    ),
    _shape(
        "mongo ldap sqlcmd smbclient",
        r"(?P<head>\b(?:mongo(?:sh|dump|restore|export|import)?|ldap(?:search|add|modify|delete|whoami|passwd)|sqlcmd)\b[^\n|;&]{0,200}?[ \t](?:-[pwP])[ \t]{0,4}['\"]?)"
        r"(?!\[redacted\]|-)(?P<value>(?=[^\s'\"]{0,200}[0-9])(?=[^\s'\"]{0,200}[A-Za-z])[^\s'\"]{4,500})",
    ),
    _shape(
        "openssl",
        r"(?P<head>\bopenssl\b[^\n|;&]{0,200}?[ \t]-k[ \t]+['\"]?)(?!\[redacted\]|-)(?P<value>[^\s'\"]{3,500})",
    ),
    # Here-documents of a shell and of HCL: password = <<EOF ... EOF.
    _shape(
        "<<",
        rf"(?P<head>(?:{NAMED})\"?[ \t]*[=:][ \t]*<<[-~]?[ \t]*(?P<quote>['\"]?)(?P<end>[A-Za-z_]\w{{0,40}})(?P=quote)[ \t]*\r?\n)(?!\s*\[redacted\])(?P<value>[^\n]{{1,2000}}(?:\n(?![ \t]*(?P=end)\b)[^\n]{{0,2000}}){{0,40}})(?=\n[ \t]*(?P=end)\b)",
        flags=_I,
    ),
    # YAML's explicit keys.
    _shape(
        "?␣",
        rf"(?P<head>^[-+ \t]{{0,60}}\?[ \t]+['\"]?[\w.-]{{0,60}}?(?:{NAMED})['\"]?[ \t]*\r?\n[-+ \t]{{0,60}}:[ \t]+['\"]?)(?!\[redacted\])(?P<value>[^\s'\"{{\[|>&*!][^\n'\"]{{1,500}})",
        flags=_I | _M,
    ),
    _shape(
        "htpasswd",
        r"(?P<head>\bhtpasswd[ \t]+-[a-zA-Z]{0,6}b[a-zA-Z]{0,6}[ \t]+(?:\S{1,200}[ \t]+){1,2})(?!\[redacted\])(?P<value>[^\s;|&]{4,200})(?=[ \t]*(?:$|[;|&\n'\"]))",
        flags=_M,
    ),
    _shape(
        "chpasswd",
        r"(?P<head>\becho[ \t]+['\"]?[\w-]{1,40}:)(?!\[redacted\])(?P<value>[^\s'\"|]{1,200})(?=['\"]?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd)",
    ),
    _shape(
        "chpasswd",
        r"(?P<head>\bchpasswd:[^\n]{0,60}?['\"]?[\w-]{1,40}:)(?!\[redacted\]|[ \t])(?P<value>[^\s'\"}|,]{4,200})",
    ),
    _shape(
        "--from-literal",
        r"(?P<head>--from-literal[= ]['\"]?[\w.-]{1,253}=['\"]?)(?!\[redacted\])(?P<value>[^\s'\"]{1,500})",
    ),
    _shape(
        "digest",
        r"(?P<head>\bDigest[ \t][^\n]{0,400}?\bresponse=\"?)(?!\[redacted\])(?P<value>[0-9a-f]{32,128})",
        flags=_I,
    ),
    # Calls of two quoted words: define('DB_PASSWORD', 'x'), setenv("TOKEN", "x").
    _shape(
        "define( setenv( putenv( set( sub(",
        rf"(?P<head>\b(?:define|setenv|putenv|set)\(\s{{0,4}}['\"][\w.-]{{0,60}}?(?:{NAMED})\w{{0,3}}['\"]\s{{0,4}},\s{{0,4}}['\"])(?!\[redacted\])(?P<value>[^'\"\n]{{4,500}})",
        flags=_I,
    ),
    # HCL: the default of a variable with the name of a secret.
    _shape(
        "variable",
        rf"(?P<head>\bvariable[ \t]+\"[\w-]{{0,60}}?(?:{NAMED})\w{{0,3}}\"[ \t]*\{{[^{{}}]{{0,600}}?\bdefault[ \t]*=[ \t]*\")(?!\[redacted\])(?P<value>[^\"\n]{{4,500}})",
        flags=_I,
    ),
    _shape(
        "arg_",
        rf"(?P<head>\$(?:arg|http)_\w{{0,40}}?(?:{NAMED})[ \t]*[!=]=?[ \t]*['\"])(?!\[redacted\])(?P<value>[^'\"\n]{{6,200}})",
        flags=_I,
    ),
    _shape(
        "\"\"\" '''",
        rf"(?P<head>(?:{NAMED})[ \t]*=[ \t]*(?P<triple>\"\"\"|'''))(?!\[redacted\])(?P<value>[^\"\']{{4,500}})",
        flags=_I,
        sure=r"=[ \t]*(?:\"\"\"|''')",
    ),
    # XML: an element, an attribute beside one that names it, a property.
    _shape(
        "</",
        rf"(?P<head><(?P<tag>(?:[\w.-]{{1,60}}:)?[\w.-]{{0,60}}?(?:{NAMED}))(?:\s[^<>]{{0,200}})?>\s{{0,40}}(?:<!\[CDATA\[)?)(?!\[redacted\])(?P<value>[^<>]{{3,2000}}?)(?=\s{{0,40}}(?:\]\]>)?</)",
        flags=_I,
    ),
    _shape(
        "</",
        rf"(?P<head><(?:name|key|param-name)>\s{{0,20}}[\w.\- ]{{0,80}}?(?:{NAMED})\s{{0,20}}</(?:name|key|param-name)>\s{{0,40}}<(?:value|string|param-value|data)[^<>]{{0,80}}>\s{{0,20}})(?!\[redacted\])(?P<value>[^<>]{{3,2000}}?)(?=\s{{0,20}}</)",
        flags=_I,
    ),
    _shape(
        'value=" </string> </entry> </setting> </param>',
        rf"(?P<head>\b(?:name|key|id)=\"[\w.\- ]{{0,80}}?(?:{NAMED})\"[^<>]{{0,80}}?(?:\bvalue=\"|>\s{{0,20}}))(?!\[redacted\])(?P<value>[^<>\"]{{3,2000}}?)(?=\"|\s{{0,20}}</)",
        flags=_I,
    ),
)
"""Shapes of pairs without a sign between name and secret."""
