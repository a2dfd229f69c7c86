"""What every polled source does. Subclasses say how one sends to it and what is left in it."""

from abc import ABC, abstractmethod

from approvals.intake.sources.base import PolledSource


class PolledSourceContract(ABC):
    batch = 10  # what one call gives at most

    @abstractmethod
    def source(self) -> PolledSource:
        """A reader of the queue under test."""

    @abstractmethod
    def send(self, *bodies: str) -> None:
        """Put messages into it."""

    @abstractmethod
    def left(self) -> int:
        """Messages that the queue still has, in hand or not."""

    def test_what_was_sent_is_received_as_it_was_sent(self):
        self.send("first", '{"ünï": "code"}')
        got = {item.body for _ in range(3) for item in self.source().receive()}
        assert got == {"first", '{"ünï": "code"}'}

    def test_an_empty_queue_gives_nothing(self):
        assert self.source().receive() == []

    def test_a_batch_has_at_most_what_one_call_gives(self):
        self.send(*(str(number) for number in range(self.batch + 2)))
        assert 1 <= len(self.source().receive()) <= self.batch

    def test_what_was_received_stays_until_it_is_forgotten(self):
        self.send("one")
        source = self.source()
        items = source.receive()
        assert self.left() == 1
        source.forget(items)
        assert self.left() == 0

    def test_forgetting_twice_is_harmless(self):
        self.send("one")
        source = self.source()
        items = source.receive()
        source.forget(items)
        source.forget(items)
