"""A recipe in a Git repository, at a commit. The commit is the only name that can't come to mean something else."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

from glmprov.errors import RecipeError

TIMEOUT_SECONDS = 120
FORM = "git+https://HOST/REPOSITORY.git@COMMIT#PATH/TO/recipe.yml"
_PROTOCOLS = "https:ssh:file"
"""Git fetches by no other way: http can be changed on the road, and ext runs programs."""


@dataclass(frozen=True)
class GitSource:
    """A file of a commit: url as Git takes it, commit in full, path inside the repository."""

    url: str
    commit: str
    path: str


def parsed(name: str) -> GitSource:
    """Return what a name of the form FORM means. Raise RecipeError if it has another, or no full commit."""
    found = re.fullmatch(r"git\+((?:https|ssh|file)://[^#]+?)(?:@([^@/#]*))?(?:#(.*))?", name)
    if found is None:
        raise RecipeError(
            f"{name} is no Git source", next_step=f"write {FORM}; https, ssh and file are fetched"
        )
    url, commit, path = found.group(1), found.group(2) or "", found.group(3) or ""
    faults = []
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        what = f"{commit} may mean something else tomorrow" if commit else "no commit is named"
        faults.append(f"{what}: a recipe is taken from a full commit only, 40 hex digits")
    if not path or path.startswith("/") or ".." in path.split("/"):
        faults.append("the path of the recipe inside the repository is wanted behind a #")
    if faults:
        raise RecipeError("\n".join(faults), place=name, next_step=f"write {FORM}")
    return GitSource(url, commit, path)


def fetched(name: str) -> str:
    """Return the text of the recipe that a name of the form FORM means. Raise RecipeError if it can't be had."""
    source = parsed(name)
    with tempfile.TemporaryDirectory(prefix="glmprov-recipe-") as folder:
        _git(name, folder, "init", "--quiet", "--bare")
        _git(name, folder, "fetch", "--quiet", "--depth=1", "--no-tags", "--", source.url, source.commit)
        return _git(name, folder, "cat-file", "blob", f"{source.commit}:{source.path}")


def _git(name: str, folder: str, *words: str) -> str:
    """Return what Git says."""
    # A hook that runs us has pointed Git at its own repository. Nobody is there to give a password.
    environment = {key: text for key, text in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_ALLOW_PROTOCOL": _PROTOCOLS, "GIT_TERMINAL_PROMPT": "0"}
    environment |= {key: text for key, text in os.environ.items() if key.startswith("GIT_SSH")}
    try:
        done = subprocess.run(
            ["git", "-C", folder, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RecipeError(f"Git had no answer within {TIMEOUT_SECONDS} seconds", place=name) from error
    except FileNotFoundError as error:
        raise RecipeError("Git isn't installed here", place=name, next_step="install git") from error
    except UnicodeDecodeError as error:
        raise RecipeError("no text", place=name) from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"git {words[0]} failed"]
        raise RecipeError(
            said[-1].removeprefix("fatal: "), place=name, next_step="compare repository, commit and path"
        )
    return done.stdout
