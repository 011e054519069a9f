#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The DLL under Wine, beside the library on Linux: the same programs, the same questions. Started by tests/windows/run, which has built
everything; the last line is "N passed, N failed". With words, only the cases are run whose names contain one of them."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

WORK, LIBRARY, ROOT = sys.argv[1:4]
ONLY = sys.argv[4:]
WINE = "/usr/lib/wine/wine64"
# A slow and noisy machine's patience, for what is to happen at once.
PATIENCE = 120

SHARED, EXCLUSIVE, DIRECT = 2, 1, 3
LEAVE, RESET = 0, 1


class Side:
    """One of the two systems: how a program is started there, and how files are called."""

    def __init__(self, name):
        self.name = name
        self.wine = name == "wine"
        self.folder = os.path.join(WORK, name)

    def command(self, program, *words):
        if self.wine:
            return [WINE, os.path.join(self.folder, program + ".exe"), *words]
        return [os.path.join(self.folder, program), *words]

    def environment(self, sim):
        environment = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "config"))
        environment["XDG_RUNTIME_DIR"] = self.folder
        environment.pop("WINSCARD_SIM", None)
        if sim:
            environment["WINSCARD_SIM"] = sim
        if self.wine:
            environment.update(WINEPREFIX=os.path.join(WORK, "prefix"), WINEDEBUG="-all", WINEDLLOVERRIDES="winscard=n")
        else:
            environment["LD_LIBRARY_PATH"] = LIBRARY
        return environment

    def path(self, path):
        return "Z:" + path.replace("/", "\\") if self.wine else path

    def output(self, program, *words, sim="builtin", status=0):
        """What a program prints, line by line."""
        done = subprocess.run(self.command(program, *words), env=self.environment(sim), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=PATIENCE, cwd=self.folder)
        assert done.returncode == status, f"{self.name}: {program} ended with {done.returncode}: {done.stdout!r}"
        return done.stdout.decode().replace("\r\n", "\n").splitlines()


LINUX, WINDOWS = Side("linux"), Side("wine")


