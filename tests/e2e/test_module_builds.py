"""The ways to build the module that are not this repository's own CMake presets.

Each builds against a configured copy of Debian's nginx-dev, the only nginx tree that is always
there, and shows that Debian's nginx loads the result.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NGINX_DEV = Path("/usr/share/nginx/src")


def run(command, directory):
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, f"{command}:\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"


@pytest.fixture(name="nginx_tree")
def fixture_nginx_tree(tmp_path):
    """An nginx source tree with the flags of Debian's nginx, not yet configured."""
    return shutil.copytree(NGINX_DEV, tmp_path / "nginx")


def configure(tree, *arguments):
    flags = '. ./conf_flags && ./configure "${NGX_CONF_FLAGS[@]}" "$@"'
    run(["bash", "-c", flags, "configure", *arguments], tree)


def assert_nginx_loads(module, directory):
    directory.mkdir()
    conf = directory / "nginx.conf"
    conf.write_text(
        f"load_module {module};\n"
        f"pid {directory}/pid;\n"
        f"error_log {directory}/error.log;\n"
        "events {}\n"
        "http { quota_pass unix:/none.sock; server { listen unix:" + str(directory) + "/s.sock; "
        "location / { quota on; return 204; } } }\n")
    run(["nginx", "-t", "-p", directory, "-c", conf, "-e", directory / "error.log"], directory)


def test_nginx_own_configure_builds_the_module(nginx_tree, tmp_path):
    configure(nginx_tree, f"--add-dynamic-module={REPOSITORY}/nginx-module")
    run(["make", f"-j{os.cpu_count()}", "-f", "objs/Makefile", "modules"], nginx_tree)
    module = nginx_tree / "objs" / "ngx_http_quota_module.so"
    assert_nginx_loads(module, tmp_path / "run")


def test_cmake_builds_the_module_against_any_configured_tree(nginx_tree, tmp_path):
    configure(nginx_tree)
    build = tmp_path / "build"
    run(["cmake", "-S", REPOSITORY, "-B", build, "-G", "Ninja", "-DQUOTA_TESTS=OFF",
         f"-DNGINX_SOURCE_DIR={nginx_tree}"], tmp_path)
    run(["cmake", "--build", build, "--target", "ngx_http_quota_module"], tmp_path)
    assert_nginx_loads(build / "ngx_http_quota_module.so", tmp_path / "run")


def test_a_tree_that_is_not_configured_is_refused_with_what_to_do(nginx_tree, tmp_path):
    result = subprocess.run(
        ["cmake", "-S", REPOSITORY, "-B", tmp_path / "build", "-G", "Ninja", "-DQUOTA_TESTS=OFF",
         f"-DNGINX_SOURCE_DIR={nginx_tree}"], capture_output=True, text=True, timeout=300)
    assert result.returncode != 0
    assert "is not configured: run its ./configure" in " ".join(result.stderr.split())
