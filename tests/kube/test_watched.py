"""One wait's sight of a stream, over random orders of changes, lists and re-lists: never wrong, never back, nothing missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_e2e.kube.labels import LabelSelector, ObjectSelector
from platform_e2e.kube.objects import Key, Object
from platform_e2e.kube.subscribers import Changed, Listed, NotServed, Subscriber, Trouble
from platform_e2e.kube.watched import WatchView

Seen = dict[str, int]
NAMES = ["a", "b", "c"]


def thing(name: str, revision: int, *, wanted: bool = True) -> Object:
    labels = {"wanted": "yes" if wanted else "no"}
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(revision), "labels": labels}}


class NoSubscription(Subscriber):
    """A subscription that requests nothing; the test delivers the messages."""

    def __init__(self) -> None:
        pass

    def wants_list(self) -> bool:
        return False

    def ask(self) -> None:
        pass

    def fetch(self, deadline: float) -> None:
        raise AssertionError("nobody lists by itself here")

    def took(self, size: int) -> None:
        pass

    def leave(self) -> None:
        pass


def shape(objects: Mapping[Key, Object]) -> Seen:
    return {name: int(obj["metadata"]["resourceVersion"]) for (_, name), obj in sorted(objects.items())}


def make_view(choice: ObjectSelector | None = None) -> WatchView[Seen]:
    labelled = ObjectSelector(namespace="ns", labels=LabelSelector.parse("wanted=yes"))
    return WatchView(NoSubscription(), choice or labelled, shape)


@dataclass
class World:
    """The truth, a stream that tells it late, and lists that overtake the stream."""

    view: WatchView[Seen]
    revision: int = 10
    objects: dict[str, Object] = field(default_factory=dict)
    truth: list[tuple[int, Seen]] = field(default_factory=list)
    undelivered: list[Changed] = field(default_factory=list)
    pending: list[Listed] = field(default_factory=list)
    yielded: list[Seen] = field(default_factory=list)
    disturbed: bool = False
    asked_at: int = 0

    def __post_init__(self) -> None:
        self.remember()

    def remember(self) -> None:
        self.truth.append(
            (
                self.revision,
                {
                    n: int(o["metadata"]["resourceVersion"])
                    for n, o in sorted(self.objects.items())
                    if o["metadata"]["labels"]["wanted"] == "yes"
                },
            )
        )

    def write(self, name: str, what: str) -> None:
        self.revision += 1
        key = ("ns", name)
        if what == "delete":
            if self.objects.pop(name, None) is None:
                self.revision -= 1
                return
            self.undelivered.append(Changed(key, self.revision, None))
        else:
            self.objects[name] = thing(name, self.revision, wanted=what == "wanted")
            self.undelivered.append(Changed(key, self.revision, self.objects[name]))
        self.remember()

    def listed(self, *, relisted: bool = False, fresh: bool = True) -> Listed:
        return Listed(self.revision, {("ns", n): o for n, o in self.objects.items()}, fresh, relisted)

    def take(self, message: object) -> None:
        for _ in self.view.take(message):
            if self.view.known():
                self.yielded.append(self.view.state())

    def step(self, action: tuple[str, str, str]) -> None:
        what, name, how = action
        match what:
            case "write":
                self.write(name, how)
            case "tell" if self.undelivered:
                self.take(self.undelivered.pop(0))
            case "ask" if not self.pending:
                self.pending.append(self.listed())
            case "answer" if self.pending:
                self.take(self.pending.pop())
            case "relist":
                # A stream lists once at a time: the answer to an earlier list is never told after a newer list.
                while self.pending:
                    self.take(self.pending.pop())
                self.undelivered.clear()
                self.disturbed = True
                self.take(self.listed(relisted=True, fresh=how == "wanted"))
            case "reread":
                # A list that was requested before is not new enough any more.
                self.pending.clear()
                self.disturbed = True
                self.view.reread()

    def drain(self) -> None:
        while self.undelivered:
            self.take(self.undelivered.pop(0))


actions = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "tell", "tell", "ask", "answer", "relist", "reread"]),
        st.sampled_from(NAMES),
        st.sampled_from(["wanted", "wanted", "unwanted", "delete"]),
    ),
    max_size=25,
)
calm = actions.map(lambda steps: [step for step in steps if step[0] not in {"relist", "reread"}])


def revisions_of(truth: list[tuple[int, Seen]], yielded: list[Seen], since: int) -> Iterator[int]:
    """Return for each state the earliest moment, not before the last one's, at which it was true."""
    at = since
    for state in yielded:
        moment = next((revision for revision, seen in truth if revision >= at and seen == state), None)
        assert moment is not None, f"{state} was never true from revision {at} on: {truth}"
        at = moment
        yield at


