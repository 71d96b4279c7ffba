"""A kernel in memory, for tests: what the contract promises, as Linux 6.18 answers it.

Time stands still but for `advance` and for waits, which cost nothing.  It models one thread's
view: no test should share it between threads without a lock of its own.
"""

from cni.kernel.fake.kernel import FakeKernel
from cni.kernel.fake.model import Announcement, Departed
from cni.kernel.fake.namespace import FakeNamespace
from cni.kernel.fake.sysfs import FakeSysfs

__all__ = ["Announcement", "Departed", "FakeKernel", "FakeNamespace", "FakeSysfs"]
