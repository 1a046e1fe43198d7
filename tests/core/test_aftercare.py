"""What is due after which end, and the one case in which an original may leave."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from twofold.core.aftercare import (
    COPIED,
    Act,
    End,
    OriginalFacts,
    Sameness,
    argv_of,
    compare,
    due,
    hook_after,
    refusal,
    wants_note,
)
from twofold.core.codes import Code
from twofold.core.job import FileVersion
from twofold.core.retry import SKIPPED
from twofold.core.settings import FailureNotes, Hooks, InboxSettings, Originals, Unprocessed
from twofold.core.states import State

INBOX = InboxSettings("a", b"/in", b"/out", "r")
ends = st.builds(
    End, st.sampled_from(State), st.none() | st.sampled_from(Code), current=st.booleans(), dismissed=st.booleans()
)
policies = st.sampled_from(
    [Originals(), Originals("delete"), Originals("archive", b"/old"), Originals("delete", synced_ok=True)]
)
inboxes = st.builds(
    lambda originals, notes, unprocessed: replace(
        INBOX, originals=originals, failure_notes=notes, unprocessed=unprocessed
    ),
    policies,
    st.sampled_from(get_args(FailureNotes)),
    st.sampled_from(get_args(Unprocessed)),
)
argv = st.sampled_from([(), ("/bin/true",)])
hooks = st.builds(Hooks, argv, argv, argv)
facts = st.builds(
    OriginalFacts, ends, st.booleans(), st.sampled_from(["", "/in/.stfolder"]), st.booleans(),
    st.sampled_from(Sameness), st.booleans(),
)  # fmt: skip


@given(facts)
def test_an_original_leaves_only_where_every_condition_holds(facts: OriginalFacts) -> None:
    every = (
        facts.end.state is State.DONE,
        facts.end.current,
        not facts.best_effort,
        not facts.synced or facts.synced_ok,
        facts.sameness is Sameness.SAME,
        facts.result_stands,
    )
    reason = refusal(facts)
    assert (reason is None) == all(every)
    assert reason is None or (reason.text and reason.hint)


@given(ends, inboxes, hooks)
def test_an_originals_turn_comes_only_after_done_and_only_if_asked_for(
    end: End, inbox: InboxSettings, hooks: Hooks
) -> None:
    wanted = inbox.originals.action != "keep" and end.state is State.DONE and end.current
    assert (Act.ORIGINAL in due(end, inbox, hooks)) == wanted


@given(ends, inboxes, hooks)
def test_acts_come_in_one_order_and_an_end_of_an_older_version_asks_for_its_hook_at_most(
    end: End, inbox: InboxSettings, hooks: Hooks
) -> None:
    acts = due(end, inbox, hooks)
    assert list(acts) == [act for act in Act if act in acts]
    assert end.current or set(acts) <= {Act.HOOK}
    assert (Act.HOOK in acts) == (bool(argv_of(hook_after(end.state), hooks)) and not end.dismissed)


@given(ends, inboxes, hooks)
def test_sidecars_follow_results_and_nothing_else(end: End, inbox: InboxSettings, hooks: Hooks) -> None:
    assert Act.COMPANIONS not in due(end, inbox, hooks)
    wanted = end.state is State.DONE and end.current
    assert (Act.COMPANIONS in due(end, replace(inbox, companions="copy"), hooks)) == wanted


@given(ends, inboxes, st.booleans())
def test_a_note_is_wanted_for_failures_only(end: End, inbox: InboxSettings, remote: bool) -> None:
    wanted = wants_note(end, inbox, remote_outbox=remote)
    asked = inbox.failure_notes == "always" or (inbox.failure_notes == "auto" and remote)
    assert wanted == (asked and end.state is State.FAILED and end.current and not end.dismissed)
    # Where it is not wanted it has to be seen to that there is none: the act is due either way.
    assert not wanted or Act.NOTE in due(end, inbox, Hooks())


def test_only_pictures_that_were_skipped_as_such_are_copied() -> None:
    inbox = replace(INBOX, unprocessed="copy")
    copied = {code for code in Code if Act.COPY in due(End(State.SKIPPED, code), inbox, Hooks())}
    assert copied == COPIED == {Code.ANIMATED, Code.ALREADY_LARGE, Code.OWN_RESULT}
    assert copied <= SKIPPED
    assert Act.COPY not in due(End(State.FAILED, Code.ANIMATED), inbox, Hooks())
    assert Act.COPY not in due(End(State.SKIPPED, Code.ANIMATED), INBOX, Hooks())


def test_files_are_compared_by_size_and_times() -> None:
    version = FileVersion(10, 2, 3, 4)
    assert compare(version, version) is Sameness.SAME
    assert compare(replace(version, inode=5), version) is Sameness.SAME
    assert compare(replace(version, ctime_ns=4), version) is Sameness.TOUCHED
    assert compare(replace(version, size=11), version) is Sameness.CHANGED
    assert compare(replace(version, mtime_ns=1), version) is Sameness.CHANGED
