// The relay's side of a plugin in JavaScript: what an event is, how messages are made, and how answers go back.
// `relay plugin new --lang js` writes this file; a newer relay writes a newer one. Change plugin.js instead.
import { attributesOf, headersOf, source } from "relay:plugin/batch@0.1.0";
import { now as relayNow } from "relay:plugin/clock@0.1.0";
import { write } from "relay:plugin/log@0.1.0";

/** Microseconds since the Unix epoch. Stands still within a batch, as `Date.now()` does. */
export const now = () => relayNow();

/** Lines for the relay's log: `log.info("…")`. */
export const log = Object.fromEntries(
  ["trace", "debug", "info", "warn", "error"].map((level) => [level, (text) => write(level, String(text))]),
);

/** What ends the work on one event; throw it, or return it. */
class Answer {
  constructor(verdict) {
    this.verdict = verdict;
  }
}

/** Done without a message, counted under `reason`: a short text that does not vary with the event. */
export const discard = (reason) => new Answer({ tag: "discard", val: reason });

/** Never: the event becomes a dead letter. `code` is a short word to group by; a reason names fields, never values. */
export const reject = (code, reason) => new Answer({ tag: "reject", val: { code, reason } });

/** Later: the event is tried again, and later events of its key wait. */
export const retry = (reason, afterMs = null) => new Answer({ tag: "retry", val: { reason, afterMs } });

/** Stops the pipeline until an operator acts. */
export const halt = (reason) => new Answer({ tag: "halt", val: reason });

/** One committed outbox row. */
export class Event {
  #index;
  #headers;
  #attributes;

  constructor(row, index) {
    /** The raw row: id, sequence, aggregateType, aggregateId, eventType, contentType, payload (bytes, or null),
     * occurredAt (microseconds), attempt. */
    Object.assign(this, row);
    this.#index = index;
  }

  // What follows is fetched from the relay when it is asked for, as long as the event is handled: most plugins need none
  // of it.

  /** The name of the source in the relay's configuration. */
  get source() {
    return source();
  }

