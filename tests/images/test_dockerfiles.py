"""The Dockerfiles keep the rules of this repository: thin, pinned, without root.

Each rule is a function that returns what breaks it, so that the second half of this file can show
that it notices.
"""

import pathlib
import re

import dockerfile
import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((REPO / "docker").glob("*.Dockerfile"))
STEP = re.compile(r"^(?:/mnt/)?scripts/image/([a-z-]+\.sh)( [A-Za-z0-9/${}_ .-]*)?$")
LABELS = {f"org.opencontainers.image.{name}" for name in (
    "title", "description", "licenses", "version", "revision", "created", "base.name",
    "base.digest")}


def arguments(file, stage=None):
    """What build arguments are when nobody gives any."""
    before = dockerfile.defaults(file.arguments, {})
    if stage is None:
        return before
    return dockerfile.defaults(stage.instructions, {}, before)


def of(stage, name):
    return [i for i in stage.instructions if i.name == name]


def where(file, instruction):
    return f"{file.path.name}:{instruction.line}"


# -- the rules


def bases_are_pinned(file):
    wrong = []
    names = {stage.name for stage in file.stages}
    for stage in file.stages:
        base = dockerfile.expand(stage.base, arguments(file))
        if base == "scratch" or base in names:
            continue
        # A whole date or a whole version, and a build argument that takes a digest.
        if not re.search(r":[a-z-]*(\d{8}|\d+\.\d+\.\d+)[a-z-]*(@|$)", base):
            wrong.append(f"{file.path.name}:{stage.line}: {base} names no exact version")
        if not re.search(r"\$\{\w+_DIGEST:\+@\$\{\w+_DIGEST\}\}$", stage.base):
            wrong.append(f"{file.path.name}:{stage.line}: {stage.base} takes no digest")
        if "debian" not in base:
            wrong.append(f"{file.path.name}:{stage.line}: {base} is not on Debian")
    return wrong


def steps_are_scripts(file):
    wrong = []
    for stage in file.stages:
        for run in of(stage, "RUN"):
            step = STEP.match(run.text)
            if not step:
                wrong.append(f"{where(file, run)}: RUN does more than call a step: {run.text}")
            elif not (path := REPO / "scripts/image" / step[1]).exists():
                wrong.append(f"{where(file, run)}: there is no {path.name}")
            elif not path.stat().st_mode & 0o100:
                wrong.append(f"{where(file, run)}: {path.name} is not executable")
    return wrong


def nothing_is_fetched(file):
    wrong = []
    for stage in file.stages:
        for instruction in stage.instructions:
            if instruction.name in ("ADD", "ONBUILD", "SHELL", "MAINTAINER"):
                wrong.append(f"{where(file, instruction)}: {instruction.name} is not used here")
            if "://" in instruction.text:
                wrong.append(f"{where(file, instruction)}: an address: {instruction.text}")
    return wrong


def sources_exist(file, ignore=None):
    """What is copied or mounted from the context is there, and not kept out of it."""
    ignore = ignore or dockerfile.Ignore(REPO / ".dockerignore")
    stages, wrong = set(), []
    for stage in file.stages:
        for instruction in stage.instructions:
            taken = []
            if instruction.name == "COPY":
                taken = [(instruction.flag("from"), path) for path in instruction.words()[:-1]]
            elif instruction.name == "RUN":
                taken = [(mount.get("from"), mount["source"]) for mount in instruction.mounts()]
            for origin, path in taken:
                if origin and origin not in stages:
                    wrong.append(f"{where(file, instruction)}: there is no stage {origin} before")
                elif not origin and not (REPO / path).exists():
                    wrong.append(f"{where(file, instruction)}: there is no {path}")
                elif not origin and ignore.leaves_out(path):
                    wrong.append(f"{where(file, instruction)}: .dockerignore leaves out {path}")
        stages.add(stage.name)
    return wrong


