"""Trains in a process of its own for every line of JSON on stdin, and has it killed where the line says.

Run by test_killed_training.py. Forking from here costs milliseconds where a new interpreter would cost seconds, and
unlike the tests' own process this one has no threads. For each run a line is printed: how the process ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(step: int) -> None:
    from selectormlp.networks.module import ClassifierModule

    original = ClassifierModule.training_step

    def training_step(self, batch, batch_idx):
        if self.global_step == step:
            die()
        return original(self, batch, batch_idx)

    ClassifierModule.training_step = training_step


def die_while_writing(suffix: str, nth: int) -> None:
    """Die in the middle of the nth file of a kind, half of it written."""
    original = Path.open
    seen = []

    def open_(self, *arguments, **settings):
        stream = original(self, *arguments, **settings)
        if self.suffix == suffix and "w" in (arguments or [settings.get("mode", "r")])[0]:
            seen.append(self)
            if len(seen) == nth:
                write = stream.write

                class Dying:
                    def __enter__(self):
                        return self

                    def __exit__(self, *_):
                        stream.close()

                    def write(self, content):
                        write(content[: len(content) // 2])
                        stream.flush()
                        die()

                return Dying()
        return stream

    Path.open = open_


def die_while_renaming(suffix: str, nth: int, after: bool) -> None:
    original = Path.replace
    seen = []

    def replace(self, target):
        if self.suffix == suffix:
            seen.append(self)
        if len(seen) != nth or self.suffix != suffix:
            return original(self, target)
        if after:
            original(self, target)
        return die()

    Path.replace = replace


def train(job: dict) -> None:
    from selectormlp.pipeline import train as step
    from selectormlp.pipeline.settings import TrainSettings

    step.write_figure = lambda path, draw: path.touch()
    kill = job.get("kill") or {}
    if "step" in kill:
        die_at_step(kill["step"])
    elif "writing" in kill:
        die_while_writing(kill["writing"], kill["nth"])
    elif "renaming" in kill:
        die_while_renaming(kill["renaming"], kill["nth"], kill["after"])
    settings = TrainSettings.model_validate_json(json.dumps(job["settings"]))
    step.train_from_files(settings, "selector_mlp")


def main() -> None:
    import selectormlp.networks.training
    import selectormlp.pipeline.train  # noqa: F401  # so that every run finds them imported

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                train(json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
