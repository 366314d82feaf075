"""A ConfigMap as kubelet mounts it, and updates it under a process that reads it."""

import datetime
import os
import shutil
import tempfile


class ConfigMapVolume:
    """Keys are links through `..data` to a directory with a date for a name. An update takes the
    steps of kubelet's AtomicWriter, in its order: the new directory, links of new keys, `..data`
    renamed over, links of lost keys removed, the old directory removed."""

    def __init__(self, directory, **keys):
        self.directory = directory
        directory.mkdir()
        self.update(**keys)

    def path(self, key):
        return self.directory / key

    def versions(self):
        """The directories with data that are there now."""
        return sorted(entry.name for entry in self.directory.iterdir()
                      if entry.is_dir() and not entry.is_symlink())

    def update(self, **keys):
        """Keys are names with `_` for `.`: policy_yaml."""
        files = {name.replace("_", "."): text for name, text in keys.items()}
        data = self.directory / "..data"
        old = self.directory / os.readlink(data) if data.is_symlink() else None
        lost = {path.name for path in old.iterdir()} - set(files) if old else set()

        date = datetime.datetime.now(datetime.timezone.utc).strftime("..%Y_%m_%d_%H_%M_%S.")
        new = tempfile.mkdtemp(prefix=date, dir=self.directory)
        os.chmod(new, 0o755)
        for name, text in files.items():
            with open(os.path.join(new, name), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(file.name, 0o644)
        for name in files:
            if not self.path(name).is_symlink():
                os.symlink(f"..data/{name}", self.path(name))
        os.symlink(os.path.basename(new), self.directory / "..data_tmp")
        os.rename(self.directory / "..data_tmp", data)
        for name in lost:
            self.path(name).unlink()
        if old:
            shutil.rmtree(old)
