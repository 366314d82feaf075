"""What the restricted profile of Kubernetes wants of a pod, and a little more: limits, probes, a
root that nobody writes to, no token."""

from manifests.world import NAMESPACE

PROFILES = {"enforce", "audit", "warn"}
# What the restricted profile lets a volume be made of.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
           "projected", "secret", "claim"}


def complaints(world):
    yield from _namespace(world)
    yield from _rights(world)
    for pod in world.pods():
        yield from (f"{pod}: {what}" for what in _pod(pod))
        for container in pod.containers():
            yield from (f"{pod}: {container['name']}: {what}" for what in _container(pod, container))


def _namespace(world):
    namespace = world.get("Namespace", NAMESPACE)
    labels = namespace["metadata"].get("labels", {}) if namespace else {}
    for profile in sorted(PROFILES):
        if labels.get(f"pod-security.kubernetes.io/{profile}") != "restricted":
            yield f"the namespace does not {profile} the restricted profile"


def _rights(world):
    """Nobody here asks the API of Kubernetes."""
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
        yield from (f"{kind} {one['metadata']['name']} gives rights" for one in world.of_kind(kind))
    for account in world.of_kind("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"the account {account['metadata']['name']} gives tokens to pods"


def _pod(pod):
    spec = pod.spec
    if spec.get("automountServiceAccountToken") is not False:
        yield "gets a token"
    # Kong and quotad read variables by prefix, and Kubernetes would invent some.
    if spec.get("enableServiceLinks") is not False:
        yield "gets variables for Services"
    for field in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(field):
            yield f"shares {field}"
    security = spec.get("securityContext", {})
    if not security.get("runAsNonRoot"):
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    for volume in pod.volumes().values():
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']}: {kinds} are not permitted"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"volume {volume['name']}: it may fill the node's disk"
        # Readable for the owner and the group, whose number fsGroup is.
        if "secret" in volume and volume["secret"].get("defaultMode", 0o644) & 0o037:
            yield f"volume {volume['name']}: everybody in the pod may read the secret"
        if "secret" in volume and "fsGroup" not in security:
            yield f"volume {volume['name']}: nobody but root may read the secret"


def _container(pod, container):
    security = dict(pod.spec.get("securityContext", {}), **container.get("securityContext", {}))
    if not security.get("runAsUser"):
        yield "runs as the image's user, which may be root"
    for field, wanted in (("runAsNonRoot", True), ("readOnlyRootFilesystem", True),
                          ("allowPrivilegeEscalation", False)):
        if security.get(field) is not wanted:
            yield f"{field} is not {wanted}"
    capabilities = security.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "keeps capabilities"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if security.get("privileged"):
        yield "is privileged"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        for what in ("cpu", "memory", "ephemeral-storage"):
            if what not in resources.get(kind, {}):
                yield f"has no {kind} of {what}"
    for port in container.get("ports", []):
        if "hostPort" in port:
            yield "takes a port of the node"
    image = container["image"]
    if ":" not in image or image.rsplit(":", 1)[1] in ("latest", "stable"):
        yield f"image {image} is no exact version"
    for mount in container.get("volumeMounts", []):
        if mount.get("subPath"):
            yield f"mounts {mount['name']} by subPath, which never changes"
        volume = pod.volumes().get(mount["name"], {})
        if {"configMap", "secret"} & set(volume) and not mount.get("readOnly"):
            yield f"mounts {mount['name']} to write"
    yield from _probes(pod, container)


def _probes(pod, container):
    if pod.kind == "Job" or container not in pod.long_running():
        return
    for kind in ("startupProbe", "livenessProbe"):
        if kind not in container:
            yield f"has no {kind}"
    # A sidecar does not make a gateway unready: it answers without it.
    if container not in pod.sidecars() and "readinessProbe" not in container:
        yield "has no readinessProbe"
