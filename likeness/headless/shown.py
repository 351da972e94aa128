"""How far a prompt is, line by line: in place on a terminal, a line at each tenth elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

TENTHS = 10
CLEAR = "\x1b[K"


@dataclass
class Shown:
    """`titles` are the nodes that are to run, in the prompt's order."""

    titles: Mapping[str, str]
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _begun: dict[str, int] = field(default_factory=dict)  # node: its number
    _line: str = ""
    _tenth: int = 0

    @property
    def in_place(self) -> bool:
        return self.stream.isatty()

    def cached(self, nodes: list[str]) -> None:
        """These need not run again."""
        for node in nodes:
            self._number(node)

    def begins(self, node: str) -> None:
        if node in self._begun and self._line == self._words(node):
            return
        self._number(node)
        self._tenth = 0
        self._say(self._words(node), fresh=True)

    def steps(self, node: str, done: int, total: int) -> None:
        """A node may tell in steps how far it is."""
        if total <= 1:
            return
        if node not in self._begun:
            self.begins(node)
        tenth = TENTHS * done // total
        if self.in_place or tenth > self._tenth:
            self._say(f"{self._words(node)}  {done}/{total}", fresh=False)
        self._tenth = max(self._tenth, tenth)

    def note(self, words: str) -> None:
        self.ends()
        print(words, file=self.stream, flush=True)

    def ends(self) -> None:
        """Leave the last line as it is."""
        if self.in_place and self._line:
            print(file=self.stream, flush=True)
        self._line = ""

    def _number(self, node: str) -> int:
        return self._begun.setdefault(node, len(self._begun) + 1)

    def _words(self, node: str) -> str:
        total = max(len(self.titles), len(self._begun))
        return f"[{self._begun[node]}/{total}] {self.titles.get(node, f'node {node}')}"

    def _say(self, line: str, fresh: bool) -> None:
        if line == self._line:
            return
        if self.in_place:
            if fresh:
                self.ends()
            print(f"\r{line}{CLEAR}", end="", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)
        self._line = line
