//! Checks a verdict before the relay believes it.

use relay_engine::message::Content;
use relay_engine::verdict::{PluginMessage, Target, Verdict};

use crate::plugin::{Answer, Fault};

use super::config::PluginLimits;
use super::fault;
use super::log::printable;
use super::usage::Used;

/// Bytes of a reason or a code that are kept: they go into logs, dead letters and screens.
const LONGEST_REASON: usize = 1 << 10;

/// Bytes of a header's name, slot, sink or address. The slot is a part of the idempotency key, which every sink
/// stores; the longest path that HTTP servers take is twice this.
const LONGEST_NAME: usize = 4 << 10;

/// `verdict` as an answer, or the fault it is.
///
/// What it holds is noted in `used`, if it is within the limits.
pub(super) fn check(verdict: Verdict, limits: &PluginLimits, used: &mut Used) -> Answer {
    match verdict {
        Verdict::Publish(messages) => match publishable(&messages, limits) {
            Ok(size) => {
                used.messages = used.messages.max(messages.len());
                used.output = used.output.max(size);
                Answer::Verdict(Verdict::Publish(messages))
            }
            Err(fault) => Answer::Fault(fault),
        },
        Verdict::Discard(reason) => Answer::Verdict(Verdict::Discard(short(&reason))),
        Verdict::Retry { reason, after } => Answer::Verdict(Verdict::Retry { reason: short(&reason), after }),
        Verdict::Reject { code, reason } => {
            Answer::Verdict(Verdict::Reject { code: short(&code), reason: short(&reason) })
        }
        Verdict::Halt(reason) => Answer::Verdict(Verdict::Halt(short(&reason))),
    }
}

fn short(reason: &str) -> String {
    printable(reason, LONGEST_REASON)
}

/// The bytes of `messages`, if they may be sent.
fn publishable(messages: &[PluginMessage], limits: &PluginLimits) -> Result<usize, Fault> {
    if messages.is_empty() {
        return Err(refused("published no message; an event that needs none is discarded with a reason"));
    }
    if messages.len() > limits.messages {
        let detail =
            format!("made {} messages of one event where {} are allowed", messages.len(), limits.messages);
        return Err(Fault { code: fault::OUTPUT, detail });
    }
    let mut size = 0;
    for (index, message) in messages.iter().enumerate() {
        well_formed(index, message, limits)?;
        size += size_of_message(message);
    }
    if size > limits.output {
        let detail = format!("made {size} bytes of one event where {} are allowed", limits.output);
        return Err(Fault { code: fault::OUTPUT, detail });
    }
    distinct_slots(messages).map(|()| size)
}

/// What stands between a slot and the number of the request that had its plugins run again: a plugin's own slot
/// must never look like one of those, or a sink would take one message for a repeat of the other.
const ANEW: char = '~';

fn refused(detail: impl Into<String>) -> Fault {
    Fault { code: fault::MESSAGE, detail: detail.into() }
}

fn well_formed(index: usize, message: &PluginMessage, limits: &PluginLimits) -> Result<(), Fault> {
    let headers = message.headers.len();
    if headers > limits.headers {
        let detail = format!("message {index} has {headers} headers where {} are allowed", limits.headers);
        return Err(Fault { code: fault::OUTPUT, detail });
    }
    for (name, _) in &message.headers {
        if name.is_empty() {
            return Err(refused(format!("message {index} has a header without a name")));
        }
        if name.len() > LONGEST_NAME {
            let length = name.len();
            return Err(refused(format!("message {index} has a header with a name of {length} bytes")));
        }
        if name.chars().any(char::is_control) {
            return Err(refused(format!("message {index} has a control character in a header's name")));
        }
    }
    let texts = [
        ("slot", message.slot.as_deref()),
        ("sink", message.sink.as_deref()),
        ("address", message.to.as_ref().map(place)),
        ("credential", message.to.as_ref().and_then(credential)),
    ];
    for (what, text) in texts {
        let Some(text) = text else { continue };
        if text.is_empty() {
            return Err(refused(format!("message {index} has an empty {what}")));
        }
        if text.len() > LONGEST_NAME {
            let length = text.len();
            return Err(refused(format!("message {index} has a {what} of {length} bytes")));
        }
        if text.chars().any(char::is_control) {
            return Err(refused(format!("message {index} has a control character in its {what}")));
        }
    }
    if message.slot.as_deref().is_some_and(|slot| slot.contains(ANEW)) {
        let detail =
            format!("message {index} has a slot with {ANEW:?}, which marks what was transformed anew");
        return Err(refused(detail));
    }
    Ok(())
}

/// Two messages of one slot would share an idempotency key, and the second would be lost as a repeat.
fn distinct_slots(messages: &[PluginMessage]) -> Result<(), Fault> {
    if messages.iter().all(|message| message.slot.is_none()) {
        return Ok(());
    }
    // A message without a slot is named by its index.
    let mut slots: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| message.slot.clone().unwrap_or_else(|| index.to_string()))
        .collect();
    slots.sort_unstable();
    match slots.array_windows().find(|[first, second]| first == second) {
        Some([slot, _]) => Err(refused(format!("two messages of one event have the slot {slot:?}"))),
        None => Ok(()),
    }
}

fn place(target: &Target) -> &str {
    match target {
        Target::Kafka { topic, .. } => topic,
        Target::Nats { subject } => subject,
        Target::Http { path, .. } => path,
        Target::Other { address, .. } => address,
    }
}

/// What a message names of its sink's secrets.
fn credential(target: &Target) -> Option<&str> {
    match target {
        Target::Http { auth, .. } => auth.as_deref(),
        Target::Kafka { .. } | Target::Nats { .. } | Target::Other { .. } => None,
    }
}

fn size_of_message(message: &PluginMessage) -> usize {
    let content = |content: &Content| match content {
        Content::Bytes(bytes) => bytes.len(),
        Content::Unchanged | Content::Absent => 0,
    };
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let texts = message.slot.as_ref().map_or(0, String::len)
        + message.sink.as_ref().map_or(0, String::len)
        + message.to.as_ref().map_or(0, |to| place(to).len());
    content(&message.key) + content(&message.body) + headers + texts
}

#[cfg(test)]
mod tests {
    use relay_engine::message::Content;

    use super::*;

    #[test]
    fn a_slot_that_looks_transformed_anew_is_refused() {
        let named = |slot: &str| PluginMessage {
            slot: Some(slot.to_owned()),
            sink: None,
            to: None,
            key: Content::Unchanged,
            body: Content::Unchanged,
            inherit_headers: true,
            headers: Vec::new(),
        };
        let limits = PluginLimits::default();
        assert!(well_formed(0, &named("invoice"), &limits).is_ok());
        let fault = well_formed(0, &named("invoice~7"), &limits).unwrap_err();
        assert_eq!(fault.code, fault::MESSAGE);
        assert!(fault.detail.contains('~'), "{}", fault.detail);
    }
}
