"""The control plane's programs and their command lines: those of kubeadm, with a reason beside each difference."""

from __future__ import annotations

from typing import Any

from platform_e2e.cluster.kubernetes.credentials import API_PORT, PKI
from platform_e2e.cluster.network.addressing import Plan

ETCD = "http://127.0.0.1:2379"
"""Plain HTTP on the server's loopback: only the API server and other programs in the server's network can reach it."""

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""The issuer of service account tokens; kubeadm's default."""


def programs(plan: Plan, *, by_name: bool = False) -> list[dict[str, Any]]:
    """Return the server's programs for the launcher.

    etcd and the API server start together: the API server needs longer to start than etcd. The others wait for it, because
    they would only retry and take processor time from it.

    Args:
        plan: the cluster's addresses.
        by_name: whether the server can resolve the nodes' names.
    """
    ready = {"url": f"https://127.0.0.1:{API_PORT}/readyz", "ca": f"{PKI}/ca.crt"}
    return [
        {"name": "etcd", "argv": etcd(), "ready": {"tcp": "127.0.0.1:2379"}},
        {"name": "kube-apiserver", "argv": api_server(plan, by_name=by_name), "ready": ready},
        {"name": "kube-controller-manager", "argv": controller_manager(plan), "after": ["kube-apiserver"]},
        {"name": "kube-scheduler", "argv": scheduler(), "after": ["kube-apiserver"]},
    ]


def etcd() -> list[str]:
    """Return etcd's command line."""
    return [
        "etcd",
        "--name=server",
        "--data-dir=/var/lib/etcd",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        # A test cluster's data need not survive a power failure, and each fsync takes milliseconds.
        "--unsafe-no-fsync",
    ]


def api_server(plan: Plan, *, by_name: bool = False) -> list[str]:
    """Return kube-apiserver's command line."""
    # Where no DNS has the nodes' names, exec and logs must not use them; where it has them, addresses may change.
    kubelets = "Hostname,InternalIP" if by_name else "InternalIP"
    return [
        "kube-apiserver",
        f"--advertise-address={plan.nodes[0]}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        f"--client-ca-file={PKI}/ca.crt",
        "--enable-admission-plugins=NodeRestriction",
        f"--etcd-servers={ETCD}",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
        f"--kubelet-preferred-address-types={kubelets}",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
        "--requestheader-allowed-names=front-proxy-client",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--secure-port={API_PORT}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key",
        f"--service-cluster-ip-range={plan.services}",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
    ]


def controller_manager(plan: Plan) -> list[str]:
    """Return kube-controller-manager's command line."""
    config = "/etc/kubernetes/controller-manager.conf"
    return [
        "kube-controller-manager",
        # The plan has each node's network with the routes to it, and `addons` writes it to the Node.
        "--allocate-node-cidrs=false",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        f"--client-ca-file={PKI}/ca.crt",
        f"--cluster-cidr={plan.pods}",
        "--cluster-name=kubernetes",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        f"--kubeconfig={config}",
        # Its only instance: waiting for a lease takes seconds.
        "--leader-elect=false",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        f"--root-ca-file={PKI}/ca.crt",
        f"--service-account-private-key-file={PKI}/sa.key",
        f"--service-cluster-ip-range={plan.services}",
        "--use-service-account-credentials=true",
        # The defaults, 20 and 30, are for an API server that thousands of nodes share.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def scheduler() -> list[str]:
    """Return kube-scheduler's command line."""
    config = "/etc/kubernetes/scheduler.conf"
    return [
        "kube-scheduler",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        f"--kubeconfig={config}",
        "--leader-elect=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
