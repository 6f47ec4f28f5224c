"""A job in a folder of its own: what it makes undisturbed, and what is looked at after it was cut short."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.faults.job import Job, Mark, State
from transhash.errors import TransHashError

SECONDS = 120  # that a run may take


class Trial:
    """A job, and its folder before and after. Each run is a process of its own."""

    def __init__(self, job: Job, home: Path) -> None:
        self.job, self.home, self.output = job, home / "work", home / "output"
        os.environ["TRANSHASH_THREADS"] = "1"  # of threads that are waiting, a child has none
        os.environ["XDG_STATE_HOME"] = str(self.home / "state")
        self.template = home / f"before-{job.name}"
        self.home.mkdir(exist_ok=True)
        self.fresh()
        in_child(lambda: job.prepare(self.home), self.output)
        shutil.copytree(self.home, self.template, symlinks=True)
        self._warm()
        self.fresh()
        self.before: State = in_child(lambda: job.state(self.home), self.output)
        code, said = self.run(lambda entry: None)
        if code:
            raise TransHashError(job.name, f"it ends with {code} without any failure ({said})", "mend that first")
        self.after: State = in_child(lambda: job.state(self.home), self.output)

    def run(self, mark: Mark) -> tuple[int, str]:
        """Do the job: exit code and what was said."""
        return ended(lambda: self.job.run(self.home, mark), self.output)

    def fresh(self) -> None:
        """Make the folder what it is before the job."""
        for path in self.home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self.template.exists():
            shutil.copytree(self.template, self.home, symlinks=True, dirs_exist_ok=True)

    def look(self, acknowledged: list[str], *, whole: bool) -> list[str]:
        """What is wrong after a run with a failure."""
        problems = self.job.sound(self.home)
        found = self.job.state(self.home)
        problems += mixed(self.before, found, self.after)
        problems += [f"{entry} was acknowledged" for entry in acknowledged if found.get(entry) != self.after.get(entry)]
        if whole and found != self.after:
            problems.append(f"it ended well, but {differing(found, self.after)}")
        try:
            (self.job.again or (lambda home: self.job.run(home, lambda entry: None)))(self.home)
        except SystemExit as ended:
            if ended.code:
                problems.append(f"done again it ended with {ended.code}")
        found = self.job.state(self.home)
        if found != self.after:
            problems.append(f"done again {differing(found, self.after)}")
        return problems + self.job.sound(self.home)

    def _warm(self) -> None:
        """Do the job here once, so that its many runs find everything imported."""
        with tempfile.TemporaryFile("w") as nowhere:
            warm = self.home.with_name("warm")  # beside the model
            shutil.copytree(self.template, warm)
            with redirect_stdout(nowhere), redirect_stderr(nowhere), suppress(SystemExit):
                self.job.run(warm, lambda entry: None)
            self.job.sound(warm)
            shutil.rmtree(warm)


def mixed(before: State, found: State, after: State) -> list[str]:
    """Entries that are neither as before nor as after."""
    return [
        f"{key} is {found.get(key)}, was {before.get(key)}, becomes {after.get(key)}"
        for key in {*before, *found, *after}
        if found.get(key) not in (before.get(key), after.get(key))
    ]


def differing(found: State, wanted: State) -> str:
    """How two states differ."""
    return f"{sorted(found.items() ^ wanted.items())[:4]} differ"


def ended(task: Callable[[], object], output: Path) -> tuple[int, str]:
    """Run a task in a child: its exit code, as the command line would end, and what it wrote on standard error."""
    child = os.fork()
    if not child:
        code = 70
        try:
            signal.alarm(SECONDS)
            _redirect(output)
            task()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except TransHashError as error:
            print(error, file=sys.stderr)
            code = 2
        except MemoryError as error:  # which a caller in Python gets as it is
            print(f"not enough memory ({error})", file=sys.stderr)
            code = 2
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status), output.read_text("utf-8", "replace")


def in_child(task: Callable[[], Any], output: Path) -> Any:
    """What a task returns that runs in a child; a failure of it is a list with one problem."""
    answer = output.with_name("answer")
    answer.unlink(missing_ok=True)

    def work() -> None:
        found = task()
        answer.write_text(json.dumps(found, default=str), "utf-8")

    code, said = ended(work, output)
    if code:
        return [f"looking at it ended with {code}: {said[-1500:]}"]
    return json.loads(answer.read_text("utf-8"))


def report(home: Path, found: Iterable[dict[str, Any]]) -> NoReturn:
    """Print what came of each job, remove `home`, and end the program: with exit code 1 when something was lost."""
    lost = 0
    try:
        for each in found:
            print(json.dumps(each), flush=True)
            lost += len(each["lost"])
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(1 if lost else 0)


def _redirect(output: Path) -> None:
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
