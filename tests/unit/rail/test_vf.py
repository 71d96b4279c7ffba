"""What a PF is asked to impose, what is put back, and what the person reads whom it refuses."""

from __future__ import annotations

import errno
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.kernel.functions import NO_MAC, VfRate, VfSettings, VfVlan, VirtualFunction
from cni.kernel.types import KernelError
from cni.protocol.errors import CniError, Code
from cni.rail import vf
from cni.rail.config import RailConfig

NOW = VfSettings(
    mac="02:00:00:00:00:05",
    vlan=VfVlan(0),
    spoofchk=True,
    trust=False,
    link_state="auto",
    rate=VfRate(min=10, max=100),
)
FUNCTION = VirtualFunction(
    address="0000:3b:02.3", index=3, pf_address="0000:3b:00.0", pf_netdev="ens1f0",
    netdev="ens1f0v3", driver="igbvf", numa_node=0, rdma_device="",
)  # fmt: skip

SETTINGS = st.builds(
    VfSettings,
    mac=st.none() | st.sampled_from(["02:00:00:00:00:05", "02:00:00:00:00:06"]),
    vlan=st.none() | st.builds(VfVlan, st.integers(0, 2), st.integers(0, 1)),
    spoofchk=st.none() | st.booleans(),
    trust=st.none() | st.booleans(),
    link_state=st.none() | st.sampled_from(["auto", "enable"]),
    rate=st.none() | st.builds(VfRate, st.integers(0, 1), st.integers(0, 1)),
)


def config(**given: Any) -> RailConfig:
    return RailConfig.model_validate({"deviceID": FUNCTION.address, **given})


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, VfSettings()),
        ({"mtu": 9000, "mac": "02:00:00:00:00:06"}, VfSettings(mac="02:00:00:00:00:06")),
        ({"vlan": 0}, VfSettings(vlan=VfVlan(0))),
        ({"vlan": 7, "vlanQoS": 3}, VfSettings(vlan=VfVlan(7, 3))),
        ({"vlan": 7, "vlanProto": "802.1ad"}, VfSettings(vlan=VfVlan(7, 0, "802.1ad"))),
        ({"spoofchk": "off", "trust": "on"}, VfSettings(spoofchk=False, trust=True)),
        ({"link_state": "enable"}, VfSettings(link_state="enable")),
        ({"max_tx_rate": 0}, VfSettings(rate=VfRate(10, 0))),  # the other half stays
        ({"min_tx_rate": 20}, VfSettings(rate=VfRate(20, 100))),
        ({"min_tx_rate": 1, "max_tx_rate": 2}, VfSettings(rate=VfRate(1, 2))),
    ],
)
def test_only_what_is_stated_is_asked_for(given: dict[str, Any], asked: VfSettings) -> None:
    assert vf.wanted(config(**given), NOW) == asked


@given(SETTINGS, SETTINGS)
def test_what_differs_is_what_is_missing(asked: VfSettings, now: VfSettings) -> None:
    missing = vf.differing(asked, now)
    for one in asked.each():
        assert (one in set(missing.each())) == (one not in set(now.each()))
    assert set(missing.each()) <= set(asked.each())


@given(SETTINGS)
def test_the_baseline_is_of_what_is_asked_for(asked: VfSettings) -> None:
    before = vf.baseline(asked, NOW)
    assert set(before.each()) <= set(NOW.each())
    assert len(list(before.each())) == len(list(asked.each()))


@given(SETTINGS, SETTINGS, SETTINGS)
def test_what_another_has_set_meanwhile_stays(
    before: VfSettings, imposed: VfSettings, now: VfSettings
) -> None:
    back, foreign = vf.to_take_back(before, imposed, now)
    assert set(back.each()) <= set(before.each())
    assert set(foreign.each()) <= set(now.each())
    for one in before.each():
        (name,) = (f.name for f in fields(one) if getattr(one, f.name) is not None)
        present = getattr(now, name)
        ours = present == getattr(imposed, name) and present != getattr(before, name)
        assert (one in set(back.each())) == ours
        assert getattr(foreign, name) in {None, present}


def test_an_address_that_was_lifted_is_ours() -> None:
    before, lifted = VfSettings(mac="02:00:00:00:00:05"), VfSettings(mac=NO_MAC)
    back, foreign = vf.to_take_back(before, VfSettings(mac="02:00:00:00:00:06"), lifted)
    assert (back, foreign) == (before, VfSettings())


def test_what_the_driver_does_not_tell_is_not_touched() -> None:
    with pytest.raises(CniError, match="trust is set, but the driver does not tell") as caught:
        vf.baseline(VfSettings(trust=True, vlan=VfVlan(7)), VfSettings(vlan=VfVlan(0)))
    assert caught.value.code == Code.INVALID_CONFIG


@pytest.mark.parametrize(
    ("given", "one", "number", "words", "advice"),
    [
        (
            {"link_state": "enable"}, VfSettings(link_state="enable"), errno.EOPNOTSUPP,
            "link_state is 'enable': the PF's driver refuses that for VF 3 of ens1f0 (0000:3b",
            "cannot set it",
        ),
        (
            {"vlan": 7, "vlanProto": "802.1ad"}, VfSettings(vlan=VfVlan(7, 0, "802.1ad")),
            errno.EPROTONOSUPPORT, "vlanProto is '802.1ad':", "802.1q only",
        ),
        (
            {"vlan": 7, "vlanQoS": 1}, VfSettings(vlan=VfVlan(7, 1)), errno.EINVAL,
            "vlan is 7, vlanQoS is 1:", "dmesg",
        ),
        (
            {"max_tx_rate": 2000}, VfSettings(rate=VfRate(0, 2000)), errno.EINVAL,
            "max_tx_rate is 2000:", "at most 1000 Mbit/s, its link's speed",
        ),
        (
            {"min_tx_rate": 50}, VfSettings(rate=VfRate(50, 0)), errno.EINVAL,
            "min_tx_rate is 50:", "expected a min_tx_rate of 0",
        ),
        (
            {"mac": "02:00:00:00:00:06"}, VfSettings(mac="02:00:00:00:00:06"), errno.EINVAL,
            "mac is '02:00:00:00:00:06':", "dmesg",
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_the_value_the_vf_and_the_limit(
    given: dict[str, Any], one: VfSettings, number: int, words: str, advice: str
) -> None:
    error = vf.refusal(config(**given), FUNCTION, one, KernelError("ip", number, "no"), 1000)
    assert error.msg.startswith(words)
    assert advice in error.details
    assert error.code == Code.INVALID_CONFIG


def test_a_failure_is_no_refusal() -> None:
    one = VfSettings(trust=True)
    error = vf.refusal(config(trust="on"), FUNCTION, one, KernelError("ip", errno.EIO, "no"), None)
    assert error.code == Code.IO_FAILURE
    assert error.msg.startswith("trust is 'on': that failed for VF 3 of ens1f0")


def test_the_keys_that_need_a_pf() -> None:
    assert vf.stated_keys(config(mtu=1500, mac="02:00:00:00:00:06")) == []
    assert vf.stated_keys(config(vlan=0, trust="off")) == ["vlan", "trust"]
