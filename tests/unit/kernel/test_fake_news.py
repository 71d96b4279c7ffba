"""What the fake tells of changes that no test can make the running kernel make."""

from __future__ import annotations

import pytest

from cni.kernel.fake import FakeKernel
from cni.kernel.watching import News

HOST, POD = "/proc/self/ns/net", "/run/netns/pod"


@pytest.fixture
def kernel() -> FakeKernel:
    fake = FakeKernel()
    fake.add_namespace(POD)
    return fake


def test_news_comes_when_its_time_has(kernel: FakeKernel) -> None:
    index = kernel.add_physical("ens1v0").index
    kernel.host.set_up(index)
    kernel.host.links()
    with kernel.host.watch() as watch:
        kernel.set_carrier("ens1v0", connected=True, after=5)
        assert watch.read() == {News.LINK}
        kernel.advance(4)
        assert watch.read() == frozenset()
        kernel.advance(1)
        assert News.LINK in watch.read()
        kernel.set_carrier("ens1v0", connected=False)
        assert watch.read() == {News.LINK}


def test_when_news_is_lost_all_is_news(kernel: FakeKernel) -> None:
    with kernel.host.watch() as watch:
        kernel.lose_news()
        assert watch.read() == set(News)
        assert watch.read() == frozenset()


def test_a_router_and_an_adapters_return_are_news(kernel: FakeKernel) -> None:
    index = kernel.add_physical("ens1v0").index
    kernel.host.set_up(index)
    with kernel.host.watch() as watch:
        kernel.advertise_router(HOST)
        assert watch.read() == {News.ROUTE}
        with kernel.open(POD) as pod:
            kernel.host.move(index, pod, "net1")
        assert News.LINK in watch.read()
        kernel.delete_namespace(POD)
        assert watch.read() == {News.LINK}
