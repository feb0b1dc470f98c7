"""The argument parser: commands are announced from a table, and only the chosen one is imported."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

import LesionLensLib
from LesionLensLib.errors import UserError
from LesionLensLib.progress import PROGRESS_MODES, Progress

# Name -> (module, one line of help). A command stands here only once it works.
COMMANDS = {
    "segment": ("LesionLensLib.cli.segment", "find and measure lesions in the images of one visit"),
    "predict": ("LesionLensLib.cli.predict", "predict the outcome of a lesion, with interval, outline and typicality"),
    "explain": ("LesionLensLib.cli.explain", "show what a prediction rests on: map, regions, coloured surface"),
    "models": ("LesionLensLib.cli.models", "list the models with their channels, licence and state on disk"),
    "evaluate": ("LesionLensLib.cli.evaluate", "judge a model on labelled cases, with intervals and a simple baseline"),
    "train": ("LesionLensLib.cli.train", "train a model from a recipe and a table of cases; resumable"),
    "manifest": ("LesionLensLib.cli.manifest", "make a table of cases from the folders of a public or own data set"),
    "cohort": ("LesionLensLib.cli.cohort", "segment, predict or explain all cases of a table, on several workers"),
    "view": ("LesionLensLib.cli.view", "show a result folder as a page in the browser, on this computer only"),
    "check": ("LesionLensLib.cli.check", "prove that the networks can run here, on the device asked for"),
    "run": ("LesionLensLib.cli.run", "run a job file, as the panels of 3D Slicer do"),
}
SIGNED_LIST = re.compile(r"-[0-9.][0-9.eE+\-]*(,[0-9.eE+\- ]+)+")


class Command(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options of the command."""

    def run(self, options: argparse.Namespace, progress: Progress) -> int:
        """Do the work and return the exit code."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `UserError`, so that they look like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise `UserError` instead of printing the usage and leaving."""
        sentence = message[:1].upper() + message[1:]
        raise UserError(sentence.rstrip(".") + ".", f"See {self.prog} --help.")


def command_module(name: str) -> Command:
    """Import and return the module of a command."""
    return cast(Command, importlib.import_module(COMMANDS[name][0]))


def make_parser(arguments: Sequence[str]) -> Parser:
    """Return the parser; of the commands only the one named in `arguments` gets its options."""
    parser = Parser(
        prog="lesionlens",
        description="Lesion segmentation and outcome prediction. For research, not a medical device.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lesionlens {LesionLensLib.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".", allow_abbrev=False)
        if name in arguments:
            add_progress_option(command)
            command_module(name).add_arguments(command)
    return parser


def with_signed_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with numbers such as -12,3,40 tied to the option before: argparse takes them for options."""
    tied: list[str] = []
    for argument in arguments:
        if tied and tied[-1].startswith("--") and "=" not in tied[-1] and SIGNED_LIST.fullmatch(argument):
            tied[-1] += f"={argument}"
        else:
            tied.append(argument)
    return tied


def add_progress_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--progress`, which every command has."""
    parser.add_argument(
        "--progress",
        choices=PROGRESS_MODES,
        default="auto",
        help="how to show where the work stands: a bar, JSON lines on standard output, or nothing (default: auto)",
    )
