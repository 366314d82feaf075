"""YAML as kubectl reads and kustomize writes it."""

import pathlib

import yaml


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, without aliases."""

    def ignore_aliases(self, data):
        return True


def _text(dumper, data):
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _text)


def load_all(text):
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [thing for thing in yaml.load_all(text, Loader=loader) if thing]


def dump(thing):
    return yaml.dump(thing, Dumper=_Dumper, default_flow_style=False, width=10000)


def kustomize(directory, namespace=None):
    """The objects of a kustomization that knows only `resources` and `namespace`."""
    directory = pathlib.Path(directory)
    spec = load_all((directory / "kustomization.yaml").read_text())[0]
    namespace = namespace or spec.get("namespace")
    things = []
    for name in spec.get("resources", []):
        path = directory / name
        things += kustomize(path, namespace) if path.is_dir() else load_all(path.read_text())
    for thing in things:
        if namespace and thing["kind"] == "Namespace":
            thing["metadata"]["name"] = namespace
        elif namespace:
            thing["metadata"]["namespace"] = namespace
    return things