  /** The headers that the application wrote: pairs of a name and bytes. */
  get headers() {
    return (this.#headers ??= headersOf(this.#index));
  }

  /** Further columns of the outbox that the relay's configuration asked for: pairs of a name and a text. */
  get attributes() {
    return (this.#attributes ??= attributesOf(this.#index));
  }

  /** The key within which order is kept. */
  get key() {
    return this.aggregateId;
  }

  /** The payload as text. What is missing or is not UTF-8 makes a dead letter. */
  text() {
    if (this.payload === null) throw reject("not-text", "the event has no payload (a tombstone)");
    return decode(this.payload);
  }

  /** The payload as JSON. What is missing or is not JSON makes a dead letter, which shows none of its values. */
  json() {
    if (this.payload === null) throw reject("not-json", "the event has no payload (a tombstone)");
    const text = decode(this.payload, "not-json");
    try {
      return JSON.parse(text);
    } catch {
      throw reject("not-json", "the payload is not JSON");
    }
  }

  /** The first header of this name as text, or null. */
  header(name) {
    const found = this.headers.find(([own]) => own === name);
    return found ? decode(found[1]) : null;
  }

  /** A further column of the outbox that the relay's configuration asked for, or null. */
  attribute(name) {
    return this.attributes.find(([own]) => own === name)?.[1] ?? null;
  }
}

/** A message. Key, body and headers are the event's own unless you say otherwise; each call gives the message back. */
class Message {
  constructor(to) {
    this.fields = {
      slot: null,
      sink: null,
      to,
      key: { tag: "unchanged" },
      body: { tag: "unchanged" },
      inheritHeaders: true,
      headers: [],
    };
  }

  #set(field, value) {
    this.fields[field] = value;
    return this;
  }

  /** Text or bytes in place of the event's key; null: none. */
  key(value) {
    return this.#set("key", content(value));
  }

  /** Text or bytes in place of the event's payload; null: none (a tombstone). */
  body(value) {
    return this.#set("body", content(value));
  }

  /** `value` as JSON in place of the event's payload. */
  json(value) {
    return this.body(JSON.stringify(value));
  }

  /** Adds a header, in place of an inherited one of this name. */
  header(name, value) {
    this.fields.headers.push([name, bytes(value)]);
    return this;
  }

  /** Leaves the event's own headers out. */
  withoutEventHeaders() {
    return this.#set("inheritHeaders", false);
  }

  /** Only for the sink of this name. */
  sink(name) {
    return this.#set("sink", name);
  }

  /** Names the message in its idempotency key; give names where a later version may send more or fewer. */
  slot(name) {
    return this.#set("slot", name);
  }
}

/** To a Kafka topic. */
export const kafka = (topic, { partition = null, timestamp = null } = {}) =>
  new Message({ tag: "kafka", val: { topic, partition, timestamp } });

/** To a NATS subject. */
export const nats = (subject) => new Message({ tag: "nats", val: { subject } });

/** To a path of an HTTP sink. */
export const http = (path, { method = null, auth = null } = {}) =>
  new Message({ tag: "http", val: { path, method, auth } });

/** To the pipeline's next plugin; after the last one, by the pipeline's own route. */
export const next = () => new Message(null);

/**
 * Makes a plugin.
 *
 * - `name`, `version`, `summary`: shown by `relay plugin inspect`.
 * - `settings`: a JSON Schema for each setting, with `description` and, where it may be left out, `default`.
 * - `check(settings)`: what a schema can't say; gives a list of `{ path: "/topic", message: "is empty" }`.
 * - `event(event, settings)`: gives a message, a list of them, or `discard(…)`, `reject(…)`, `retry(…)`, `halt(…)`.
 */
export function plugin({ name, version, summary, settings = null, check = () => [], event }) {
  let values = {};
  return {
    describe: () => ({ name, version, summary, configSchema: settings && JSON.stringify(schema(settings)) }),
    configure(text) {
      const found = read(JSON.parse(text) ?? {}, settings ?? {});
      const problems = found.problems.length > 0 ? found.problems : check(found.values);
      if (problems.length > 0) throw problems;
      values = found.values;
    },
    transform: (batch) => batch.map((row, index) => answer(() => event(new Event(row, index), values))),
  };
}

function answer(run) {
  try {
    const given = run();
    if (given instanceof Answer) return given.verdict;
    const messages = Array.isArray(given) ? given : [given];
    if (messages.every((it) => it instanceof Message)) {
      return { tag: "publish", val: messages.map((it) => it.fields) };
    }
    throw new TypeError("a plugin answers with a message, a list of messages, or discard(…) and the like");
  } catch (thrown) {
    if (thrown instanceof Answer) return thrown.verdict;
    // Not this event's doing: the relay runs it again, alone, on a fresh instance.
    if (/out of memory/.test(thrown?.message)) throw thrown;
    // Its message may quote the payload: only the plugin's own log gets it.
    for (const line of `${thrown}\n${thrown?.stack ?? ""}`.trim().split("\n")) log.error(line);
    const place = /\/([\w./-]+:\d+)/.exec(thrown?.stack ?? "")?.[1];
    const reason = `${thrown?.name ?? typeof thrown}${place ? ` at ${place}` : ""}`;
    return { tag: "reject", val: { code: "exception", reason } };
  }
}

function schema(settings) {
  const required = Object.keys(settings).filter((name) => settings[name].default === undefined);
  return { type: "object", properties: settings, required, additionalProperties: false };
}

/** Values by setting, with defaults filled in, and everything that is wrong with them. */
function read(config, settings) {
  const problems = Object.keys(config)
    .filter((name) => !(name in settings))
    .map((name) => ({ path: `/${name}`, message: `is no setting; there are: ${Object.keys(settings).join(", ")}` }));
  const values = {};
  for (const [name, { type, default: fallback, enum: allowed }] of Object.entries(settings)) {
    const value = config[name] ?? fallback;
    values[name] = value;
    if (value === undefined) problems.push({ path: `/${name}`, message: "is missing" });
    else if (allowed && !allowed.includes(value)) {
      problems.push({ path: `/${name}`, message: `is none of ${allowed.map((it) => JSON.stringify(it)).join(", ")}` });
    } else if (type && !is(value, type)) problems.push({ path: `/${name}`, message: `is not of type ${type}` });
  }
  return { values, problems };
}

function is(value, type) {
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return value !== null && typeof value === "object" && !Array.isArray(value);
  return typeof value === type;
}

function content(value) {
  return value === null ? { tag: "absent" } : { tag: "bytes", val: bytes(value) };
}

// There is no TextEncoder here. These ways are the fast ones: each step but the last is the engine's own code.

/** `value` itself if it is bytes, else its text in UTF-8. */
function bytes(value) {
  if (value instanceof Uint8Array) return value;
  const text = String(value);
  const ascii = /^[\x00-\x7f]*$/.test(text) ? text : unescape(encodeURIComponent(text));
  const all = new Uint8Array(ascii.length);
  for (let index = 0; index < ascii.length; index++) all[index] = ascii.charCodeAt(index);
  return all;
}

/** How many arguments a call takes safely. */
const CHUNK = 8192;

/** The text of bytes in UTF-8. */
export function decode(raw, code = "not-text") {
  let text = "";
  for (let start = 0; start < raw.length; start += CHUNK) {
    text += String.fromCharCode.apply(null, raw.subarray(start, start + CHUNK));
  }
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  try {
    return decodeURIComponent(escape(text));
  } catch {
    throw reject(code, "the payload is not UTF-8");
  }
}
