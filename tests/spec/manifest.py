"""From Kubernetes' manifests to what a node is to run.

A key that is not known here fails the test: nothing that is asked for is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.spec.podspec import Container, Mount, Pod, Probe, Resources, Security, Volume

Document = Mapping[str, Any]

_SCHEDULERS = (
    "nodeSelector", "tolerations", "affinity", "priorityClassName", "serviceAccountName",
)  # fmt: skip
"""What is decided before a node hears of a pod."""
_APART = ("restartPolicy", "dnsPolicy", "enableServiceLinks")
"""What changes nothing where there is neither cluster DNS nor a Service, and nothing restarts."""
_PACE = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold",
         "successThreshold")  # fmt: skip
"""When a probe is made: the tests wait for its success instead."""
_MODE = 0o644
"""Of the files of a volume that says nothing else."""
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_MILLI = {"m": 1, "": 1000}
_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "": 1}


class UnknownFieldError(Exception):
    """A manifest says something that the tests' kubelet does not do."""


class Reader:
    """An object of a manifest that is read key by key, until none is left.

    Args:
        content: the object.
        place: where it stands, for the error.
    """

    def __init__(self, content: Document, place: str) -> None:
        self._left = dict(content)
        self._place = place

    def take(self, key: str, default: Any = None) -> Any:
        """Read a value that may be missing."""
        return self._left.pop(key, default)

    def skip(self, *keys: str) -> None:
        """Pass by what a node does not act upon."""
        for key in keys:
            self._left.pop(key, None)

    @contextmanager
    def object(self, key: str) -> Iterator[Reader]:
        """Read an object that may be missing."""
        with whole(self.take(key) or {}, f"{self._place}.{key}") as reader:
            yield reader

    def objects(self, key: str) -> Iterator[Reader]:
        """Read a list of objects."""
        for index, content in enumerate(self.take(key) or []):
            with whole(content, f"{self._place}.{key}[{index}]") as reader:
                yield reader

    def finish(self) -> None:
        """Check that nothing is left."""
        if self._left:
            raise UnknownFieldError(f"{self._place}: {', '.join(self._left)} is not known here")


@contextmanager
def whole(content: Document, place: str) -> Iterator[Reader]:
    """Read all of an object."""
    reader = Reader(content, place)
    yield reader
    reader.finish()


