#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Boots the guest and runs one script of the repository in it: machine.py [--cpus N] [--timeout S] [--work DIR] [--card PROGRAM] [--count] SCRIPT.

The serial console goes to standard output, the exit status is the script's (125: the guest died, 124: it took too long).
In the guest the command `host` moves cards and readers, see Machine.command.
"""
import argparse
import collections
import glob
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import card

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("WINSCARD_VM_CACHE") or os.path.join(HERE, ".cache")
KERNEL_NOISE = re.compile(r"^\[ *[0-9]+\.[0-9]+\]")
GUEST_DIED, TOOK_TOO_LONG = 125, 124


def kernel():
    """The guest's kernel: unpacked if that is to be had, as the guest takes 20 s for it on a slow machine."""
    found = glob.glob(os.path.join(CACHE, "kernel/boot/vmlinux")) or glob.glob(os.path.join(CACHE, "kernel/boot/vmlinuz-*"))
    if not found:
        raise SystemExit("no kernel: run tests/vm/prepare first")
    return found[0]


def connect(path):
    stream = socket.socket(socket.AF_UNIX)
    for _ in range(200):
        try:
            stream.connect(path)
            return stream
        except OSError:
            time.sleep(0.05)
    raise OSError(f"QEMU did not open {path}")


class Monitor:
    """QEMU's QMP: commands are answered in order, events are kept for whoever waits for one."""

    def __init__(self, path):
        self.stream = connect(path)
        self.answers, self.deleted = queue.Queue(), queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.execute("qmp_capabilities")

    def _read(self):
        for line in self.stream.makefile():
            message = json.loads(line)
            if message.get("event") == "DEVICE_DELETED":
                self.deleted.put(message["data"].get("device"))
            elif "return" in message or "error" in message:
                self.answers.put(message)

    def execute(self, command, **arguments):
        self.stream.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        answer = self.answers.get(timeout=20)
        if "error" in answer:
            raise RuntimeError(answer["error"].get("desc", "QMP error"))
        return answer["return"]


class Reader:
    """One usb-ccid reader with its card; the number decides port and names, so a re-plugged reader is the same one."""

    def __init__(self, folder, number, program=None):
        self.number, self.plugged = number, False
        self.ident, self.path = f"ccid{number}", os.path.join(folder, f"card{number}")
        self.card = card.Socket(self.path, program=program)

    def chardev(self):
        return ["-chardev", f"socket,id=card{self.number},path={self.path},server=on,wait=off"]

    def plug(self, monitor):
        if not self.plugged:
            monitor.execute("device_add", driver="usb-ccid", id=self.ident, bus="xhci.0", port=str(self.number + 1))
            slot = f"{self.ident}.0"
            monitor.execute("device_add", driver="ccid-card-passthru", id=f"icc{self.number}", bus=slot, chardev=f"card{self.number}")
            self.card.connect()
            self.plugged = True

    def unplug(self, monitor):
        if self.plugged:
            self.card.close()
            monitor.execute("device_del", id=self.ident)
            while monitor.deleted.get(timeout=20) != self.ident:
                pass
            self.plugged = False


