"""Following a drop over the public interface: what is shown, when it ends, and how it is left."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from chalicelib.core.kinds import DROP
from chalicelib.flows.drop_work import DropLimits
from ops import watching
from ops.cli import main
from ops.watching import (
    MOST_FAILURES,
    MOST_QUIET_SECONDS,
    Answer,
    DropUnfinished,
    Lines,
    NotAllowed,
    Unreachable,
    end_of,
    follow,
    looking_at,
    showing,
    watch,
)
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import FixedClock
from tests.loopback import Bytes, HangUp, Loopback, Reply, Request, in_turn
from tests.storefront import open_storefront
from tests.stores import no_sleep


def answer(state: str = "RUNNING", *, at: int = 0, done: int = 0, **changes: Any) -> Answer:
    """What the interface says of a drop of ten records."""
    progress = {"phase": "folding", "records": 10, "done": done, "rejected": 1,
                "records_per_second": 2.0, "seconds_left": 5}  # fmt: skip
    return {
        "drop_id": "d-1",
        "key": "orders/a.csv",
        "state": state,
        "reason": None,
        "changed_at": f"2026-11-18T11:06:{at:02}Z",
        "counts": {"records": 10, "folded": done},
        "progress": progress if state == "RUNNING" else None,
        **changes,
    }


def answers(*said: Answer | Exception | None) -> Callable[[], Answer | None]:
    """One after the other; an exception is raised."""
    waiting: Iterator[Answer | Exception | None] = iter(said)

    def look() -> Answer | None:
        each = next(waiting)
        if isinstance(each, Exception):
            raise each
        return each

    return look


def test_every_answer_is_shown_until_the_end() -> None:
    """Nothing before work begins; the last answer is what is returned."""
    middle, end = answer(done=4), answer("COMPLETE", done=10)
    shown: list[Answer] = []

    ended = follow(answers(None, middle, end), show=shown.append, sleep=no_sleep)

    assert ended == end
    assert shown == [middle, end]


@pytest.mark.parametrize("state", ["COMPLETE", "REJECTED", "PARTIAL", "SOMETHING_NEW"])
def test_whatever_does_not_run_has_ended(state: str) -> None:
    """A state of a later release does not make an older command wait for ever."""
    assert follow(answers(answer(state)), show=no_show, sleep=no_sleep)["state"] == state


def no_show(_answer: Answer) -> None:
    """Look away."""


@pytest.mark.parametrize(
    ("said", "words"), [(None, "nobody has begun"), (answer(done=2), "2 folded")]
)
def test_silence_is_given_up(said: Answer | None, words: str) -> None:
    """A drop of which nothing new is heard is left, with how far it was."""
    clock = FixedClock(0)

    def sleep(_seconds: float) -> None:
        clock.forward(MOST_QUIET_SECONDS // 3)

    with pytest.raises(DropUnfinished, match=words):
        follow(lambda: said, show=no_show, sleep=sleep, clock=clock)


def test_slow_is_not_silent() -> None:
    """Hours are waited for as long as the drop moves."""
    clock = FixedClock(0)
    slow = [answer(at=nth, done=nth) for nth in range(10)]

    def sleep(_seconds: float) -> None:
        clock.forward(MOST_QUIET_SECONDS - 1)

    ended = follow(answers(*slow, answer("COMPLETE")), show=no_show, sleep=sleep, clock=clock)

    assert ended["state"] == "COMPLETE"


def test_an_interface_that_fails_for_a_while_is_asked_again() -> None:
    """A row of failures ends the watching, one here and there does not."""
    failures = [Unreachable("no")] * (MOST_FAILURES - 1)

    follow(
        answers(*failures, answer(), *failures, answer("COMPLETE")), show=no_show, sleep=no_sleep
    )
    with pytest.raises(Unreachable):
        follow(answers(*failures, Unreachable("no")), show=no_show, sleep=no_sleep)


# --- the interface ------------------------------------------------------------------------------


def test_a_drop_that_nobody_knows_yet_is_none() -> None:
    """404 says that nobody has begun; the key goes with each request."""
    with Loopback(in_turn(Reply(status=404), Reply(answer()))) as server:
        look = looking_at("d/1", url=server.url + "/", key="segue_x_y")
        assert look() is None
        assert look() == answer()

    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer segue_x_y"}
    assert {request.method for request in server.requests} == {"GET"}


@pytest.mark.parametrize(
    "bad", [HangUp(), Reply(status=503), Reply(status=429), Bytes(b"<html>")], ids=str
)
def test_what_may_pass_is_unreachable(bad: Any) -> None:
    """Also an answer that is none of the interface's."""
    with Loopback(in_turn(bad)) as server, pytest.raises(Unreachable):
        looking_at("d-1", url=server.url, key="k")()


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_is_said_at_once(status: int) -> None:
    """Asking again would not help."""
    with (
        Loopback(in_turn(Reply(status=status))) as server,
        pytest.raises(NotAllowed, match="scope read"),
    ):
        looking_at("d-1", url=server.url, key="k")()


def test_what_is_no_url_is_refused() -> None:
    """No file of this machine is ever read in place of an answer."""
    with pytest.raises(click.UsageError):
        looking_at("d-1", url="file:///etc", key="k")


# --- what a person sees -------------------------------------------------------------------------


def test_lines_are_for_phases_and_for_every_few_seconds() -> None:
    """A log is not flooded, and never silent for long while something moves."""
    clock, said = FixedClock(0), list[str]()
    lines = Lines(said.append, clock=clock)

    for nth in range(12):
        lines.show(answer(done=nth))
        clock.forward(1)
    lines.show(answer("COMPLETE"))

    assert said == [
        f"folding: {done} of 10 records, 2.0/s, 5 s left, 1 rejected" for done in (0, 5, 10)
    ]


