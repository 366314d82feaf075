"""Each Dockerfile is built in clean Debian roots, by the very steps that it names."""

import os
import pathlib
import re
import shutil

import dockerfile
import pytest
from builder import REPO
from roots import StepFailed

# Objects compile to the same bytes, and ccache knows them, where the sources have the same path.
SOURCE = os.environ.get("QUOTA_IMAGES_SOURCE", str(REPO))


class Images:
    """The images, each built when it is first asked for."""

    def __init__(self, builder, scratch):
        self.builder = builder
        self.scratch = scratch
        self.built = {}

    def arguments(self, name):
        """Nothing is given but where the sources lie and what stands for the registry's images."""
        arguments = {"SOURCE": SOURCE}
        file = dockerfile.read(REPO / f"docker/{name}.Dockerfile")
        values = dockerfile.defaults(file.arguments, arguments)
        base = dockerfile.expand(file.stages[-1].base, values)
        standin = self.kong_standin() if name == "kong" else self.builder.bases["debian"]
        self.builder.bases[base] = standin
        return arguments

    def kong_standin(self):
        if "standin" not in self.built:
            self.built["standin"] = self.builder.build(
                pathlib.Path(__file__).parent / "standin/kong.Dockerfile")
        return self.built["standin"]

    def build(self, name, **options):
        return self.builder.build(
            REPO / f"docker/{name}.Dockerfile", self.arguments(name), **options)

    def kong_tree(self, name):
        """A build tree like that of OpenResty, whose nginx is the stand-in's."""
        stage = self.build("nginx", target="build")
        configured = self.builder.file_in(stage, f"{SOURCE}/build/release/nginx-module/nginx")
        inside = self.scratch / name / "build/nginx-1.2.3"
        inside.parent.mkdir(parents=True)
        shutil.copytree(configured, inside, symlinks=True)
        return inside

    def build_kong(self, tree):
        return self.build("kong", contexts={"kong-tree": tree.parents[1]})


@pytest.fixture(scope="session", name="images")
def fixture_images(builder, root_store, tmp_path_factory):
    yield Images(builder, tmp_path_factory.mktemp("trees"))
    root_store.forget_old_layers()


def text_of(images, image, path):
    return images.builder.file_in(image, path).read_text(encoding="utf-8")


def save(images, name, image):
    """For test_run.py, which runs without a network of its own to build with."""
    image.save(images.builder.roots.store / f"{name}.json")


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_quotad(images):
    image = images.build("quotad")
    save(images, "quotad", image)
    assert image.ids() == (10001, 10001)
    assert re.search(r"^libgrpc\+\+\S* ", text_of(images, image, "usr/share/quotagate/packages"),
                     re.MULTILINE)


def test_nginx(images):
    image = images.build("nginx")
    save(images, "nginx", image)
    assert image.stop_signal == "SIGQUIT"
    assert "version nginx/" in text_of(images, image, "usr/share/quotagate/built-for")


def test_kong(images):
    image = images.build_kong(images.kong_tree("fits"))
    save(images, "kong", image)
    assert image.ids() == (1000, 1000)
    assert image.labels["org.opencontainers.image.version"].startswith("3.")
    # What Kong's own image says stays.
    assert (image.entrypoint, image.command) == (["/entrypoint.sh"], ["kong", "docker-start"])
    assert images.builder.file_in(image, image.env["KONG_NGINX_MAIN_LOAD_MODULE"]).exists()


# -- A tree that is not that of the nginx in the image


def refusal(images, tree):
    with pytest.raises(StepFailed) as caught:
        images.build_kong(tree)
    return caught.value.output


def test_a_tree_with_other_structures_under_the_same_version_is_noticed(images):
    # What the patch of Kong 3.9.3 for CVE-2026-49975 adds, and 3.9.1 has not: the version of nginx
    # and the signature of modules stay the same, so nginx itself has no objection.
    tree = images.kong_tree("structures")
    replace(tree / "src/http/ngx_http_request.h",
            "    ngx_list_t                        headers;\n\n"
            "    ngx_table_elt_t                  *host;",
            "    ngx_list_t                        headers;\n"
            "    ngx_uint_t                        count;\n\n"
            "    ngx_table_elt_t                  *host;")
    said = refusal(images, tree)
    assert "GET /deny was answered with" in said
    assert "although nginx loads it" in said


def test_a_tree_of_another_version_is_refused(images):
    tree = images.kong_tree("version")
    text = (tree / "src/core/nginx.h").read_text(encoding="utf-8")
    (tree / "src/core/nginx.h").write_text(
        re.sub(r"(#define nginx_version\s+)\d+", r"\g<1>1025003", text), encoding="utf-8")
    said = refusal(images, tree)
    assert "instead of 1025003" in said or "1025003 instead of" in said
    assert "built for another version of nginx" in said


def test_a_tree_with_other_options_is_refused(images):
    tree = images.kong_tree("options")
    with open(tree / "objs/ngx_auto_config.h", "a", encoding="utf-8") as config:
        config.write("#undef NGX_HTTP_REALIP\n#undef NGX_HTTP_X_FORWARDED_FOR\n")
    said = refusal(images, tree)
    assert "is not binary compatible" in said
    assert "configured with other options" in said


def test_openresty_of_another_name_is_refused(images):
    # Same structures and version, but not what this binary says of itself.
    tree = images.kong_tree("name")
    replace(tree / "src/core/nginx.h", '"nginx/" NGINX_VERSION', '"openresty/1.25.3.2"')
    assert "was built for openresty/1.25.3.2, and" in refusal(images, tree)


def test_a_tree_that_is_not_configured_is_refused_before_anything_is_built(images):
    tree = images.kong_tree("plain")
    shutil.rmtree(tree / "objs")
    said = refusal(images, tree)
    assert "is not configured" in said and "docs/kong.md" in said


def test_no_tree_at_all_says_how_to_give_one(images):
    with pytest.raises(StepFailed) as caught:
        images.build("kong")
    assert "--build-context kong-tree=DIR" in caught.value.output


def test_another_user_than_kongs_is_refused(images):
    arguments = images.arguments("kong")
    with pytest.raises(StepFailed) as caught:
        images.builder.build(REPO / "docker/kong.Dockerfile", {**arguments, "KONG_UID": "1234"},
                             {"kong-tree": images.kong_tree("user").parents[1]})
    assert "give --build-arg KONG_UID=1000" in caught.value.output