class Machine:
    """The virtual machine. `on_line` gets every console line, `commands` are added to those the guest may give, `arguments` go to the script."""

    def __init__(self, script, work, cpus=2, memory=1536, on_line=print, commands=None, card_program=None, count=False, arguments=""):
        self.script, self.work, self.cpus, self.memory, self.card_program = script, work, cpus, memory, card_program
        self.on_line, self.commands, self.count, self.arguments = on_line, commands or {}, count, arguments
        self.status = GUEST_DIED
        self.timers = []
        self.tail = collections.deque(maxlen=25)  # the console as it was, kernel messages included

    def qemu(self, folder, readers):
        share = "security_model=none"
        # The guest's clock: the host's, or one that gains 1 ns with each instruction, and the host's time only where the guest idles.
        processor = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on"] if self.count else ["-accel", "tcg,thread=multi"]
        command = ["qemu-system-x86_64", *processor, "-smp", str(self.cpus), "-m", str(self.memory)]
        command += ["-kernel", kernel(), "-initrd", os.path.join(CACHE, "initrd")]
        # A program that lies elsewhere each time (norandmaps: it does not) is translated anew each time by the emulator, which costs more than running it.
        command += ["-append", f"console=ttyS0 quiet panic=-1 norandmaps winscard.script={self.script} winscard.arguments={self.arguments}"]
        command += ["-nodefaults", "-display", "none", "-no-reboot", "-net", "none", "-serial", "stdio"]
        command += ["-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
        command += ["-virtfs", f"local,path=/,mount_tag=host,{share},readonly=on,multidevs=remap"]
        command += ["-virtfs", f"local,path={REPO},mount_tag=repo,{share},readonly=on,multidevs=remap"]
        command += ["-virtfs", f"local,path={self.work},mount_tag=work,{share}"]
        command += ["-device", "virtio-serial-pci", "-chardev", f"socket,id=host,path={folder}/host,server=on,wait=off"]
        command += ["-device", "virtserialport,chardev=host,name=winscard.host", "-device", "qemu-xhci,id=xhci"]
        for reader in readers:
            command += reader.chardev()
        return command

    def run(self, timeout):
        """Boots, runs the script, and gives its exit status back."""
        folder = tempfile.mkdtemp(prefix="winscard-vm.")
        self.readers = [Reader(folder, number, self.card_program) for number in (0, 1)]
        qemu = subprocess.Popen(
            self.qemu(folder, self.readers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.process = qemu.pid
        # Whoever ends this program ends the guest too.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        expired = threading.Event()
        watchdog = threading.Timer(timeout, lambda: (expired.set(), qemu.kill()))
        watchdog.daemon = True
        watchdog.start()
        try:
            threading.Thread(target=self._serve, args=(folder,), daemon=True).start()
            for line in qemu.stdout:
                line = line.rstrip()
                self.tail.append(line)
                ended = re.match(r"guest exit (\d+)$", line)
                if ended:
                    self.status = int(ended.group(1))
                elif line and not KERNEL_NOISE.match(line):
                    self.on_line(line)
            qemu.wait()
        finally:
            watchdog.cancel()
            if qemu.poll() is None:
                qemu.kill()
                qemu.wait()
            shutil.rmtree(folder, ignore_errors=True)
        return TOOK_TOO_LONG if expired.is_set() else self.status

    def _serve(self, folder):
        """The other end of the guest's `host` command: a line in, a line back."""
        try:
            self.monitor = Monitor(f"{folder}/qmp")
            if self.card_program:
                self._settle()
            self.readers[0].plug(self.monitor)
            control = connect(f"{folder}/host")
            for line in control.makefile():
                try:
                    answer = self.command(line.split()) or "ok"
                except Exception as error:  # whatever went wrong, the guest must not wait for ever
                    answer = f"error {type(error).__name__}: {error}"
                control.sendall(answer.replace("\n", " ").encode() + b"\n")
        except OSError as error:
            self.on_line(f"machine: {error}")

    def _settle(self):
        """For measuring: the guest's processor has one of the host's to itself, everything else shares the others."""
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) > 1:
            guest = {cpu["thread-id"] for cpu in self.monitor.execute("query-cpus-fast")}
            for thread in map(int, os.listdir(f"/proc/{self.process}/task")):
                os.sched_setaffinity(thread, cpus[:1] if thread in guest else cpus[1:])
            os.sched_setaffinity(0, cpus[1:])  # and the programs that are the cards

    def command(self, words):
        """card[2] remove | card[2] insert [ATR] | reader[2] plug | reader[2] unplug | reset | later SECONDS COMMAND…
        emulated plug FOLDER CERTIFICATE CERTIFICATE CERTIFICATE | emulated unplug: QEMU's own card with an NSS database in WORK"""
        match words:
            case ["card" | "card2" as name, "remove"]:
                self._reader(name).card.remove()
            case ["card" | "card2" as name, "insert", *atr]:
                self._reader(name).card.insert(bytes.fromhex(atr[0]) if atr else None)
            case ["reader" | "reader2" as name, "plug"]:
                self._reader(name).plug(self.monitor)
            case ["reader" | "reader2" as name, "unplug"]:
                self._reader(name).unplug(self.monitor)
            case ["emulated", "plug", folder, first, second, third]:
                self._emulate(os.path.join(self.work, folder), first, second, third)
            case ["emulated", "unplug"]:
                self._remove("ccid9")
            case ["reset"]:
                self.reset()
            case ["later", seconds, *command]:
                timer = threading.Timer(float(seconds), self._later, (command,))
                timer.daemon = True
                timer.start()
                self.timers.append(timer)
            case [name, *arguments] if name in self.commands:
                return self.commands[name](*arguments)
            case _:
                return f"error: unknown command {' '.join(words)}"

    def _emulate(self, database, first, second, third):
        self.monitor.execute("device_add", driver="usb-ccid", id="ccid9", bus="xhci.0", port="4")
        self.monitor.execute(
            "device_add", driver="ccid-card-emulated", id="icc9", bus="ccid9.0", backend="certificates", db=f"sql:{database}", cert1=first, cert2=second, cert3=third
        )

    def _remove(self, device):
        """Unplugs a device if it is there."""
        try:
            self.monitor.execute("device_del", id=device)
        except RuntimeError:
            return
        while self.monitor.deleted.get(timeout=20) != device:
            pass

    def _later(self, command):
        try:
            answer = self.command(command)
        except Exception as error:
            answer = f"error {type(error).__name__}: {error}"
        if answer:
            self.on_line(f"machine: {' '.join(command)}: {answer}")

    def _reader(self, name):
        return self.readers[1 if name.endswith("2") else 0]

    def reset(self):
        """The state every case starts from: one reader, its card in it, and nothing planned."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        self.readers[1].unplug(self.monitor)
        self.readers[0].plug(self.monitor)
        for reader in self.readers:
            reader.card.inserted = True
            reader.card.atr = card.DEFAULT_ATR
        self.readers[0].card.remove()
        self.readers[0].card.insert(card.DEFAULT_ATR)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--work", default=".")
    parser.add_argument("--card", help="a program that answers the card's commands")
    parser.add_argument("script", help="path inside the repository")
    parser.add_argument("--count", action="store_true", help="instructions are the guest's clock: for measuring")
    options = parser.parse_args()
    machine = Machine(
        options.script,
        os.path.abspath(options.work),
        options.cpus,
        on_line=lambda line: print(line, flush=True),
        card_program=options.card,
        count=options.count,
    )
    sys.exit(machine.run(options.timeout))


if __name__ == "__main__":
    main()
