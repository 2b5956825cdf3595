"""Pooled connections to one API server: metered, kept alive, through the kubeconfig's proxy where it names one."""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.util import parse_url

from platform_e2e.kube.kubeconfig import Endpoint
from platform_e2e.kube.metered import POOLS

_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
"""A peer that vanished without a word is noticed in about 11 s, on streams that are silent for a minute by nature."""

_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # Not every system has each of them.
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _KEEPALIVE.items()
        if hasattr(socket, name)
    ),
]


def connections(endpoint: Endpoint, tls: ssl.SSLContext | None) -> urllib3.PoolManager:
    """Return connections to an API server, none of which is open yet."""
    options: dict[str, Any] = {"maxsize": 32, "retries": False, "socket_options": _SOCKET_OPTIONS}
    if tls is not None:
        options["ssl_context"] = tls
        if tls.verify_mode == ssl.CERT_NONE:
            options["cert_reqs"] = "CERT_NONE"
        if endpoint.server_name:
            options["server_hostname"] = options["assert_hostname"] = endpoint.server_name
    # The environment's proxies are left out on purpose: clusters under test are on this machine or its network.
    if endpoint.proxy:
        user = parse_url(endpoint.proxy).auth
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
        pool: urllib3.PoolManager = urllib3.ProxyManager(endpoint.proxy, **options)
    else:
        pool = urllib3.PoolManager(**options)
    pool.pool_classes_by_scheme = POOLS
    return pool
