"""YAML as kubectl reads and kustomize writes it."""

import os

import yaml


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, without aliases."""

    def ignore_aliases(self, data):
        return True


def _text(dumper, data):
    return dumper.represent_scalar("tag:yaml.org,2002:str", data,
                                   style="|" if "\n" in data else None)


_Dumper.add_representer(str, _text)


def load_all(text):
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [thing for thing in yaml.load_all(text, Loader=loader) if thing]


def dump(thing):
    return yaml.dump(thing, Dumper=_Dumper, default_flow_style=False, width=10000)


def kustomize(directory, namespace=None):
    """The objects of a kustomization that knows only `resources` and `namespace`."""
    with open(os.path.join(directory, "kustomization.yaml"), encoding="utf-8") as file:
        spec = load_all(file.read())[0]
    namespace = namespace or spec.get("namespace")
    things = []
    for name in spec.get("resources", []):
        path = os.path.join(directory, name)
        if os.path.isdir(path):
            things += kustomize(path, namespace)
        else:
            with open(path, encoding="utf-8") as file:
                things += load_all(file.read())
    for thing in things:
        if namespace and thing["kind"] == "Namespace":
            thing["metadata"]["name"] = namespace
        elif namespace:
            thing["metadata"]["namespace"] = namespace
    return things
