"""The relay's side of a plugin in Python: what an event is, how messages are made, and how answers go back.

`relay plugin new --lang python` writes this file; a newer relay writes a newer one. Change plugin.py instead.
"""

import json as _json
import traceback
from typing import Any, Callable, Optional

from componentize_py_types import Err
from wit_world.exports.transform import Description, Problem
from wit_world.imports import batch as _batch
from wit_world.imports import clock, types
from wit_world.imports import log as _log

_UNCHANGED = object()
_TYPES = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict}


def now() -> int:
    """Microseconds since the Unix epoch. Stands still within a batch, as `time.time()` does."""
    return clock.now()


def log(text: Any, level: str = "info") -> None:
    """A line for the relay's log; `level` is trace, debug, info, warn or error. `print` does the same."""
    _log.write(_log.Level[level.upper()], str(text))


class Answer(Exception):
    """What ends the work on one event; raise it, or return it."""

    def __init__(self, verdict: types.Verdict):
        super().__init__(verdict)
        self.verdict = verdict


def discard(reason: str) -> Answer:
    """Done without a message, counted under `reason`: a short text that does not vary with the event."""
    return Answer(types.Verdict_Discard(reason))


def reject(code: str, reason: str) -> Answer:
    """Never: the event becomes a dead letter. `code` is a word to group by; a reason names fields, never values."""
    return Answer(types.Verdict_Reject(types.Rejection(code, reason)))


def retry(reason: str, after_ms: Optional[int] = None) -> Answer:
    """Later: the event is tried again, and later events of its key wait."""
    return Answer(types.Verdict_Retry(types.RetryLater(reason, after_ms)))


def halt(reason: str) -> Answer:
    """Stops the pipeline until an operator acts."""
    return Answer(types.Verdict_Halt(reason))


class Event:
    """One committed outbox row: id, sequence, aggregate_type, aggregate_id, event_type, content_type, payload (bytes or
    None), occurred_at (microseconds), attempt. Its source, headers and attributes are fetched from the relay when they
    are asked for, as long as the event is handled: most plugins need none of them."""

    __slots__ = ("_row", "_index", "_headers", "_attributes")

    def __init__(self, row: types.Event, index: int):
        self._row = row
        self._index = index
        self._headers = None
        self._attributes = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)

    @property
    def key(self) -> str:
        """The key within which order is kept."""
        return self._row.aggregate_id

    @property
    def source(self) -> str:
        """The name of the source in the relay's configuration."""
        return _batch.source()

    @property
    def headers(self) -> list:
        """The headers that the application wrote: pairs of a name and bytes."""
        if self._headers is None:
            self._headers = _batch.headers_of(self._index)
        return self._headers

    @property
    def attributes(self) -> list:
        """Further columns of the outbox that the relay's configuration asked for: pairs of a name and a text."""
        if self._attributes is None:
            self._attributes = _batch.attributes_of(self._index)
        return self._attributes

    def text(self) -> str:
        """The payload as text. What is missing or is not UTF-8 makes a dead letter."""
        return self._decoded("not-text")

    def json(self) -> Any:
        """The payload as JSON. What is missing or is not JSON makes a dead letter, which shows none of its values."""
        text = self._decoded("not-json")
        try:
            return _json.loads(text)
        except _json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise reject("not-json", f"the payload is not JSON at {where}") from None

    def _decoded(self, code: str) -> str:
        if self._row.payload is None:
            raise reject(code, "the event has no payload (a tombstone)")
        try:
            return self._row.payload.decode()
        except UnicodeDecodeError as error:
            raise reject(code, f"the payload is not UTF-8 from byte {error.start} on") from None

    def header(self, name: str) -> Optional[bytes]:
        """The first header of this name."""
        return next((value for own, value in self.headers if own == name), None)

    def attribute(self, name: str) -> Optional[str]:
        """A further column of the outbox that the relay's configuration asked for."""
        return next((value for own, value in self.attributes if own == name), None)


def message(
    to: Optional[types.Target],
    *,
    key: Any = _UNCHANGED,
    body: Any = _UNCHANGED,
    json: Any = _UNCHANGED,
    headers: Optional[dict] = None,
    event_headers: bool = True,
    sink: Optional[str] = None,
    slot: Optional[str] = None,
) -> types.Message:
    """A message. Key, body and headers are the event's own unless you say otherwise.

    `key`, `body`: text or bytes; None: none. `json`: a value whose JSON is the body. `headers`: added, in place of
    inherited ones of the same name; `event_headers=False` leaves the inherited ones out. `sink`: only for the sink of
    this name. `slot`: names the message in its idempotency key, for plugins that may send more or fewer later."""
    if json is not _UNCHANGED:
        body = _json.dumps(json, ensure_ascii=False, separators=(",", ":"))
    added = [(name, _bytes(value)) for name, value in (headers or {}).items()]
    return types.Message(slot, sink, to, _content(key), _content(body), event_headers, added)


