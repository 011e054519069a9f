#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""report.py FIGURES [README]: the benchmark's lines as a Markdown table, on standard output and between the README's markers."""
import sys

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
MEASURES = [
    ("transmit16-inside", "`SCardTransmit` in a transaction, 16-byte answer"),
    ("transmit16-outside", "`SCardTransmit` outside, 16-byte answer"),
    ("transmit256-inside", "`SCardTransmit` in a transaction, 256-byte answer"),
    ("transmit256-outside", "`SCardTransmit` outside, 256-byte answer"),
    ("status", "`SCardStatus`"),
    ("state-unknown", "`SCardGetStatusChange`, timeout 0, first look"),
    ("state-known", "`SCardGetStatusChange`, timeout 0, nothing new"),
    ("beginend", "`SCardBeginTransaction` + `SCardEndTransaction`"),
    ("context", "`SCardEstablishContext` + `SCardReleaseContext`"),
    ("process", "whole process: establish, list, connect, one APDU, exit"),
    ("ten", "transaction of ten APDUs, one process"),
    ("ten-watched", "the same with a watcher in another process"),
    ("ten-two", "the same by two processes in turn, each transaction"),
    ("heard-first", "card put in → `SCardGetStatusChange` returns"),
    ("heard-other", "the same in a second process"),
]
# The floor of an exchange is the same whether PC/SC has a transaction around it or not.
SAME_FLOOR = {"transmit16-outside": "transmit16-inside", "transmit256-outside": "transmit256-inside"}


def read(path):
    """(column, measure) → the lowest of its rounds' 10th percentiles, in microseconds: what disturbs a round only ever adds."""
    rounds = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            _, column, measure, p10, _, _ = line.split()
            rounds.setdefault((column, measure), []).append(int(p10) / 1000)
    return {key: min(values) for key, values in rounds.items()}


def cell(value, unit=""):
    if value is None:
        return "–"
    return (f"{value:,.0f}" if value >= 10 and not unit else f"{value:.2f}" if value < 10 else f"{value:.1f}") + unit


def ratio(upper, lower):
    return cell(upper / lower if upper is not None and lower else None, " ×")


def table(figures):
    lines = ["| | floor (µs) | winscard (µs) | pcscd (µs) | winscard / floor | pcscd / winscard |", "|---|--:|--:|--:|--:|--:|"]
    for measure, text in MEASURES:
        floor = figures.get(("floor", SAME_FLOOR.get(measure, measure)))
        ours, pcscd = figures.get(("ours", measure)), figures.get(("pcscd", measure))
        lines.append(f"| {text} | {cell(floor)} | {cell(ours)} | {cell(pcscd)} | {ratio(ours, floor)} | {ratio(pcscd, ours)} |")
    return "\n".join(lines)


def main():
    text = table(read(sys.argv[1]))
    print(text)
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as file:
            readme = file.read()
        head, begin, rest = readme.partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not begin or not end:
            sys.exit(f"{sys.argv[2]} lacks the lines {BEGIN} and {END}")
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.write(f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()