@given(before=actions, after=actions)
@settings(max_examples=150, deadline=None, database=None)
def test_every_state_was_true_none_goes_back_and_the_last_is_the_present(
    before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    world = World(make_view())
    for action in before:
        if action[0] == "write":
            world.write(action[1], action[2])
    # The stream is anywhere in the past when the wait joins it.
    world.undelivered = world.undelivered[len(before) // 2 :]
    joined = world.revision
    for action in after:
        world.step(action)
    world.drain()
    world.take(world.listed())
    assert list(revisions_of(world.truth, world.yielded, joined))[-1:] >= [joined]
    assert world.view.state() == world.truth[-1][1]


@given(before=calm, after=calm)
@settings(max_examples=150, deadline=None, database=None)
def test_without_a_relist_no_state_is_missed(
    before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    world = World(make_view())
    for action in before:
        if action[0] == "write":
            world.write(action[1], action[2])
    world.step(("ask", "a", "wanted"))
    begun = world.revision
    for action in after:
        world.step(action)
    if world.pending:
        world.take(world.pending.pop())
    world.drain()
    if not world.view.known():
        return
    first = world.truth.index(
        next(entry for entry in world.truth if entry[0] >= begun and entry[1] == world.yielded[0])
    )
    expected = [seen for _, seen in world.truth[first:]]
    assert without_repeats(world.yielded) == without_repeats(expected)


def without_repeats(states: list[Seen]) -> list[Seen]:
    return [state for number, state in enumerate(states) if number == 0 or state != states[number - 1]]


@given(before=calm, between=calm, after=calm)
@settings(max_examples=150, deadline=None, database=None)
def test_catching_up_settles_only_when_everything_up_to_the_list_was_seen(
    before: list[tuple[str, str, str]], between: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    world = World(make_view())
    world.take(world.listed())
    for action in [*before, *between]:
        if action[0] in {"write", "tell"}:
            world.step(action)
    world.view.catch_up()
    goal = world.listed()
    assert not world.view.settled()
    world.take(goal)
    for action in after:
        if action[0] in {"write", "tell"}:
            world.step(action)
        told = world.undelivered[0].revision - 1 if world.undelivered else world.revision
        missing = [change for change in world.undelivered if change.revision <= goal.revision]
        if world.view.settled():
            # What is still to come of it can only be of objects that are not there any more and never were seen.
            assert all(change.key not in goal.objects for change in missing), (told, goal.revision)
    world.drain()
    assert world.view.settled()


def test_nothing_is_known_before_a_list_that_is_new_enough() -> None:
    world = World(make_view())
    world.write("a", "wanted")
    world.drain()
    assert not world.view.known()
    world.take(world.listed(relisted=True, fresh=False))
    assert not world.view.known()
    world.take(world.listed())
    assert world.view.known()
    assert world.yielded == [{"a": 11}]


def test_changes_that_overtake_the_first_list_are_judged_one_by_one() -> None:
    world = World(make_view())
    early = world.listed()
    for what in ("wanted", "wanted", "delete"):
        world.write("a", what)
    world.drain()
    world.take(early)
    assert world.yielded == [{}, {"a": 11}, {"a": 12}, {}]


def test_a_label_that_is_lost_removes_the_object() -> None:
    world = World(make_view())
    world.take(world.listed())
    world.write("a", "wanted")
    world.write("a", "unwanted")
    world.drain()
    assert world.yielded == [{}, {"a": 11}, {}]


def test_an_unserved_kind_is_an_empty_state_and_no_gap_when_it_comes() -> None:
    view = make_view()
    assert list(view.take(NotServed(fresh=False))) == []
    assert not view.known()
    assert len(list(view.take(NotServed()))) == 1
    assert view.state() == {}
    assert list(view.take(NotServed())) == []
    assert len(list(view.take(Listed(50, {("ns", "a"): thing("a", 40)}, relisted=True)))) == 1
    assert view.state() == {"a": 40}
    assert view.gaps == 0


def test_a_relist_counts_as_a_gap() -> None:
    world = World(make_view())
    world.take(world.listed())
    world.write("a", "wanted")
    world.take(world.listed(relisted=True))
    assert world.view.gaps == 1
    assert world.view.state() == {"a": 11}


def test_a_store_that_was_replaced_by_an_older_one_is_believed() -> None:
    world = World(make_view())
    world.write("a", "wanted")
    world.take(world.listed())
    old = Listed(5, {("ns", "b"): thing("b", 4)}, fresh=False, relisted=True, restored=True)
    world.take(old)
    assert world.view.state() == {"b": 4}
    world.take(Changed(("ns", "b"), 6, thing("b", 6)))
    assert world.view.state() == {"b": 6}


def test_a_trouble_is_known_until_it_is_over() -> None:
    view = make_view()
    assert list(view.take(Trouble("connection refused"))) == []
    assert view.trouble == "connection refused"
    list(view.take(Listed(5, {})))
    assert view.trouble == ""


def test_one_object_is_found_among_many() -> None:
    view = make_view(ObjectSelector(key=("ns", "b")))
    list(view.take(Listed(9, {("ns", name): thing(name, 5) for name in NAMES})))
    assert view.state() == {"b": 5}


def test_a_relist_that_is_older_than_what_the_wait_has_read_is_left_out() -> None:
    world = World(make_view())
    older = world.listed(relisted=True, fresh=False)
    world.write("a", "wanted")
    world.take(world.listed())
    world.take(older)
    assert world.view.state() == {"a": 11}
    assert world.view.gaps == 0
