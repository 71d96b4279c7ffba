"""One path: whatever has happened to it, it is direct only while it is proven."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from cni.agent.hostgw import path
from cni.agent.hostgw.path import NEVER, State, Times


@dataclass(frozen=True)
class Happening:
    """What happens to a path after a while."""

    after: float
    what: str
    value: float


_happenings = st.lists(
    st.builds(
        Happening,
        st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.0, 1.0, 2.9, 3.0, 3.1, 4.0, 5.0, 30.0, 700.0]),
        st.sampled_from(
            ["prove", "prove", "prove long", "judge", "forbid", "restart", "hear", "wait"]
        ),
        st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 3.0, 3.9, 4.0, 10.0, 100.0]),
    ),
    max_size=80,
)
_times = st.builds(
    Times,
    st.just(1.0),
    st.sampled_from([0.1, 2.0, 20.0]),
    st.sampled_from([3.0, 4.0, 10.0]),
    st.sampled_from([1.0, 30.0]),
    st.sampled_from([30.0, 600.0]),
)


@given(_happenings, _times)
def test_direct_means_proven_whatever_has_happened(
    all_of_it: list[Happening], times: Times
) -> None:
    now, heard, since = 1000.0, NEVER, 1000.0
    one, proofs = path.judge(path.begin(now), "", now), [NEVER]
    for each in all_of_it:
        now += each.after
        before = one
        if each.what.startswith("prove"):
            one = path.prove(one, now - each.value, is_long=each.what == "prove long")
            proofs += [now - each.value]
        elif each.what == "forbid":
            one = path.judge(one, "for a reason", now)
            assert one.state in {State.OVERLAY, State.HOLDDOWN}
        elif each.what == "restart":
            one, since = path.restart(one, "another way", now), now
            assert one.state is not State.DIRECT
        elif each.what == "judge":
            one = path.judge(one, "", now)
        elif each.what == "hear":
            heard = now - each.value
        ready = one
        one = path.age(ready, now, heard, times)
        assert one.since <= now
        assert one.why
        if one.state is State.DIRECT:
            assert now - one.proof < times.limit
            counted = [sent for sent in proofs if sent >= since]
            assert one.proof in counted
            assert now - max(counted) < times.limit
            assert now - one.long_proof < times.long_limit
        if before.state is not State.DIRECT and one.state is State.DIRECT:
            assert ready.state is State.PROBING
            assert ready.clean is not None
            assert now - ready.clean >= times.up
        if one.state is State.HOLDDOWN:
            assert before.state in {State.DIRECT, State.HOLDDOWN}
            assert now < one.until <= now + times.longest_hold or before is one
        assert one.hold in {0.0, times.hold} or one.hold <= times.longest_hold