def kafka(topic: str, *, partition: Optional[int] = None, timestamp: Optional[int] = None, **parts) -> types.Message:
    """To a Kafka topic; `parts` are those of `message`."""
    return message(types.Target_Kafka(types.KafkaTarget(topic, partition, timestamp)), **parts)


def nats(subject: str, **parts) -> types.Message:
    """To a NATS subject; `parts` are those of `message`."""
    return message(types.Target_Nats(types.NatsTarget(subject)), **parts)


def http(path: str, *, method: Optional[str] = None, auth: Optional[str] = None, **parts) -> types.Message:
    """To a path of an HTTP sink, with the sink's credential called `auth`; `parts` are those of `message`."""
    return message(types.Target_Http(types.HttpTarget(path, method, auth)), **parts)


def following(**parts) -> types.Message:
    """To the pipeline's next plugin; after the last one, by the pipeline's own route."""
    return message(None, **parts)


def plugin(
    *,
    name: str,
    version: str,
    summary: str,
    transform: Callable[[Event, dict], Any],
    settings: Optional[dict] = None,
    check: Callable[[dict], list] = lambda settings: [],
) -> type:
    """Makes the class that the relay calls; name it `Transform`.

    - `name`, `version`, `summary`: shown by `relay plugin inspect`.
    - `settings`: a JSON Schema for each setting, with `description` and, where it may be left out, `default`.
    - `check(settings)`: what a schema can't say; gives a list of `("/topic", "is empty")`.
    - `transform(event, settings)`: gives a message, a list of them, or `discard(…)`, `reject(…)`, `retry(…)`.
    """

    # Each call is made on an object of its own, so what `configure` was given is kept beside it.
    given = {}

    class Plugin:
        def describe(self) -> Description:
            return Description(name, version, summary, settings and _json.dumps(_schema(settings)))

        def configure(self, config: str) -> None:
            values, problems = _read(_json.loads(config) or {}, settings or {})
            problems = problems or check(values)
            if problems:
                raise Err([Problem(path, words) for path, words in problems])
            given.clear()
            given.update(values)

        def transform(self, batch: list) -> list:
            return [_answer(transform, Event(row, index), given) for index, row in enumerate(batch)]

    return Plugin


def _answer(transform, event: Event, settings: dict) -> types.Verdict:
    try:
        given = transform(event, settings)
        if isinstance(given, Answer):
            return given.verdict
        messages = given if isinstance(given, list) else [given]
        if all(isinstance(it, types.Message) for it in messages):
            return types.Verdict_Publish(messages)
        raise TypeError("a plugin answers with a message, a list of messages, or discard(…) and the like")
    except Answer as answer:
        return answer.verdict
    except MemoryError:
        # Not this event's doing: the relay runs it again, alone, on a fresh instance.
        raise
    except Exception as error:
        # Its words may quote the payload: only the plugin's own log gets them.
        for line in "".join(traceback.format_exception(error)).splitlines():
            log(line, "error")
        own = [it for it in traceback.extract_tb(error.__traceback__) if not it.filename.endswith("relay.py")]
        place = f" at {own[-1].filename.rsplit('/', 1)[-1]}:{own[-1].lineno}" if own else ""
        return types.Verdict_Reject(types.Rejection("exception", type(error).__name__ + place))


def _schema(settings: dict) -> dict:
    required = [name for name, own in settings.items() if "default" not in own]
    return {"type": "object", "properties": settings, "required": required, "additionalProperties": False}


def _read(config: dict, settings: dict) -> tuple:
    """Values by setting, with defaults filled in, and everything that is wrong with them."""
    known = ", ".join(settings)
    problems = [(f"/{name}", f"is no setting; there are: {known}") for name in config if name not in settings]
    values = {}
    for name, own in settings.items():
        value = values[name] = config.get(name, own.get("default"))
        if name not in config and "default" not in own:
            problems.append((f"/{name}", "is missing"))
        elif "enum" in own and value not in own["enum"]:
            problems.append((f"/{name}", f"is none of {_json.dumps(own['enum'])[1:-1]}"))
        elif "type" in own and not _is(value, own["type"]):
            problems.append((f"/{name}", f"is not of type {own['type']}"))
    return values, problems


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _content(value: Any) -> types.Content:
    if value is _UNCHANGED:
        return types.Content_Unchanged()
    return types.Content_Absent() if value is None else types.Content_Bytes(_bytes(value))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