def the_user_is_a_number(file):
    last = file.stages[-1]
    users = of(last, "USER")
    if not users:
        return [f"{file.path.name}: nobody but root"]
    user = dockerfile.expand(users[-1].text, arguments(file, last))
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        return [f"{where(file, users[-1])}: USER {user} is root, or no number"]
    return [f"{where(file, later)}: {later.name} after the last USER"
            for later in last.instructions[last.instructions.index(users[-1]):]
            if later.name in ("RUN", "COPY")]


def it_says_how_it_is(file):
    checks = of(file.stages[-1], "HEALTHCHECK")
    if len(checks) != 1 or not checks[0].text.startswith("CMD ["):
        return [f"{file.path.name}: no HEALTHCHECK CMD [\"…\"]"]
    return []


def labels_are_complete(file):
    last = file.stages[-1]
    values = arguments(file, last)
    found = {name: dockerfile.expand(value, values)
             for label in of(last, "LABEL") for name, value in label.pairs()}
    missing = LABELS - set(found)
    wrong = [f"{file.path.name}: no label {name}" for name in sorted(missing)]
    version = re.search(r"project\(quotagate VERSION ([\d.]+)",
                        (REPO / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
    if not found.get("org.opencontainers.image.version", "").endswith(version):
        wrong.append(f"{file.path.name}: the label version is not {version}")
    return wrong


def commands_are_lists(file):
    return [f"{where(file, i)}: {i.name} starts a shell" for stage in file.stages
            for i in stage.instructions
            if i.name in ("CMD", "ENTRYPOINT") and not i.text.startswith("[")]


def arguments_are_known(file):
    """A variable that no ARG or ENV of its stage declares would be empty."""
    wrong = []
    for stage in file.stages:
        declared = set()
        for instruction in stage.instructions:
            if instruction.name in ("ARG", "ENV"):
                declared |= {name for name, _ in instruction.pairs()}
            for name in re.findall(r"\$\{?(\w+)", instruction.text):
                if name not in declared:
                    wrong.append(f"{where(file, instruction)}: nothing declares {name}")
    return wrong


RULES = [bases_are_pinned, steps_are_scripts, nothing_is_fetched, sources_exist,
         the_user_is_a_number, it_says_how_it_is, labels_are_complete, commands_are_lists,
         arguments_are_known]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(path, rule):
    assert not rule(dockerfile.read(path))


def test_there_is_an_image_of_each_part():
    assert [path.stem for path in DOCKERFILES] == ["kong", "nginx", "quotad"]


def test_every_step_is_used_by_an_image():
    used = {STEP.match(run.text)[1] for path in DOCKERFILES
            for stage in dockerfile.read(path).stages for run in of(stage, "RUN")}
    steps = {path.name for path in (REPO / "scripts/image").glob("*.sh")
             if path.stat().st_mode & 0o100}
    called = {name for path in (REPO / "scripts/image").glob("*.sh")
              for name in re.findall(r"\$steps/([a-z-]+\.sh)", path.read_text(encoding="utf-8"))}
    assert steps == (used | called) & steps


def test_one_digest_pins_debian_in_all_images():
    pins = {(arguments(file)["DEBIAN_IMAGE"], arguments(file)["DEBIAN_DIGEST"])
            for file in map(dockerfile.read, DOCKERFILES) if "DEBIAN_IMAGE" in arguments(file)}
    assert len(pins) == 1 and re.fullmatch(r"sha256:[0-9a-f]{64}", pins.pop()[1])


def test_tests_and_secrets_are_no_part_of_the_context():
    ignore = dockerfile.Ignore(REPO / ".dockerignore")
    assert ignore.leaves_out("tests/e2e/conftest.py")
    assert ignore.leaves_out(".git/config")
    assert ignore.leaves_out("build/release/quotad")
    assert ignore.leaves_out("scripts/demo/__pycache__/api.pyc")
    assert not ignore.leaves_out("scripts/image/finish.sh")


def test_manifests_and_documents_name_the_release_of_kong_that_is_built():
    version = arguments(dockerfile.read(REPO / "docker/kong.Dockerfile"))["KONG_VERSION"]
    named = {}
    for folder in ("k8s", "docs", "docker"):
        for path in (REPO / folder).rglob("*"):
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                for found in re.findall(r"(?:quotagate/)kong:([\w.-]+)", text):
                    named[f"{path.relative_to(REPO)}: {found}"] = found
    assert named
    assert [place for place, tag in named.items() if not tag.startswith(f"{version}-quota")] == []


# -- and each rule notices


BREAKS = [
    (bases_are_pinned, "quotad", "bookworm-20260824-slim", "bookworm-slim"),
    (bases_are_pinned, "kong", "KONG_VERSION=3.9.3", "KONG_VERSION=3.9"),
    (bases_are_pinned, "nginx", "${DEBIAN_DIGEST:+@${DEBIAN_DIGEST}}", ""),
    (steps_are_scripts, "quotad", "install-packages.sh build-quotad",
     "install-packages.sh build-quotad && apt-get install -y curl"),
    (steps_are_scripts, "nginx", "scripts/image/build-module.sh", "scripts/image/build-modul.sh"),
    (steps_are_scripts, "nginx", "scripts/image/build-module.sh /out", "make"),
    (nothing_is_fetched, "kong", "COPY nginx-module nginx-module",
     "ADD https://example.com/kong.tar.gz /kong"),
    (sources_exist, "quotad", "COPY proto proto", "COPY protos proto"),
    (sources_exist, "quotad", "COPY proto proto", "COPY tests tests"),
    (sources_exist, "quotad", "COPY --from=build", "COPY --from=builder"),
    (sources_exist, "nginx", "from=build,source=/out", "from=other,source=/out"),
    (the_user_is_a_number, "quotad", "USER ${QUOTA_UID}:${QUOTA_UID}", "USER quotad"),
    (the_user_is_a_number, "quotad", "QUOTA_UID=10001", "QUOTA_UID=0"),
    (the_user_is_a_number, "nginx", "USER ${QUOTA_UID}:${QUOTA_UID}\n", ""),
    (the_user_is_a_number, "nginx", "STOPSIGNAL SIGQUIT", "COPY docker /docker"),
    (it_says_how_it_is, "kong", "HEALTHCHECK", "# HEALTHCHECK"),
    (labels_are_complete, "quotad", "org.opencontainers.image.licenses", "licenses"),
    (labels_are_complete, "kong", "VERSION=0.1.0", "VERSION=0.2.0"),
    (commands_are_lists, "nginx", 'ENTRYPOINT ["nginx"]', "ENTRYPOINT nginx"),
    (arguments_are_known, "quotad", "ARG QUOTA_UID=10001\n", ""),
    (arguments_are_known, "kong", "ARG KONG_VERSION\n", ""),
]


@pytest.mark.parametrize(("rule", "name", "old", "new"), BREAKS)
def test_rule_notices(tmp_path, rule, name, old, new):
    text = (REPO / f"docker/{name}.Dockerfile").read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / f"{name}.Dockerfile"
    broken.write_text(text.replace(old, new), encoding="utf-8")
    assert rule(dockerfile.read(broken))


def test_what_is_not_understood_is_refused(tmp_path):
    for text in ("RUN true\n", "FROM debian\nRUN <<END\n", "FROM debian\nINSTALL x\n",
                 "FROM debian\nRUN true \\\n"):
        path = tmp_path / "Dockerfile"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(dockerfile.DockerfileError):
            dockerfile.read(path)


@pytest.mark.parametrize(("text", "expected"), [
    ("$A", "a"), ("${A}b", "ab"), ("${B:-c}", "c"), ("${A:-c}", "a"), ("${A:+@${A}}", "@a"),
    ("x${B:+@${B}}y", "xy"), ("${A}${A}", "aa"), ("$A/$B/", "a//")])
def test_expand(text, expected):
    assert dockerfile.expand(text, {"A": "a", "B": ""}) == expected
