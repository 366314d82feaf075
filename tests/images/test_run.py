"""The images that test_build.py has built run as they will in a cluster: as their own user, with a
read-only root, and with nothing in it but what they need to run.

run.sh starts this in a network of its own, so that ports are free whatever else runs here.
"""

import json
import os

import pytest
from containers import Containers, answers, get, wait_until

PORT, ADMIN = 8080, 9180
POLICY = """version: 1
tiers:
  free: {requests_per_minute: 100, monthly_quota: 50000}
anonymous: {requests_per_minute: 1}
"""


@pytest.fixture(name="containers")
def fixture_containers(root_store, tmp_path):
    missing = [name for name in ("quotad", "nginx", "kong")
               if not (root_store.store / f"{name}.json").exists()]
    assert not missing, f"test_build.py has not built {missing}"
    with open("/proc/net/dev", encoding="utf-8") as devices:
        names = [line.split(":")[0].strip() for line in devices if ":" in line]
    if names != ["lo"]:
        pytest.skip("the ports of this machine are not for tests: use tests/images/run.sh")
    tmp_path.chmod(0o755)
    containers = Containers(root_store, tmp_path)
    yield containers
    containers.stop()


@pytest.fixture(name="policy")
def fixture_policy(tmp_path):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return folder


def start_quotad(containers, policy=None):
    options = {}
    if policy:
        options = {"binds": [(policy, "/mnt", True)], "env": {"QUOTAD_POLICY": "/mnt/policy.yaml"}}
    quotad = containers.start("quotad", **options)
    wait_until(lambda: answers(ADMIN, "/readyz"), quotad)
    return quotad


def start_nginx(containers):
    nginx = containers.start("nginx")
    wait_until(lambda: answers(PORT, "/health"), nginx)
    return nginx


def assert_confined(container):
    """Not root, no way to become it, no capability left, and a root that cannot be written."""
    uid, gid = container.image.ids()
    status = container.status()
    assert status["Uid"].split() == [str(uid)] * 4
    assert status["Gid"].split() == [str(gid)] * 4
    assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    with open(f"/proc/{container.main_process()}/mounts", encoding="utf-8") as mounts:
        root = next(line.split() for line in mounts if line.split()[1] == "/")
    assert "ro" in root[3].split(",")


@pytest.mark.parametrize("name", ["quotad", "nginx", "kong"])
def test_there_are_run_time_packages_only(containers, name):
    listed = containers.run(name, ["cat", "/usr/share/quotagate/packages"])
    packages = {line.split()[0] for line in listed.stdout.splitlines()}
    assert "libnghttp2-14" in packages
    assert not [package for package in packages if package.endswith("-dev")]
    assert not packages & {"g++", "gcc", "cmake", "ninja-build", "make", "git", "curl", "python3"}


@pytest.mark.parametrize(("name", "files"), [
    ("quotad", ["/usr/local/bin/quotad", "/usr/local/bin/quotactl"]),
    ("nginx", ["/usr/lib/nginx/modules/ngx_http_quota_module.so", "/usr/sbin/nginx"]),
    ("kong", ["/usr/local/openresty/nginx/modules/ngx_http_quota_module.so"])])
def test_every_library_is_there(containers, name, files):
    listed = containers.run(name, ["ldd", *files])
    assert listed.returncode == 0 and "libstdc++" in listed.stdout
    assert "not found" not in listed.stdout


def test_quotad_runs_confined_and_says_how_it_is(containers):
    health = containers.image("quotad").health
    assert containers.run("quotad", health).returncode != 0
    quotad = start_quotad(containers)
    assert_confined(quotad)
    healthy = containers.run("quotad", health)
    assert healthy.returncode == 0, healthy.stdout
    for line in quotad.said().splitlines():
        json.loads(line)
    assert quotad.stop() == 0
    assert containers.run("quotad", health).returncode != 0


def test_nothing_in_the_image_can_be_written_but_its_volumes(containers):
    for name in ("quotad", "nginx", "kong"):
        tried = containers.run(name, ["sh", "-c", "touch /etc/x /usr/local/bin/x /var/x 2>&1"])
        assert tried.returncode != 0 and tried.stdout.count("Read-only file system") == 3
    tried = containers.run("quotad", ["touch", "/var/lib/quotad/x", "/run/quota/x", "/tmp/x"])
    assert tried.returncode == 0, tried.stdout


