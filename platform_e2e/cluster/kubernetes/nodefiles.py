"""The configuration files of a node's programs: containerd, the pods' network (CNI), kubelet and kube-proxy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from platform_e2e.cluster.kubernetes.credentials import PKI
from platform_e2e.cluster.kubernetes.node import CONTAINERD_SOCKET, PROGRAMS, Node
from platform_e2e.cluster.network.addressing import Plan

CAP_SYS_RESOURCE = 24
"""The capability's number in linux/capability.h."""

PAUSE = "registry.k8s.io/pause:3.10"
"""The image of every pod's first container; containerd's own default is another version."""


def files(node: Node, plan: Plan, names: Sequence[str], *, clamped: bool) -> dict[str, bytes]:
    """Return a node's files without secrets: path in the node to content.

    Args:
        node: the node.
        plan: the cluster's addresses.
        names: the names of all nodes, in the plan's order.
        clamped: whether containers must get fewer privileges than they request, because this machine lacks CAP_SYS_RESOURCE.
    """
    hosts = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in zip(names, plan.nodes, strict=True))]
    texts = {
        "/etc/hosts": "\n".join(hosts) + "\n",
        "/etc/hostname": f"{node.name}\n",
        # No name server, because the cluster is closed: a name outside of it fails at once.
        "/etc/resolv.conf": "# the cluster is closed\n",
        "/etc/containerd/config.toml": containerd(clamped=clamped),
        "/etc/cni/net.d/10-bridge.conflist": json.dumps(cni(node, plan), indent=1),
        "/etc/kubernetes/kubelet.json": json.dumps(kubelet(plan), indent=1),
        "/etc/kubernetes/kube-proxy.json": json.dumps(kube_proxy(node, plan), indent=1),
    }
    return {path: text.encode() for path, text in texts.items()}


def lacks_sys_resource(status: str) -> bool:
    """Tell from the text of /proc/self/status whether this process cannot get CAP_SYS_RESOURCE."""
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:"))
    return not int(bounding, 16) >> CAP_SYS_RESOURCE & 1


def containerd(*, clamped: bool) -> str:
    """Return containerd's configuration (its version 2 format, which 1.6 to 2.x read).

    Args:
        clamped: use the runtime that requests only what this machine grants.
    """
    runtime = f'\n            BinaryName = "{PROGRAMS}/oci-runtime"' if clamped else ""
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
# Looking for file systems that are not there costs time and fills the log.
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = {str(clamped).lower()}
  # As k3s and containerd since 2.0 have it: a port below 1024 needs no capability.
  enable_unprivileged_ports = true
  # Profiles would have to be loaded into the host's kernel.
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = false{runtime}
"""


def cni(node: Node, plan: Plan) -> dict[str, Any]:
    """Return the configuration of the pods' network: a bridge on each node, and routes between nodes on the segment."""
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                # The launcher's own rule leaves out packets to pods on other nodes.
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": str(plan.pods_of(node.number))}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": "/run/cni-addresses",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(plan: Plan) -> dict[str, Any]:
    """Return the kubelet's configuration: kubeadm's, with settings that make tests fast."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": "/etc/kubernetes/kubelet-serving.crt",
        "tlsPrivateKeyFile": "/etc/kubernetes/kubelet-serving.key",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDNS": [str(plan.dns)],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        # Longest time until changed ConfigMaps and Secrets reach their pods; the default is a minute.
        "syncFrequency": "2s",
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "nodeStatusUpdateFrequency": "5s",
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "containerLogMaxSize": "50Mi",
        # The default, -999, needs CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        # Other programs use the host's disk and memory too: that must not evict a pod.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "shutdownGracePeriod": "0s",
    }


def kube_proxy(node: Node, plan: Plan) -> dict[str, Any]:
    """Return kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": "/etc/kubernetes/kube-proxy.conf"},
        "clusterCIDR": str(plan.pods),
        "mode": "iptables",
        "hostnameOverride": node.name,
        "oomScoreAdj": 0,
        # A new address must be answered as soon as it is known; by default kube-proxy collects changes for a second.
        "iptables": {"minSyncPeriod": "50ms"},
        # The connection table belongs to the host, and its settings may be read-only here.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
