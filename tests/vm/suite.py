#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs the cases of tests/vm/cases in the guest and reports them; called by tests/vm/run, which prepares everything.

suite.py WORK [NAME[:MODE]…]. WORK holds lib/ (libpcsclite.so.1) and bin/; logs go to WORK/out. LIB=incumbent: pcscd instead.
One boot runs all cases; when the guest dies, the case it was in has failed and the rest gets a new boot. WINSCARD_VM_SHARDS=N: N
guests run at the same time, and each takes a case that none has taken yet. WINSCARD_VM_PATIENCE=N: every limit of time is N times as long, on a slow machine.
"""
import glob
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

from machine import HERE, TOOK_TOO_LONG, Machine

EXCERPT = 25
PATIENCE = int(os.environ.get("WINSCARD_VM_PATIENCE", "1"))
BOOT_SECONDS = 120 * PATIENCE


def heading(text, key, default):
    found = re.search(rf"^# {key}: *(.*)$", text, re.M)
    return found.group(1).strip() if found else default


class Run:
    """One case in one mode."""

    def __init__(self, name, mode, seconds):
        self.name, self.mode, self.seconds = name, mode, seconds
        self.label = name if mode == "path" else f"{name}:{mode}"

    def log(self, work):
        return os.path.join(work, "out", f"{self.name}.{self.mode}.log")


def cases(lib, wanted):
    """All runs, in the order of their file names: (to do, skipped)."""
    runs, skipped = [], []
    for path in sorted(glob.glob(os.path.join(HERE, "cases", "*.sh"))):
        name = os.path.basename(path)[:-3]
        with open(path, encoding="utf-8") as file:
            text = file.read()
        modes = heading(text, "modes", "path").split()
        if lib == "incumbent":
            modes = ["path"]
        for mode in modes:
            run = Run(name, mode, int(heading(text, "seconds", "120")) * PATIENCE)
            if wanted and name not in wanted and run.label not in wanted and f"{name}:{mode}" not in wanted:
                continue
            if lib == "incumbent" and heading(text, "incumbent", "") == "not":
                skipped.append(run)
            elif heading(text, "long", "no") == "yes" and not wanted and not os.environ.get("WINSCARD_VM_LONG"):
                skipped.append(run)
            else:
                runs.append(run)
    return runs, skipped


class Suite:
    """One guest's cases, or, of several guests' (`shard` of `shards`), those that this one was the first to take."""

    def __init__(self, work, lib, shard, shards):
        self.work, self.lib, self.shard, self.shards = work, lib, shard, shards
        self.passed, self.failed = 0, 0
        self.current, self.started = None, 0.0
        self.list = f"cases.{shard}"

    def begin(self, name, mode):
        self.current, self.started = (name, mode), time.monotonic()

    def end(self, name, mode, status):
        run = next(run for run in self.todo if (run.name, run.mode) == (name, mode))
        self.report(run, None if status == "0" else f"exit status {status}")

    def report(self, run, problem):
        seconds = time.monotonic() - self.started
        self.todo.remove(run)
        self.current = None
        if problem is None:
            self.passed += 1
            print(f"{run.label}: ok ({seconds:.1f} s)", flush=True)
            return
        self.failed += 1
        try:
            with open(run.log(self.work), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            lines = []
        excerpt = "".join(f"\n    {line}" for line in lines[-EXCERPT:] or ["(no output)"])
        print(f"{run.label}: FAILED ({problem}, {seconds:.1f} s){excerpt}", flush=True)

    def boot(self):
        """One boot for everything still to do; False when it got nowhere."""
        with open(os.path.join(self.work, self.list), "w", encoding="utf-8") as file:
            file.writelines(f"{run.name} {run.mode} {run.seconds}\n" for run in self.todo)
        before = len(self.todo)
        limit = BOOT_SECONDS + sum(run.seconds + 45 * PATIENCE for run in self.todo)
        machine = Machine("tests/vm/guest/suite", self.work, 2, on_line=lambda line: None, commands={"begin": self.begin, "end": self.end}, arguments=self.list)
        status = machine.run(limit)
        if self.current:
            run = next(run for run in self.todo if (run.name, run.mode) == self.current)
            self.report(run, "the guest took too long" if status == TOOK_TOO_LONG else f"the guest died ({status})")
        self.todo = [run for run in self.todo if self.owner(run) in (None, self.list)]
        if self.todo:
            print(f"guest ended early (status {status}), its console:", flush=True)
            for line in machine.tail or ["(empty)"]:
                print(f"    {line}", flush=True)
        return len(self.todo) < before

    def owner(self, run):
        """The list of the guest that took the case (tests/vm/guest/suite)."""
        try:
            with open(os.path.join(self.work, "claims", f"{run.name}.{run.mode}"), encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def run(self, wanted):
        self.todo, skipped = cases(self.lib, wanted)
        if not self.todo and not skipped:
            print("no such case", file=sys.stderr)
            return 2
        skipped = skipped[self.shard :: self.shards]
        if self.shards > 1:
            # The long ones first, so that the guests end at about the same time.
            self.todo.sort(key=lambda run: -run.seconds)
        while self.todo and self.boot():
            pass
        for run in list(self.todo):
            self.failed += 1
            print(f"{run.label}: FAILED (never ran)", flush=True)
        for run in skipped:
            why = "not for pcscd" if self.lib == "incumbent" else "long: by name, or with WINSCARD_VM_LONG=1"
            print(f"{run.label}: skipped ({why})", flush=True)
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def settle(work, lib):
    """What the guests find in WORK."""
    for folder in ("out", "claims"):
        os.makedirs(os.path.join(work, folder), exist_ok=True)
    with open(os.path.join(work, "settings"), "w", encoding="utf-8") as file:
        file.write(f"LIB={lib}\n")
        handed_on = (item for item in os.environ.items() if item[0].startswith(("WINSCARD_LOG", "WINSCARD_VM_")))
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in handed_on)


def together(shards, arguments):
    """Every shard in a process of its own; its lines are passed on, its counts added up. Whether all went well."""
    # Whoever ends this program ends the guests too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    children = [
        subprocess.Popen([sys.executable, os.path.abspath(__file__), f"--shard={shard}/{shards}", *arguments], stdout=subprocess.PIPE, text=True) for shard in range(shards)
    ]
    passed, failed = [], []

    def pass_on(child):
        for line in child.stdout:
            counts = re.fullmatch(r"(\d+) passed, (\d+) failed\n", line)
            if counts:
                passed.append(int(counts[1]))
                failed.append(int(counts[2]))
            else:
                print(line, end="", flush=True)

    threads = [threading.Thread(target=pass_on, args=(child,)) for child in children]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for child in children:
            child.terminate()
    statuses = [child.wait() for child in children]
    print(f"{sum(passed)} passed, {sum(failed)} failed", flush=True)
    # A shard that had nothing to do is none that failed.
    return len(passed) == shards and not sum(failed) and sum(passed) > 0 and all(status in (0, 1) for status in statuses)


def main():
    lib = os.environ.get("LIB") or "ours"
    shard = re.fullmatch(r"--shard=(\d+)/(\d+)", sys.argv[1])
    if shard:
        work, *wanted = sys.argv[2:]
        sys.exit(Suite(work, lib, int(shard[1]), int(shard[2])).run(wanted))
    work, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    settle(work, lib)
    shards = int(os.environ.get("WINSCARD_VM_SHARDS") or 1)
    if shards == 1:
        sys.exit(Suite(work, lib, 0, 1).run(wanted))
    sys.exit(0 if together(shards, [work, *wanted]) else 1)


if __name__ == "__main__":
    main()
