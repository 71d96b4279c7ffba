"""Making what the guest boots from: a kernel, an initramfs and an image of its root."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.vm import recipe, sources
from tests.vm.apt import PrivateApt, UnavailableError
from tests.vm.kernel import Modules, decompress
from tests.vm.unpacked import Root

_UNUSED = ("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man")
_EMPTY = ("proc", "sys", "dev", "lower", "upper", "new")


def build(folder: Path) -> None:
    """Get the packages and make everything; raises `UnavailableError` where they cannot be had."""
    work = folder / "work"
    work.mkdir()
    apt = _updated_apt(work)
    tools = Root(folder / "tools")
    tools.unpack(apt.download(recipe.TOOLS, "tools", recipe.BACKPORTS))
    guest = Root(work / "guest")
    guest.unpack(apt.download(recipe.GUEST, "guest", recipe.SUITE))
    kernel = Root(work / "kernel")
    kernel.unpack([apt.download_kernel()])

    (packed,) = (kernel.folder / "boot").glob("vmlinuz-*")
    decompress(packed, folder / "kernel", tools)
    modules = Modules(kernel.folder, tools)
    modules.install((*recipe.BOOT_MODULES, *recipe.MODULES), guest.folder)
    _make_initramfs(folder / "initramfs", guest, modules)
    _set_up(guest)
    tools.squash(guest.folder, folder / "root", *_UNUSED)
    shutil.rmtree(work)


def _updated_apt(work: Path) -> PrivateApt:
    """Return an apt with the lists of the first mirror that has them."""
    reasons = []
    for number, source in enumerate(sources.find()):
        apt = PrivateApt(work / f"apt{number}", source)
        try:
            apt.update()
        except UnavailableError as error:
            reasons.append(str(error))
        else:
            return apt
    raise UnavailableError("\n".join(reasons) or "/etc/apt names no mirror of Debian")


def _make_initramfs(image: Path, guest: Root, modules: Modules) -> None:
    tree = image.with_name("work") / "initramfs"
    for name in ("bin", *_EMPTY):
        (tree / name).mkdir(parents=True)
    busybox = guest.folder / "bin/busybox"
    shutil.copy(busybox, tree / "bin")
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if name != "busybox":
            (tree / "bin" / name).symlink_to("busybox")
    modules.put_in_order(recipe.BOOT_MODULES, tree / "modules")
    shutil.copy(recipe.INIT, tree / "init")
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with image.open("wb") as archive:
        subprocess.run(
            [busybox, "cpio", "-o", "-H", "newc", "-R", "0:0"],
            cwd=tree, input=names.encode(), stdout=archive, stderr=subprocess.PIPE, check=True,
        )  # fmt: skip


def _set_up(guest: Root) -> None:
    """Do what the packages' scripts would, as far as anything here needs it."""
    etc = guest.folder / "etc"
    for name in ("passwd", "group"):
        shutil.copy(guest.folder / f"usr/share/base-passwd/{name}.master", etc / name)
    (etc / "hosts").write_text("127.0.0.1 localhost lab\n", encoding="utf-8")
    for name, target in recipe.ALTERNATIVES.items():
        link = guest.folder / "usr" / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    guest.run(
        f"bin/{recipe.PYTHON}", "-I", "-m", "compileall", "-q", "-s", guest.folder, "-p", "/",
        guest.folder / f"usr/lib/{recipe.PYTHON}",
    )  # fmt: skip
