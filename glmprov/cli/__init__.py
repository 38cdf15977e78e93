"""The command line: parse, load, call one action, render, exit code. Heavy imports wait for a command."""

from __future__ import annotations

import errno
import gc
import io
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import click

from glmprov.cli import access, changing, deploying, endpoints, looking, pruning, recipe, reverting, serving
from glmprov.cli.group import main
from glmprov.errors import ExitCode, GlmprovError

__all__ = [
    "access",
    "changing",
    "deploying",
    "endpoints",
    "looking",
    "main",
    "pruning",
    "recipe",
    "reverting",
    "run",
    "serving",
]


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code. The only place that catches errors."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # A command makes much and drops little: looking for garbage each 700 objects costs a twentieth of an audit.
    gc.set_threshold(50_000, 20, 100)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a locale without → must not cost the summary of what was done
    try:
        result = main(
            list(arguments), prog_name="glmprov", standalone_mode=False, complete_var="_GLMPROV_COMPLETE"
        )
        return int(result) if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GlmprovError as error:
        _tell(error, "--json" in arguments)
        return int(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # the last line of defense: a person gets a sentence, -vv the traceback
        _tell(_own_fault(error), "--json" in arguments)
        return int(ExitCode.FAILED)


def _own_fault(error: Exception) -> GlmprovError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        return GlmprovError("the output can't be written: the disk that it goes to is full")
    if isinstance(error, FileNotFoundError) and error.filename is None:  # os.getcwd() alone names no file
        return GlmprovError("the folder that this runs in is gone", next_step="go to one that is there")
    return GlmprovError(
        f"a fault of glmprov itself: {type(error).__name__}: {error}",
        next_step="run it again with -vv, and report what it prints",
    )


def _tell(error: GlmprovError, as_json: bool) -> None:
    """Say an error; called while it is handled, so that -vv can show where it came from."""
    if as_json:
        from glmprov.report.json import failure

        with suppress(OSError):  # where nothing more can be written, the line below still says why
            click.echo(failure(error))
    click.echo(f"glmprov: {error}", err=True)
    if error.next_step:
        click.echo(f"next: {error.next_step}", err=True)
    if sum(word.count("v") for word in sys.argv if re.fullmatch("-v+", word)) > 1:
        traceback.print_exc()
