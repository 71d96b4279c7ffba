"""The files of `/proc/sys/net/ipv{4,6}/{conf,neigh}/IFNAME/`, with Linux 6.18's defaults."""

from __future__ import annotations


def _each(value: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), value)


_NEIGH = (
    _each("0", "app_solicit mcast_resolicit")
    | _each("3", "mcast_solicit ucast_solicit")
    | {
        "anycast_delay": "100",
        "base_reachable_time": "30",
        "base_reachable_time_ms": "30000",
        "delay_first_probe_time": "5",
        "gc_stale_time": "60",
        "interval_probe_time_ms": "5000",
        "locktime": "0",
        "proxy_delay": "80",
        "proxy_qlen": "64",
        "retrans_time_ms": "1000",
        "unres_qlen": "101",
        "unres_qlen_bytes": "212992",
    }
)

_FILES: dict[str, dict[str, str]] = {
    "ipv4/neigh": _NEIGH | {"locktime": "100", "retrans_time": "100"},
    "ipv6/neigh": _NEIGH | {"retrans_time": "250"},
    "ipv4/conf": _each(
        "0",
        """
        accept_local accept_source_route arp_accept arp_announce arp_filter arp_ignore arp_notify
        bc_forwarding bootp_relay disable_policy disable_xfrm drop_gratuitous_arp
        drop_unicast_in_l2_multicast force_igmp_version forwarding ignore_routes_with_linkdown
        log_martians mc_forwarding medium_id promote_secondaries proxy_arp proxy_arp_pvlan
        route_localnet rp_filter src_valid_mark tag
        """,
    )
    | _each(
        "1",
        """
        accept_redirects arp_evict_nocarrier secure_redirects send_redirects shared_media
        """,
    )
    | {
        "igmpv2_unsolicited_report_interval": "10000",
        "igmpv3_unsolicited_report_interval": "1000",
    },
    "ipv6/conf": _each(
        "0",
        """
        accept_ra_from_local accept_ra_min_lft accept_ra_rt_info_max_plen
        accept_ra_rt_info_min_plen accept_source_route accept_untracked_na addr_gen_mode
        disable_ipv6 disable_policy drop_unicast_in_l2_multicast drop_unsolicited_na
        force_forwarding force_mld_version force_tllao forwarding ignore_routes_with_linkdown
        ioam6_enabled keep_addr_on_down mc_forwarding ndisc_notify ndisc_tclass optimistic_dad
        proxy_ndp ra_honor_pio_life ra_honor_pio_pflag rpl_seg_enabled seg6_enabled
        seg6_require_hmac use_oif_addrs_only use_optimistic use_tempaddr
        """,
    )
    | _each(
        "1",
        """
        accept_dad accept_ra accept_ra_defrtr accept_ra_min_hop_limit accept_ra_mtu
        accept_ra_pinfo accept_ra_rtr_pref accept_redirects autoconf dad_transmits enhanced_dad
        ndisc_evict_nocarrier router_solicitation_delay suppress_frag_ndisc
        """,
    )
    | {
        "hop_limit": "64",
        "ioam6_id": "65535",
        "ioam6_id_wide": "4294967295",
        "max_addresses": "16",
        "max_desync_factor": "600",
        "mldv1_unsolicited_report_interval": "10000",
        "mldv2_unsolicited_report_interval": "1000",
        "mtu": "1500",
        "ra_defrtr_metric": "1024",
        "regen_max_retry": "3",
        "regen_min_advance": "2",
        "router_probe_interval": "60",
        "router_solicitation_interval": "4",
        "router_solicitation_max_interval": "3600",
        "router_solicitations": "-1",
        "temp_prefered_lft": "86400",
        "temp_valid_lft": "604800",
    },
}

_OTHERS = {"core/somaxconn": "4096", "ipv4/ip_forward": "0", "ipv4/nexthop_compat_mode": "1"}
"""The few files elsewhere that a test may ask for."""


def fresh(*, ipv6: bool) -> dict[str, str]:
    """Return the settings of a new namespace, by their keys."""
    return _OTHERS | {
        f"{folder}/{group}/{name}": value
        for folder, files in _FILES.items()
        if ipv6 or not folder.startswith("ipv6")
        for group in (("all", "default") if folder.endswith("conf") else ("default",))
        for name, value in files.items()
    }


def inherit(namespace: dict[str, str]) -> dict[str, str]:
    """Return the settings of a link that appears in a namespace, as `ipv4/conf/rp_filter`."""
    return {
        key.replace("/default/", "/"): value
        for key, value in namespace.items()
        if "/default/" in key
    }
