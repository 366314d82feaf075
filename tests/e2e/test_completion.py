"""The scripts by which shells complete quotactl."""

import re
import shutil
import subprocess

import pytest

from harness import environment
from harness.process import run

COMMANDS = {"validate", "check", "explain", "get", "reset", "set-tier", "consumer", "mode",
            "reload", "simulate", "top", "usage", "tail", "completion"}


def script(shell):
    done = run([environment.built("quotactl"), "completion", shell])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(name="complete")
def fixture_complete(stack):
    """What bash offers for a line; the cursor is at its end."""
    path = stack.workdir / "quotactl.bash"
    path.write_text(script("bash"))
    (stack.workdir / "policy file.yaml").touch()

    def complete(line):
        words = line.split(" ")
        done = subprocess.run(
            ["bash", "--norc", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); '
             'COMP_CWORD=$(($# - 1)); _quotactl; printf "%s\\n" "${COMPREPLY[@]}"',
             "bash", str(path), *words], capture_output=True, text=True, cwd=stack.workdir,
            check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return set(done.stdout.splitlines()) - {""}
    return complete


def test_bash_completes_commands(complete):
    assert COMMANDS <= complete("quotactl ")
    assert complete("quotactl con") == {"consumer"}
    assert complete("quotactl consumer ") >= {"add", "add-key", "list", "revoke"}
    assert complete("quotactl consumer add-") == {"add-key"}


def test_every_command_of_the_help_is_completed(complete):
    text = run([environment.built("quotactl"), "--help"]).stdout
    listed = set(re.findall(r"^  ([a-z][a-z-]+) ", text[text.index("Subcommands:"):], re.M))
    assert listed == COMMANDS
    assert listed <= complete("quotactl ")


def test_bash_completes_options_of_the_command_and_of_all(complete):
    assert {"--admin", "--json", "--token-file", "--version"} <= complete("quotactl --")
    assert complete("quotactl consumer add acme --bil") == {"--billing-day"}
    assert complete("quotactl consumer add acme --js") == {"--json"}
    assert complete("quotactl get --bil") == set()
    assert complete("quotactl mode --l") == {"--local"}


def test_bash_completes_words_and_files(complete):
    assert {"enforce", "shadow", "off", "policy"} <= complete("quotactl mode ")
    assert complete("quotactl completion z") == {"zsh"}
    assert complete("quotactl validate pol") == {"policy file.yaml"}
    assert complete("quotactl simulate pol") == {"policy file.yaml"}
    assert complete("quotactl --token-file pol") == {"policy file.yaml"}


def test_bash_takes_the_value_of_an_option_for_no_command(complete):
    assert complete("quotactl --admin ") == set()
    assert complete("quotactl --admin mode cons") == {"consumer"}
    assert complete("quotactl --json mode sh") == {"shadow"}


def test_the_bash_script_is_clean(stack):
    path = stack.workdir / "quotactl.bash"
    path.write_text(script("bash"))
    assert run(["bash", "-n", path]).returncode == 0
    if shutil.which("shellcheck"):
        done = run(["shellcheck", "--shell=bash", path])
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell, start, end", [
    ("zsh", "#compdef quotactl\n", "fi\n"), ("fish", "# Completes quotactl in fish", "\n")])
def test_other_shells_get_every_command(stack, shell, start, end):
    text = script(shell)
    assert text.startswith(start) and text.endswith(end)
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", text), command
    assert "billing-day" in text and "--local" in text or "-l local" in text
    if shutil.which(shell):
        path = stack.workdir / f"quotactl.{shell}"
        path.write_text(text)
        done = run([shell, "-n", path])
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [[], ["powershell"]])
def test_an_unknown_shell_is_refused(words):
    done = run([environment.built("quotactl"), "completion", *words])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
