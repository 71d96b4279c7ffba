"""What is known of plugins: which keys each reads, and how far its addresses reach.

Sources: the pages of containernetworking/plugins, k8snetworkplumbingwg/sriov-cni, ib-sriov-cni,
route-override-cni and whereabouts, and the types that they decode.  A plugin that is not here is
not judged by its keys.
"""

from __future__ import annotations

from difflib import get_close_matches

from cni.protocol.config import PROTOCOL_KEYS
from cni.rail.config import RailConfig
from ipam.config import IpamConfig

OURS, OUR_IPAM = "rail-sriov", "rail-ipam"

VF_KEYS = frozenset({
    "deviceID", "mac", "vlan", "vlanQoS", "vlanProto", "spoofchk", "trust", "link_state",
    "min_tx_rate", "max_tx_rate",
})  # fmt: skip
"""What sriov-cni and rail-sriov mean the same by."""

CHAINED = frozenset({
    "bandwidth", "firewall", "portmap", "rdma", "route-override", "sbr", "tuning", "vrf",
})  # fmt: skip
"""Plugins that change an interface which another one has made."""
WITH_A_DEVICE = frozenset({OURS, "sriov", "ib-sriov", "host-device"})
"""Plugins that get their device from a device plugin, unless they name one."""
OWN_DEVICE = frozenset({"device", "deviceID", "hwaddr", "kernelpath", "pciBusID"})
"""Keys that name one."""
ON_THIS_NODE = frozenset({"dummy", "loopback", "ptp"})
"""Plugins whose networks end at the node: there, two nodes may use the same addresses."""

LIST_KEYS = frozenset({
    "cniVersion", "cniVersions", "name", "plugins", "disableCheck", "disableGC",
    "loadOnlyInlinedPlugins",
})  # fmt: skip
"""Keys of a list of plugins, beside the plugins'."""


def _keys_of(model: type[RailConfig | IpamConfig]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


_PLUGINS: dict[str, frozenset[str]] = {
    OURS: _keys_of(RailConfig),
    "sriov": VF_KEYS | {"logLevel", "logFile", "master", "mtu"},
    "ib-sriov": frozenset({
        "deviceID", "pkey", "link_state", "rdmaIsolation", "ibKubernetesEnabled", "vfioPciMode",
    }),
    "host-device": frozenset({"device", "deviceID", "hwaddr", "kernelpath", "pciBusID"}),
    "macvlan": frozenset({"master", "mode", "mtu", "linkInContainer", "mac", "bcqueuelen"}),
    "ipvlan": frozenset({"master", "mode", "mtu", "linkInContainer"}),
    "ipoib": frozenset({"master"}),
    "vlan": frozenset({"master", "vlanId", "mtu", "linkInContainer"}),
    "bridge": frozenset({
        "bridge", "isGateway", "isDefaultGateway", "forceAddress", "ipMasq", "ipMasqBackend", "mtu",
        "hairpinMode", "promiscMode", "vlan", "vlanTrunk", "preserveDefaultVlan", "macspoofchk",
        "disableContainerInterface", "portIsolation", "uplinkInterface", "enabledad",
    }),
    "tuning": frozenset({
        "dataDir", "sysctl", "mac", "promisc", "mtu", "allmulti", "txQLen",
    }),
    "sbr": frozenset({"table", "addSourceHints"}),
    "rdma": frozenset(),
    "route-override": frozenset({
        "flushroutes", "flushgateway", "delroutes", "addroutes", "skipcheck", "logFile", "logLevel",
    }),
}  # fmt: skip

_IPAMS: dict[str, frozenset[str]] = {
    OUR_IPAM: _keys_of(IpamConfig) - {"declared"},
    "host-local": frozenset({
        "type", "name", "ranges", "subnet", "rangeStart", "rangeEnd", "gateway", "routes",
        "dataDir", "resolvConf",
    }),
    "static": frozenset({"type", "addresses", "routes", "dns"}),
    "dhcp": frozenset({
        "type", "daemonSocketPath", "request", "provide", "priority",
    }),
    "whereabouts": frozenset({
        "type", "name", "range", "range_start", "range_end", "ipRanges", "exclude", "gateway",
        "routes", "addresses", "dns", "datastore", "kubernetes", "configuration_path", "log_file",
        "log_level", "enable_overlapping_ranges", "network_name", "node_slice_size",
        "leader_lease_duration", "leader_renew_deadline", "leader_retry_period", "sleep_for_race",
        "etcd_host", "etcd_username", "etcd_password", "etcd_key_file", "etcd_cert_file",
        "etcd_ca_cert_file", "single_subnet",
    }),
}  # fmt: skip
RANGE_KEYS = frozenset({"subnet", "rangeStart", "rangeEnd", "gateway"})
"""Keys of one of host-local's ranges."""


def plugin_keys(kind: str) -> frozenset[str] | None:
    """Return the keys that a plugin reads, None where that is not known."""
    known = _PLUGINS.get(kind)
    return None if known is None else known | PROTOCOL_KEYS


def ipam_keys(kind: str) -> frozenset[str] | None:
    """Return the keys that an IPAM plugin reads, None where that is not known."""
    return _IPAMS.get(kind)


def is_read(key: str, known: frozenset[str], kind: str) -> bool:
    """Tell whether a plugin reads a key: those in Go take any case, ours does not."""
    if key.startswith("cni.dev/") or key in known:
        return True
    ours = kind in {OURS, OUR_IPAM}
    return not ours and key.casefold() in {name.casefold() for name in known}


def nearest(key: str, known: frozenset[str]) -> str:
    """Return the key that was meant, empty where none is like it."""
    lowered = {name.casefold(): name for name in sorted(known)}
    found = get_close_matches(key.casefold(), lowered, n=1, cutoff=0.75)
    return lowered[found[0]] if found else ""
