"""What is judged of CNI's folders, Multus, and our programs in them.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.host.facts import Facts, Program

_INSTALL = "rail-install --host run  # or the DaemonSet of deploy/"
_OF_RAILS = ("rail-sriov", "rail-ipam")
_OF_NETWORKS = ("rail-hostgw",)


def wanted_programs(asked: Collection[str], *, wants_rails: bool) -> list[str]:
    """Return which of our plugins must be there.

    Args:
        asked: the plugins that the runtime's networks ask for.
        wants_rails: whether pods of this node get rails, which NADs ask for.
    """
    ours = (*_OF_RAILS, *_OF_NETWORKS)
    return [name for name in ours if name in asked or (wants_rails and name in _OF_RAILS)]


def folders(facts: Facts) -> Iterator[Finding]:
    """Say which runtime the node has, and where it looks."""
    platform = facts.platform
    if platform is None:
        yield warning(
            "runtime",
            facts.platform_problem or "no container runtime is found",
            "nobody knows where plugins and networks belong",
        )
        return
    yield ok(
        "runtime",
        f"{platform.name}: plugins in {platform.cni_bin}, networks in {platform.cni_conf}",
    )
    if not facts.networks:
        yield error(
            "primary",
            f"there is no network in {platform.cni_conf}",
            "the node is NotReady, and no pod starts",
            "install the primary CNI plugin first; ours are beside it, never instead of it",
        )
    else:
        yield ok("primary", f"the runtime takes {facts.networks[0]}")


def multus(facts: Facts) -> Iterator[Finding]:
    """Say whether Multus is there, and whether the runtime asks it."""
    found, platform = facts.multus, facts.platform
    if platform is None:
        return
    if found is None:
        if facts.wants_rails:
            yield error(
                "multus",
                f"there is no Multus in {platform.cni_bin} and {platform.cni_conf}",
                "the runtime alone gives a pod eth0, and never a rail",
                "install Multus: its documentation has a DaemonSet, whose folders must be these",
            )
    elif found.binary is None:
        yield error(
            "multus",
            f"{found.config} asks for {found.type}, and {platform.cni_bin} has none",
            "no pod of this node starts",
            "kubectl -n kube-system get pods -o wide | grep multus",
        )
    elif found.config is None:
        yield error(
            "multus",
            f"{found.binary} is there, and no network in {platform.cni_conf} asks for it",
            "pods get eth0 and no rail, and nobody says so",
            "kubectl -n kube-system logs daemonset/kube-multus-ds  # it writes its network itself",
        )
    elif not found.comes_first:
        yield error(
            "multus",
            f"the runtime takes {facts.networks[0]}, and not Multus's {found.config.name}",
            "it takes the first by name: pods get eth0 and no rail",
            f"mv {found.config} {found.config.parent}/00-{found.config.name.lstrip('0-')}",
        )
    else:
        yield ok("multus", f"Multus ({found.type}) comes first: {found.config}")


def programs(facts: Facts) -> Iterator[Finding]:
    """Say whether our plugins are where the runtime looks, and of this very build."""
    platform = facts.platform
    if platform is None:
        return
    ill = [finding for one in facts.programs for finding in _program(facts, one)]
    yield from ill
    if facts.programs and not ill:
        names = ", ".join(one.name for one in facts.programs)
        yield ok("programs", f"{names} are in {platform.cni_bin}, of this build ({facts.build})")


def _program(facts: Facts, one: Program) -> Iterator[Finding]:
    folder = facts.platform.cni_bin if facts.platform else ""
    if not one.exists:
        hangs = f" leads to {one.target}, which is not there" if one.target else " is missing"
        yield error(
            "programs",
            f"{folder}/{one.name}{hangs}",
            "pods that ask for a rail do not start",
            _INSTALL,
        )
    elif not one.executable:
        yield error(
            "programs",
            f"{one.target or one.name} is not executable",
            "pods that ask for a rail do not start",
            f"chmod 0755 {one.target or one.name}",
        )
    elif not one.build:
        yield info(
            "programs",
            f"{folder}/{one.name} leads to {one.target}: its path does not tell its build",
            "",
            f"{_INSTALL}: it keeps versions beside each other",
        )
    elif one.build != facts.build:
        yield warning(
            "programs",
            f"{folder}/{one.name} is of build {one.build}, and this railctl of {facts.build}",
            "what is judged here may not be what serves the pods",
            f"{folder}/railctl doctor  # or install this version",
        )