class Manifests:
    """What is in a cluster, as far as one pod is concerned.

    Args:
        documents: the objects of the manifests.
        node: by the field paths of the downward API, what is told of this node and pod.
        more: ConfigMaps and Secrets that an operator makes: content by (kind, name).
    """

    def __init__(
        self, documents: Iterable[Document], node: Mapping[str, str],
        more: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> None:  # fmt: skip
        self._documents = list(documents)
        self._node = node
        self._contents = {
            **{
                (document["kind"], document["metadata"]["name"]): document.get("data") or {}
                for document in self._documents
                if document["kind"] == "ConfigMap"
            },
            **more,
        }

    def pod_of(self, kind: str, name: str) -> Pod:
        """Return a pod, or the one that an object such as a DaemonSet puts on a node."""
        (owner,) = (
            document
            for document in self._documents
            if (document["kind"], document["metadata"]["name"]) == (kind, name)
        )
        described = owner["spec"] if kind == "Pod" else owner["spec"]["template"]["spec"]
        with whole(described, f"{kind}/{name}") as spec:
            spec.skip(*_SCHEDULERS, *_APART)
            if spec.take("automountServiceAccountToken", default=True):
                raise UnknownFieldError(f"{kind}/{name}: no token is given to a pod here")
            with spec.object("securityContext") as security:
                group = security.take("fsGroup")
            return Pod(
                name=name,
                namespace=owner["metadata"]["namespace"],
                host_network=spec.take("hostNetwork", default=False),
                host_pid=spec.take("hostPID", default=False),
                grace=spec.take("terminationGracePeriodSeconds", 30),
                group=group,
                first=tuple(map(self._container, spec.objects("initContainers"))),
                containers=tuple(map(self._container, spec.objects("containers"))),
                volumes={v.take("name"): self._volume(v) for v in spec.objects("volumes")},
            )

    def _container(self, spec: Reader) -> Container:
        policy = spec.take("imagePullPolicy")
        assert policy in {"IfNotPresent", "Never"}, policy  # there is no registry
        ports = {}
        for port in spec.objects("ports"):
            port.skip("hostPort", "protocol")  # it has the node's network
            ports[port.take("name")] = port.take("containerPort")
        return Container(
            name=spec.take("name"),
            image=spec.take("image"),
            command=tuple(spec.take("command", ())),
            args=tuple(spec.take("args", ())),
            env=dict(map(self._variable, spec.objects("env"))),
            mounts=tuple(map(_mount, spec.objects("volumeMounts"))),
            security=_security(spec),
            resources=_resources(spec),
            probes=tuple(_probes(spec, ports)),
        )

    def _variable(self, spec: Reader) -> tuple[str, str]:
        name = spec.take("name")
        with spec.object("valueFrom") as source, source.object("fieldRef") as reference:
            path = reference.take("fieldPath")
        return name, spec.take("value", "") if path is None else self._node[path]

    def _volume(self, spec: Reader) -> Volume:
        is_empty = spec.take("emptyDir") is not None  # its medium is the node's own business
        with spec.object("hostPath") as path:
            on_node = path.take("path", ""), path.take("type", "")
        with spec.object("projected") as projected:
            mode = projected.take("defaultMode", _MODE)
            files = self._files(projected.objects("sources"), "name")
        files |= self._files([spec], "secretName")
        with spec.object("downwardAPI") as told:
            for item in told.objects("items"):
                with item.object("fieldRef") as reference:
                    files[item.take("path")] = self._node[reference.take("fieldPath")]
        return Volume(*on_node, files, mode, is_empty)

    def _files(self, sources: Iterable[Reader], secrets_name: str) -> dict[str, str]:
        """Read the content of ConfigMaps and Secrets."""
        files: dict[str, str] = {}
        for source in sources:
            for key, kind, name_key in (
                ("configMap", "ConfigMap", "name"), ("secret", "Secret", secrets_name),
            ):  # fmt: skip
                with source.object(key) as one:
                    name, optional = one.take(name_key), one.take("optional", default=False)
                found = self._contents.get((kind, name))
                if name and found is None and not optional:
                    raise LookupError(f"there is no {kind} {name}, which a volume needs")
                files |= found or {}
        return files


def _mount(spec: Reader) -> Mount:
    return Mount(
        spec.take("name"), spec.take("mountPath"), spec.take("readOnly", default=False),
        spec.take("mountPropagation", "None"),
    )  # fmt: skip


def _security(container: Reader) -> Security:
    with container.object("securityContext") as spec:
        with spec.object("capabilities") as capabilities:
            add, drop = capabilities.take("add", ()), capabilities.take("drop", ())
        with spec.object("seccompProfile") as seccomp:
            profile = seccomp.take("type", "Unconfined")
        user = spec.take("runAsUser")
        if spec.take("runAsNonRoot", default=False):
            assert user, "a container that must not be root's says whose it is"
        return Security(
            privileged=spec.take("privileged", default=False),
            read_only_root=spec.take("readOnlyRootFilesystem", default=False),
            user=user,
            group=spec.take("runAsGroup"),
            no_new_privileges=not spec.take("allowPrivilegeEscalation", default=True),
            add=tuple(add),
            drop=tuple(drop),
            seccomp=profile,
            selinux=spec.take("seLinuxOptions") or {},
        )


def _resources(container: Reader) -> Resources:
    """As the kubelet turns them into the kernel's figures (pkg/kubelet/cm/helpers_linux.go)."""
    with container.object("resources") as spec:
        with spec.object("requests") as requests:
            share = _amount(requests.take("cpu", "0"), _MILLI)
            requests.skip("memory")  # the scheduler's
        with spec.object("limits") as limits:
            quota = _amount(limits.take("cpu", "0"), _MILLI) * 100
            memory = _amount(limits.take("memory", "0"), _BYTES)
    return Resources(shares=max(2, share * 1024 // 1000), quota=quota, memory=memory)


def _amount(told: str | int, units: Mapping[str, int]) -> int:
    digits = str(told).rstrip("".join(units))
    return int(digits) * units[str(told)[len(digits) :]]


def _probes(container: Reader, ports: Mapping[str, int]) -> Iterator[Probe]:
    for kind in _PROBES:
        with container.object(kind) as spec:
            spec.skip(*_PACE)
            with spec.object("httpGet") as http:
                host, path = http.take("host", ""), http.take("path", "/")
                port = http.take("port")
            with spec.object("exec") as execution:
                command = tuple(execution.take("command", ()))
        if port is not None:
            assert host, f"{kind}: the kubelet would ask at the pod's address"
            yield Probe(kind, host, ports[port] if isinstance(port, str) else port, path)
        elif command:
            yield Probe(kind, command=command)
