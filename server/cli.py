"""The `xuankuan` command: one file in server/commands per verb, imported only when it is called."""

import importlib
from pathlib import Path
from typing import Any

import click

from server.embedded import EmbeddedFailure

COMMANDS = Path(__file__).parent / "commands"
ROOMS = ("ranking", "game", "rewards", "server", "admin")


class Refused(click.ClickException):
    """What was given cannot be done."""

    exit_code = 2


class Away(click.ClickException):
    """It could be done, but something that it needs is not there."""

    exit_code = 1


class CommandFiles(click.Group):
    """A group whose commands are files: `import-test` is `command` in server/commands/import_test.py.

    The list of commands takes each file's first line for its short help, so that `--help` need not import numpy,
    SQLAlchemy and all the rest.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(path.stem.replace("_", "-") for path in COMMANDS.glob("*.py") if not path.stem.startswith("_"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"server.commands.{name.replace('-', '_')}").command
        assert isinstance(command, click.Command), name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_line(COMMANDS / f"{name.replace('-', '_')}.py"))
                                for name in self.list_commands(ctx)])  # fmt: skip

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not is_refusal(error):
                raise
            raise (Away if is_absence(error) else Refused)(sentence(error)) from error


def first_line(path: Path) -> str:
    """The sentence with which a file says what it is."""
    with path.open(encoding="utf-8") as file:
        return file.readline().strip().strip('"').removesuffix(".")


def is_refusal(error: BaseException) -> bool:
    """Whether an exception is one of ours, which all carry a sentence for the reader; the others are bugs."""
    kinds = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not isinstance(error, AssertionError) and not kinds.isdisjoint(ROOMS)


def sentence(error: BaseException) -> str:
    """What an exception of ours says, and what lies behind it where it does not say that itself."""
    cause = error.__cause__ if is_absence(error) else None
    return f"{error} ({cause})" if cause is not None and str(cause) and str(cause) not in str(error) else str(error)


def is_absence(error: BaseException) -> bool:
    return isinstance(error, EmbeddedFailure) or getattr(error, "code", "") == "database_away"


@click.group(cls=CommandFiles, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="xuankuan")
def cli() -> None:
    """选款: shoppers choose between styles, and merchants learn what to make.

    `xuankuan demo` shows all of it on this machine.
    """


def main() -> None:
    cli(prog_name="xuankuan")