class Process:
    """A program that answers each line with a line."""

    def __init__(self, side, program, *words, sim):
        self.process = subprocess.Popen(side.command(program, *words), env=side.environment(sim), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, cwd=side.folder)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode().strip())
        self.lines.put(None)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, patience=PATIENCE):
        line = self.lines.get(timeout=patience)
        assert line is not None, f"the program has ended with {self.process.wait()}"
        return line

    def is_silent(self, seconds):
        try:
            self.lines.put(self.lines.get(timeout=seconds))
            return False
        except queue.Empty:
            return True

    def ask(self, line):
        self.tell(line)
        return self.hear()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Bench:
    """A software reader's server and programs that use it, all on one side."""

    def __init__(self, side, name, *devices):
        self.side = side
        self.socket = os.path.join(side.folder, name + ".sim")
        self.programs = []
        self.server = subprocess.Popen(side.command("software_reader", side.path(self.socket), *devices), env=side.environment(None),
                                       stdin=subprocess.DEVNULL, cwd=side.folder)
        self.control("readers")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for program in self.programs:
            program.kill()
        self.control("quit")
        self.server.wait(PATIENCE)

    def control(self, command):
        """A command over the control channel, which the server may not have opened yet."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self._control(command)
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < end and self.server.poll() is None, "there is no server"
                time.sleep(0.05)

    def _control(self, command):
        if self.side.wine:
            address, port = open(self.socket).read().strip().split(":")
            stream = socket.create_connection((address, int(port)), PATIENCE)
        else:
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(PATIENCE)
            stream.connect(self.socket)
        with stream, stream.makefile("rw") as file:
            file.write(command + "\n")
            file.flush()
            lines = []
            for line in file:
                if line == "ok\n":
                    return lines
                assert not line.startswith("error"), line
                lines.append(line.strip())
        assert command == "quit", f"{command}: {lines}"
        return lines

    def program(self, program="agent"):
        """A program with a context, which uses the first reader."""
        agent = Process(self.side, program, sim=self.side.path(self.socket))
        self.programs.append(agent)
        assert agent.ask("establish") == "0"
        code, names = agent.ask("list").split(" ", 1)
        assert code == "0"
        agent.ask("use " + names.split("|")[0])
        return agent

    def connected(self, mode=SHARED):
        agent = self.program()
        assert agent.ask(f"connect {mode} 3") == "0 2"
        return agent


CASES = []


def case(function):
    CASES.append((function.__name__, function))
    return function


def on_both(function):
    """A case that is the same on both sides."""
    for side in (LINUX, WINDOWS):
        CASES.append((f"{function.__name__} ({side.name})", lambda side=side: function(side)))
    return function


SELECT = "00A40000023F00"
READ = "00B0810004"


def listed(*marks):
    """The names in winscard.def without those of other platforms."""
    names = []
    for line in open(os.path.join(ROOT, "winscard.def")).read().splitlines():
        found = re.fullmatch(r"\s+(\w+)( DATA)?( ; (\w+))?", line)
        if found and found[4] in (None, *marks):
            names.append(found[1])
    return names


@case
def the_dll_exports_what_the_list_says_and_undecorated():
    text = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", os.path.join(WINDOWS.folder, "winscard.dll")], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    table = text.split("[Ordinal/Name Pointer] Table", 1)[1].split("\n\n", 1)[0]
    names = re.findall(r"\[ *\d+\] .*?(\w+)$", table, re.M)
    assert sorted(names) == sorted(listed("windows")), sorted(set(names) ^ set(listed("windows")))
    assert re.search(r"^Name\s+\w+ winscard.dll$", text, re.M), "its name"
    for plain in ("SCardConnect", "SCardStatus", "SCardListReaders", "pcsc_stringify_error"):
        assert plain not in names


@case
def the_dll_exports_all_that_the_import_library_of_mingw_names():
    text = subprocess.run(["x86_64-w64-mingw32-nm", "/usr/x86_64-w64-mingw32/lib/libwinscard.a"], stdout=subprocess.PIPE, check=True,
                          stderr=subprocess.DEVNULL).stdout.decode()
    names = set(re.findall(r" T (SCard\w+)$", text, re.M)) | set(re.findall(r" I __imp_(g_\w+)$", text, re.M))
    # Not documented, and used by nobody but Windows itself.
    internal = {"SCardAccessNewReaderEvent", "SCardReleaseAllEvents", "SCardReleaseNewReaderEvent"}
    assert len(names) > 70
    assert not names - internal - set(listed("windows")), names - internal - set(listed("windows"))


@case
def one_source_gives_the_same_results():
    results = [side.output("same") for side in (LINUX, WINDOWS)]
    common = [[line for line in result if not line.startswith("platform: ")] for result in results]
    assert len(common[0]) > 70, len(common[0])
    assert common[0] == common[1], difference(*common)


@case
def the_two_differ_where_the_document_says():
    lines = [[line for line in side.output("same") if line.startswith("platform: ")] for side in (LINUX, WINDOWS)]
    expected = [
        ("31 characters", "32 characters"),
        ("state 34", "state 6"),
        ("unknown attribute: 8010001F", "unknown attribute: 80100022"),
        ("unknown control code: 8010001F", "unknown control code: 80100022"),
        ("connect to the reader itself beside: 00000000", "connect to the reader itself beside: 8010000B"),
        ("end: 00000000", "end: 80100016"),
        ("reconnect, nowhere to store the protocol: 80100004", "reconnect, nowhere to store the protocol: 00000000"),
        ("connect beside that: 00000000", "connect beside that: 8010000B"),
        ("end with an ejection: 8010001F", "end with an ejection: 80100016"),
        ("free without a context: 80100003", "free without a context: 00000000"),
    ]
    for column, side in enumerate(lines):
        assert side == ["platform: " + row[column] for row in expected], side


@case
def the_a_and_w_forms_agree_on_both():
    results = [side.output("forms") for side in (LINUX, WINDOWS)]
    assert len(results[0]) > 50 and "match 1" in results[0]
    assert results[0] == results[1], difference(*results)


@case
def microsofts_example_of_scardreconnect_works_as_written():
    for words, before in ((["shared"], "00000000"), (["direct"], "8010000F"), (["shared", "reset"], "80100068")):
        for side in (LINUX, WINDOWS):
            result = side.output("seed", *words)
            assert result[1:] == ["00000000, protocol 2", "after: 00000000"], (side.name, words, result)
            # On Linux a connection to the reader itself may send, once somebody has chosen a protocol.
            assert result[0] == f"before: {before}", (side.name, words, result)


@case
def a_program_linked_with_the_import_library_made_from_the_list_works():
    for program in ("seed_lib", "seed_a"):
        assert WINDOWS.output(program, "shared")[1] == "00000000, protocol 2"


@on_both
def without_a_reader_there_is_none(side):
    with Bench(side, "none") as bench:
        agent = bench.program()
        bench.control("unplug 0")
        assert agent.ask("list") == "8010002E"
        bench.control("plug 0")
        assert agent.ask("list").startswith("0 ")


@on_both
def a_transaction_waits_for_anothers(side):
    with Bench(side, "transaction") as bench:
        one, two = bench.connected(), bench.connected()
        assert one.ask("begin") == "0"
        two.tell("begin")
        assert two.is_silent(0.7), "it did not wait"
        assert one.ask("transmit " + SELECT) == "0 9000"
        assert one.ask("end 0") == "0"
        assert two.hear() == "0"
        one.tell("transmit " + SELECT)
        assert one.is_silent(0.7), "it did not wait"
        assert two.ask("end 0") == "0"
        assert one.hear() == "0 9000"


@on_both
def a_reset_is_seen_by_the_other(side):
    with Bench(side, "reset") as bench:
        one, two = bench.connected(), bench.connected()
        assert one.ask("begin") == "0"
        assert one.ask("end 1") == "0"
        assert two.ask("transmit " + READ) == "80100068"
        assert two.ask(f"reconnect {SHARED} 3 0") == "0 2"
        assert two.ask("transmit " + READ) == "0 000102039000"


@on_both
def the_death_of_an_owner_frees_the_card_and_resets_it(side):
    with Bench(side, "death") as bench:
        one, two = bench.connected(), bench.connected()
        assert one.ask("begin") == "0"
        two.tell("begin")
        assert two.is_silent(0.7), "it did not wait"
        one.kill()
        # Woken by the death, and told that the card was reset.
        assert two.hear() == "80100068"
        assert two.ask(f"reconnect {SHARED} 3 0") == "0 2"
        assert two.ask("begin") == "0"
        assert two.ask("transmit " + READ) == "0 000102039000"


@on_both
def an_exclusive_user_keeps_others_out_until_he_dies(side):
    with Bench(side, "exclusive") as bench:
        one, two = bench.connected(EXCLUSIVE), bench.program()
        assert two.ask(f"connect {SHARED} 3").startswith("8010000B")
        one.kill()
        end = time.monotonic() + PATIENCE
        while (reply := two.ask(f"connect {SHARED} 3")) != "0 2":
            assert reply.startswith("8010000B") and time.monotonic() < end, reply
        assert two.ask(f"reconnect {EXCLUSIVE} 3 0") == "0 2"
        assert two.ask(f"reconnect {SHARED} 3 0") == "0 2"
        third = bench.connected()
        assert third.ask("disconnect 0") == "0"


@on_both
def a_reader_that_nobody_can_take_is_given_back_and_shared_all_the_same(side):
    """The arbitration of WinUSB devices, on the software reader."""
    with Bench(side, "alone", "one-user=yes") as bench:
        one, two = bench.connected(), bench.connected()
        for agent in (one, two, one):
            assert agent.ask("transmit " + READ) == "0 000102039000"
        assert one.ask("begin") == "0"
        two.tell("begin")
        assert two.is_silent(0.7), "it did not wait"
        assert one.ask("transmit " + SELECT) == "0 9000"
        one.kill()
        assert two.hear() == "80100068"
        assert two.ask(f"reconnect {SHARED} 3 0") == "0 2"
        assert two.ask("transmit " + READ) == "0 000102039000"
        third = bench.connected()
        assert third.ask("transmit " + READ) == "0 000102039000"
        word = int(third.ask("change 0 0").split()[1], 16) & ~2
        third.tell(f"change 60000 {word:x}")
        assert third.is_silent(0.5)
        assert two.ask("transmit " + READ) == "0 000102039000"
        bench.control("remove 0")
        assert int(third.hear().split()[1], 16) & 0x12 == 0x12
        assert two.ask("transmit " + READ).split()[0] == "80100069"


@on_both
def two_processes_wait_and_both_see_a_card_come_and_go(side):
    with Bench(side, "card") as bench:
        one, two = bench.program(), bench.program()
        bench.control("remove 0")
        words = []
        for agent in (one, two):
            code, word = agent.ask("change 0 0").split()
            assert code == "0" and int(word, 16) & 0x10, word
            words.append(int(word, 16) & ~2)
            agent.tell(f"change 60000 {words[-1]:x}")
        assert one.is_silent(0.5) and two.is_silent(0.5)
        bench.control("insert 0")
        for agent in (one, two):
            code, word = agent.hear().split()
            assert code == "0" and int(word, 16) & 0x22 == 0x22, word
            agent.tell(f"change 60000 {int(word, 16) & ~2:x}")
        assert one.is_silent(0.5) and two.is_silent(0.5)
        bench.control("remove 0")
        for agent in (one, two):
            code, word = agent.hear().split()
            assert code == "0" and int(word, 16) & 0x12 == 0x12, word


@on_both
def the_watcher_dies_and_the_other_goes_on(side):
    with Bench(side, "watcher") as bench:
        agents = [bench.program(), bench.program()]
        for agent in agents:
            word = int(agent.ask("change 0 0").split()[1], 16) & ~2
            agent.tell(f"change 60000 {word:x}")
        assert all(agent.is_silent(0.5) for agent in agents)
        agents[0].kill()
        assert agents[1].is_silent(0.5)
        bench.control("remove 0")
        assert int(agents[1].hear().split()[1], 16) & 0x12 == 0x12


@on_both
def readers_that_come_and_go_wake_who_waits_for_the_list(side):
    with Bench(side, "plug") as bench:
        agent = bench.program()
        agent.tell("change 60000 0 PnP")
        assert agent.is_silent(0.5)
        bench.control("add level=tpdu")
        code, word = agent.hear().split()
        assert code == "0" and int(word, 16) & 2
        assert agent.ask("list").count("|") == 1
        agent.tell("change 60000 0 PnP")
        assert agent.is_silent(0.5)
        bench.control("unplug 0")
        assert agent.hear().split()[0] == "0"


@on_both
def calls_on_a_reader_that_was_unplugged(side):
    gone = "80100017" if side.wine else "80100011"
    with Bench(side, "gone") as bench:
        agent = bench.connected()
        bench.control("unplug 0")
        assert agent.ask("transmit " + READ).split()[0] == gone
        assert agent.ask("begin") == gone
        assert agent.ask("status").split()[0] == "80100017"
        assert agent.ask("disconnect 0") == "0"


@on_both
def a_mute_card(side):
    with Bench(side, "mute", "card=mute") as bench:
        agent = bench.program()
        assert agent.ask(f"connect {SHARED} 3").split()[0] == ("80100066" if side.wine else "80100067")


@on_both
def transactions_of_several_processes_exclude_each_other(side):
    """Each reads a number in the card and writes the next one, many times: none is lost."""
    rounds, count = 12, 3
    with Bench(side, "counter", "level=tpdu,card=t1") as bench:
        agents = [bench.connected() for _ in range(count)]
        assert agents[0].ask("transmit 00D681000400000000") == "0 9000"

        def work(agent):
            for _ in range(rounds):
                assert agent.ask("begin") == "0"
                code, answer = agent.ask("transmit " + READ).split()
                assert code == "0" and answer.endswith("9000"), answer
                number = int(answer[:8], 16) + 1
                assert agent.ask(f"transmit 00D6810004{number:08X}") == "0 9000"
                assert agent.ask("end 0") == "0"

        failures = []

        def guarded(agent):
            try:
                work(agent)
            except BaseException as error:  # noqa: told by the main thread
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(agent,)) for agent in agents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures
        assert agents[0].ask("transmit " + READ) == f"0 {rounds * count:08X}9000"


@on_both
def the_database_is_safe_under_concurrent_writers(side):
    programs = [subprocess.Popen(side.command("writer", str(number)), env=side.environment("builtin"), stdin=subprocess.DEVNULL,
                                 cwd=side.folder) for number in range(3)]
    assert [program.wait(PATIENCE) for program in programs] == [0, 0, 0]
    assert side.output("writer", "count", "24") == ["24 of 24"]
    assert side.output("writer", "clear", "24") == ["0 of 24"]


@case
def the_database_is_in_the_registry_where_windows_has_it():
    assert WINDOWS.output("writer", "7") == []
    key = "HKCU\\Software\\Microsoft\\Cryptography\\Calais\\"
    text = registry("query", key + "Readers\\writer 7 3")
    assert re.search(r"Device\s+REG_SZ\s+some device", text), text
    assert re.search(r"Groups\s+REG_MULTI_SZ\s+SCard\$DefaultReaders", text), text
    # What somebody else has stored there is found.
    registry("add", key + "SmartCards\\Foreign Card", "/v", "ATR", "/t", "REG_BINARY", "/d", "3B00", "/f")
    assert WINDOWS.output("writer", "cards") == ["Foreign Card"]
    registry("delete", key + "SmartCards\\Foreign Card", "/f")
    assert WINDOWS.output("writer", "cards") == []
    WINDOWS.output("writer", "clear", "64")


def registry(*words):
    done = subprocess.run([WINE, "reg", *words], env=WINDOWS.environment(None), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          timeout=PATIENCE)
    assert done.returncode == 0, (words, done.stdout)
    return done.stdout.decode(errors="replace")


def difference(one, other):
    return [pair for pair in zip(one, other) if pair[0] != pair[1]][:5] or (len(one), len(other))


def main():
    passed = failed = 0
    for name, function in CASES:
        if ONLY and not any(word in name for word in ONLY):
            continue
        start = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok      {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:  # any failure of a case, its reason follows
            failed += 1
            print(f"FAILED  {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


sys.exit(main())