def shown(console: Console, *said: Answer) -> str:
    """What appears on a console."""
    file = console.file
    assert isinstance(file, io.StringIO)
    with showing("orders/[bold]a.csv", console) as show:
        for each in said:
            show(each)
    return file.getvalue()


def test_where_there_is_no_terminal_there_are_plain_lines() -> None:
    """No colours, no movements of the cursor."""
    text = shown(Console(file=io.StringIO(), width=20), answer(done=4), answer("COMPLETE"))

    assert text == "folding: 4 of 10 records, 2.0/s, 5 s left, 1 rejected\n"


def test_on_a_terminal_a_bar_moves() -> None:
    """With records, pace, time left and rejects beside it; a name is never taken for markup."""
    console = Console(file=io.StringIO(), force_terminal=True, width=160)

    text = shown(console, answer(done=4), answer("COMPLETE"))

    assert "orders/[bold]a.csv" in text
    assert "4 of 10 records, 2.0/s, 5 s left, 1 rejected" in text
    assert "\x1b[" in text


@pytest.mark.parametrize(
    ("ended", "lines"),
    [
        (answer("COMPLETE", done=10), ["orders/a.csv: COMPLETE"]),
        (answer("REJECTED", reason="file: is empty"), ["orders/a.csv: REJECTED (file: is empty)"]),
        (
            answer("PARTIAL", failed_parts=["part 3", {"from": 5, "to": 9}]),
            ["orders/a.csv: PARTIAL", "failed: part 3", 'failed: {"from": 5, "to": 9}'],
        ),
        (
            answer(
                "PARTIAL",
                failed_parts=["range 2", "contest 1"],
                failures=[{"part": "range 2", "reason": "Broken: the disk is full"}],
            ),
            [
                "orders/a.csv: PARTIAL",
                "failed: range 2: Broken: the disk is full",
                "failed: contest 1",
            ],
        ),
    ],
)
def test_the_end_is_told_in_lines_and_as_json(ended: Answer, lines: Sequence[str]) -> None:
    """A person reads the first, a script the last."""
    *told, last = end_of(ended)

    assert told == lines
    assert json.loads(last) == {"drop_id": "d-1", "state": ended["state"], **ended["counts"]}


# --- Ctrl-C, and the command --------------------------------------------------------------------


def _watch(look: watching.Look, sleep: Callable[[float], None] = no_sleep) -> Answer:
    console = Console(file=io.StringIO())
    return watch("d-1", look, name="a.csv", again="AGAIN d-1", console=console, sleep=sleep)


def test_ctrl_c_leaves_the_drop_alone_and_says_how_to_watch_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It ends as a shell says of an interrupted command, without a traceback."""

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as left:
        _watch(lambda: answer(), interrupted)

    assert left.value.code == 130
    assert "d-1 goes on. To watch on: AGAIN d-1" in capsys.readouterr().err


def test_an_end_that_was_not_seen_says_how_to_watch_on() -> None:
    """The file may be done all the same."""
    with pytest.raises(click.ClickException, match="AGAIN d-1"):
        _watch(answers(*[Unreachable("no")] * MOST_FAILURES))


@pytest.mark.parametrize(("state", "code"), [("COMPLETE", 0), ("REJECTED", 1), ("PARTIAL", 1)])
def test_the_command_ends_as_the_drop_did(
    state: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drop that is named is watched without AWS; a script sees how it ended."""
    monkeypatch.setenv("SEGUE_API_KEY", "segue_x_y")
    with Loopback(lambda _: Reply(answer(state, done=10))) as server:
        result = CliRunner().invoke(main, ["drop", "--watch-id", "d-1", "--url", server.url])

    assert result.exit_code == code, result.output
    assert json.loads(result.output.splitlines()[-1])["state"] == state


def test_a_real_drop_is_followed_from_its_beginning_to_its_end() -> None:
    """Each look in the middle of the work is answered by the interface itself."""
    looks: list[Answer | None] = []
    with open_storefront() as shop:
        team = DataTeam(store=shop.store, limits=DropLimits(customers_at_once=5))
        rows = [order_row(f"o-{n}", f"c-{n:02}", days_ago=n) for n in range(19)]
        arrived = team.put("orders/a.csv", orders_csv(*rows, "o-x,c-x,never,1,USD,9"))

        def forward(request: Request) -> Bytes:
            path = f"/v1/drops/{request.operation.rpartition('/')[2]}"
            told = shop.call(request.method, path)
            return Bytes(told.body, {"Content-Type": "application/json"}, told.status_code)

        with Loopback(forward) as server:
            look = looking_at(arrived.drop_id, url=server.url, key="k")
            looks.append(look())
            write = team.store.write

            def watched(writes: Any, **options: Any) -> None:
                write(writes, **options)
                if [each.key.kind for each in writes] == [DROP]:
                    looks.append(look())

            team.store.write = watched  # type: ignore[method-assign]
            team.handle(arrived, clock=itertools.count().__next__)
            ended = follow(look, show=looks.append, sleep=no_sleep)

    assert looks[0] is None
    running = [each["progress"] for each in looks[1:] if each is not None and each["progress"]]
    assert [each["phase"] for each in running] == [
        "fetching", "reading", *["folding"] * 5, "finishing"
    ]  # fmt: skip
    assert [each["done"] for each in running[2:]] == [0, 5, 10, 15, 20, 20]
    assert running[3]["records_per_second"] is not None
    assert (ended["state"], ended["counts"]["records"], ended["counts"]["rejected"]) == (
        "COMPLETE",
        20,
        1,
    )
