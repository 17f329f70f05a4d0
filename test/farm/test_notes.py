"""What a member notes, in memory and in a file."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from sipproxy.errors import StoreError
from sipproxy.farm.notes import INotes, Membership, MemoryNotes, Noted, SqliteNotes
from test.farm.fixtures import binding

A, B = (binding(b"sip:a@h"),), (binding(b"sip:b@h"),)
NOBODY = Membership("", 0)


class NotesTests:
    """What holds wherever they are kept."""

    notes: INotes

    def opened(self) -> INotes:
        """Give notes over what earlier ones have kept."""
        raise NotImplementedError

    async def reopen(self) -> None:
        """End the process, and start it again."""
        await self.notes.close()
        self.notes = self.opened()

    async def test_notes(self) -> None:
        """What was noted first of an address stays until the farm has heard of it; the farm is the last one."""
        self.notes = self.opened()
        assert verifyObject(INotes, self.notes)
        assert await self.notes.load() == Noted(NOBODY, {})
        await self.notes.add([(b"bob", A), (b"alice\xff", ())])
        await self.notes.add([(b"bob", B)])
        await self.notes.join(Membership("x", 5))
        await self.notes.join(Membership("y", 7))
        await self.reopen()
        assert await self.notes.load() == Noted(Membership("y", 7), {b"bob": A, b"alice\xff": ()})
        await self.notes.remove([b"bob", b"nobody"])
        await self.notes.add([(b"bob", B)])
        await self.reopen()
        assert (await self.notes.load()).pending == {b"bob": B, b"alice\xff": ()}
        await self.notes.close()


class MemoryNotesTests(NotesTests, TestCase):
    """In memory."""

    def setUp(self) -> None:
        self.memory = MemoryNotes()

    def opened(self) -> INotes:
        """Give the same ones."""
        return self.memory


class SqliteNotesTests(NotesTests, TestCase):
    """In a file."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def opened(self) -> Any:
        """Give notes in the file."""
        from twisted.internet import reactor

        return SqliteNotes(self.path, reactor, timeout=0.05)  # type: ignore[arg-type]

    async def test_locked(self) -> None:
        """A file that somebody else is writing is a StoreError, and nothing is noted."""
        notes = self.opened()
        await notes.load()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await self.assertFailure(notes.add([(b"bob", A)]), StoreError)
        assert (await notes.load()).pending == {}
        await notes.close()
