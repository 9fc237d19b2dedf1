"""A tree that holds one script of scripts/ and programs that only pretend, for the tests beside this file."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def obey_signals():
    """For a child: a shell cannot trap what was ignored when it began, as below nohup."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class ScriptTree:
    """Removed at the end of the `with`. Files and programs are named relative to its root."""

    def __enter__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="rwku_scripts_"))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def copy(self, name):
        """Brings a file of the project into the tree."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / name, path)

    def program(self, name, body):
        """Writes a bash program. $LOG is a file for what it wants the test to know."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/bash\nLOG={self.root}/log\n{body}\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def start(self, *command, **variables):
        """Starts a script in a session of its own; programs of bin/ come before the system's."""
        environment = {**os.environ, "PATH": f"{self.root}/bin:/usr/bin:/bin", **variables}
        return subprocess.Popen([str(self.root / command[0]), *command[1:]], env=environment, cwd=self.root, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                start_new_session=True, preexec_fn=obey_signals)

    def run(self, *command, **variables):
        """(exit status, standard output, standard error) of a script."""
        process = self.start(*command, **variables)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def log(self):
        """Lines that programs wrote to $LOG."""
        path = self.root / "log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