def test_quotactl_is_there_too(containers, policy):
    mounted = [(policy, "/mnt", True)]
    good = containers.run("quotad", ["quotactl", "validate", "/mnt/policy.yaml"], binds=mounted)
    assert good.returncode == 0, good.stdout
    (policy / "policy.yaml").write_text(POLICY.replace("free", "fr ee"), encoding="utf-8")
    bad = containers.run("quotad", ["quotactl", "validate", "/mnt/policy.yaml"], binds=mounted)
    assert bad.returncode == 1 and "/mnt/policy.yaml:3:3" in bad.stdout
    start_quotad(containers)
    mode = containers.run("quotad", ["quotactl", "--json", "mode"])
    assert mode.returncode == 0 and json.loads(mode.stdout)["mode"] == "enforce"


def test_nginx_and_quotad_limit_requests_over_the_shared_volume(containers, policy):
    start_quotad(containers, policy)
    nginx = start_nginx(containers)
    assert_confined(nginx)
    # One a minute. A verdict that came too late on a busy machine would let one more pass.
    passed = []
    while (answer := get(PORT, "/")).status == 200:
        passed.append(answer)
        assert len(passed) < 10, nginx.said()
    assert answer.status == 429 and passed
    assert json.loads(answer.body)["violated-policies"] == ["minute"]
    assert answer.headers["X-Quota-Tier"] == "anonymous"
    assert answer.headers["X-RateLimit-Limit"] == "1"
    assert 'quota_gateway_requests_total{outcome="denied"} 1' in get(
        PORT, "/gateway-metrics").body.decode()
    # Both logs are the container's own.
    wait_until(lambda: '"GET / HTTP/1.1" 429' in nginx.said(), nginx)
    assert '[warn]' in nginx.said() and 'quota: denied, reason "minute"' in nginx.said()


def test_nginx_says_how_it_is_and_stops_as_asked(containers):
    health = containers.image("nginx").health
    assert containers.run("nginx", health).returncode != 0
    nginx = start_nginx(containers)
    assert containers.run("nginx", health).returncode == 0
    assert nginx.stop() == 0
    assert "[alert]" not in nginx.said() and "[emerg]" not in nginx.said()


def test_nginx_takes_another_configuration(containers, tmp_path):
    (tmp_path / "conf").mkdir()
    conf = tmp_path / "conf/nginx.conf"
    conf.write_text("load_module /usr/lib/nginx/modules/ngx_http_quota_module.so;\n"
                    "pid /tmp/pid; events {}\n", encoding="utf-8")
    words = ["nginx", "-t", "-e", "stderr", "-c", "/mnt/nginx.conf"]
    tested = containers.run("nginx", words, binds=[(conf.parent, "/mnt", True)])
    assert tested.returncode == 0, tested.stdout
    conf.write_text(conf.read_text(encoding="utf-8") + "quota on;\n", encoding="utf-8")
    tested = containers.run("nginx", words, binds=[(conf.parent, "/mnt", True)])
    assert tested.returncode != 0 and '"quota" directive is not allowed here' in tested.stdout


def test_kongs_user_loads_the_module_that_the_environment_names(containers, tmp_path):
    module = containers.image("kong").env["KONG_NGINX_MAIN_LOAD_MODULE"]
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/nginx.conf").write_text(
        f"load_module {module};\npid /tmp/pid; events {{}}\n", encoding="utf-8")
    tested = containers.run(
        "kong", ["/usr/local/openresty/nginx/sbin/nginx", "-t", "-e", "stderr", "-c",
                 "/mnt/nginx.conf"], binds=[(tmp_path / "conf", "/mnt", True)])
    assert tested.returncode == 0, tested.stdout


@pytest.mark.parametrize("name", ["quotad", "nginx"])
def test_an_image_is_small(containers, name):
    layers = containers.image(name).layers.names[1:]
    size = sum(os.lstat(os.path.join(folder, file)).st_size for layer in layers
               for folder, _, files in os.walk(containers.roots.layers / layer) for file in files)
    print(f"{name}: {size / 2**20:.0f} MiB above Debian")
    assert size < 100 * 2**20
