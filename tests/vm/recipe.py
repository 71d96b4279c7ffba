"""What the laboratory is made of."""

from __future__ import annotations

import hashlib
from pathlib import Path

SUITE = "bookworm"
BACKPORTS = "bookworm-backports"
"""Its QEMU emulates igb with SR-IOV, which Debian 12's own does not; its kernel is newer too."""
KERNEL = "linux-image-amd64"
"""The package that depends on the newest kernel.  Its `cloud` sibling lacks the drivers."""
PYTHON = "python3.11"
"""The suite's own."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TOOLS = _words("kmod qemu-system-x86 squashfs-tools zstd")
"""Run on the machine, unpacked and not installed."""

GUEST = _words("""
    base-passwd bash busybox-static coreutils dash findutils grep gzip hostname libc-bin mount
    procps sed tar util-linux
    ethtool iproute2 iputils-ping kmod pciutils python3 strace
    ibverbs-providers ibverbs-utils
    containernetworking-plugins crun iptables podman
    hostapd iw wpasupplicant
""")

BOOT_MODULES = _words("9p 9pnet_virtio overlay squashfs virtio_blk virtio_rng")
"""Those that the initramfs needs before it has a root; it loads them."""

MODULES = _words("""
    igb igbvf vfio_pci
    8021q bonding bridge dummy ifb macvlan nlmon sch_netem tun veth vxlan
    crc32_generic crc32c_generic ib_uverbs rdma_rxe rdma_ucm
    br_netfilter ip6table_filter ip6table_nat iptable_filter iptable_nat
    nf_tables nft_chain_nat nft_compat nft_ct nft_masq nft_reject_inet
    xt_MASQUERADE xt_addrtype xt_comment xt_conntrack xt_mark xt_multiport
    ccm cmac gcm mac80211_hwsim
""")

ALTERNATIVES = {
    "bin/awk": "mawk",
    **{
        f"sbin/{family}tables{verb}": "xtables-nft-multi"
        for family in ("ip", "ip6")
        for verb in ("", "-save", "-restore")
    },
}
"""Links that maintainer scripts would make: below /usr, what they are called and lead to."""

_FOLDER = Path(__file__).parent
INIT = _FOLDER / "guest/init"
_MAKERS = ("apt.py", "build.py", "kernel.py", "recipe.py", "unpacked.py", "guest/init")


def key() -> str:
    """Return what is different as soon as anything is that decides what is built."""
    digest = hashlib.sha256()
    for name in _MAKERS:
        digest.update(hashlib.sha256(_FOLDER.joinpath(name).read_bytes()).digest())
    return digest.hexdigest()[:16]
