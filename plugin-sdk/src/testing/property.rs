//! The promise that every plugin makes, over any events a test thinks of.

use std::collections::HashSet;
use std::fmt;

use super::Harness;
use crate::{Event, Fault, Plugin, Verdict, clock};

/// What a plugin answers for one event.
type Answer = Result<Verdict, Fault>;

/// An event that breaks the promise of [`same_answers`]. It shows itself whole when a test unwraps it.
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// `unwrap` shows this, and a reader wants lines.
impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// Checks that each of `events` gets the same answer, with the same keys, slots and bytes, whatever the plugin saw before:
/// alone on a fresh plugin, behind the others, behind the others in reverse, and once more on a later attempt. The relay
/// runs an event again on another instance whenever it has to, under the same idempotency keys; a receiver that has seen
/// the key keeps what came first.
///
/// Also checks that no two messages of one event have the same slot: they would be sent under one idempotency key.
///
/// The events may come from anywhere: written down, or made by a library for property tests such as `proptest`.
///
/// ```
/// # use relay_plugin_sdk::prelude::*;
/// # struct Passes;
/// # impl Plugin for Passes {
/// #     type Config = ();
/// #     fn new((): ()) -> Result<Self, Problem> { Ok(Self) }
/// #     fn transform(&mut self, _: &Event) -> Result<Verdict, Fault> { Ok(Message::next().into()) }
/// # }
/// # struct Counts(u32);
/// # impl Plugin for Counts {
/// #     type Config = ();
/// #     fn new((): ()) -> Result<Self, Problem> { Ok(Self(0)) }
/// #     fn transform(&mut self, _: &Event) -> Result<Verdict, Fault> {
/// #         self.0 += 1;
/// #         Ok(Message::next().body(self.0.to_string().into_bytes()).into())
/// #     }
/// # }
/// use relay_plugin_sdk::testing::{EventBuilder, same_answers};
///
/// let order = |number: u32| EventBuilder::new("order", &format!("order-{number}"), "OrderPlaced").build();
/// let orders: Vec<Event> = (1..50).map(order).collect();
/// same_answers::<Passes>("{}", &orders).unwrap();
///
/// // A plugin that counts events says something else each time.
/// assert!(same_answers::<Counts>("{}", &orders).is_err());
/// ```
///
/// # Errors
/// The first event that breaks the promise, with both answers; or that the configuration is refused.
pub fn same_answers<P: Plugin>(config: &str, events: &[Event]) -> Result<(), Broken> {
    let alone = events.iter().map(|event| fresh::<P>(config).map(|mut plugin| ask(&mut plugin, event)));
    let alone = alone.collect::<Result<Vec<Answer>, Broken>>()?;
    for (event, answer) in events.iter().zip(&alone) {
        slots_differ(event, answer)?;
    }
    let (mut forwards, mut backwards) = (fresh::<P>(config)?, fresh::<P>(config)?);
    for (event, expected) in events.iter().zip(&alone) {
        same(event, expected, &ask(&mut forwards, event), "behind those before it")?;
    }
    for (event, expected) in events.iter().zip(&alone).rev() {
        same(event, expected, &ask(&mut backwards, event), "behind those after it")?;
        same(event, expected, &ask(&mut backwards, &event.tried_again()), "on its next attempt")?;
    }
    Ok(())
}

fn fresh<P: Plugin>(config: &str) -> Result<Harness<P>, Broken> {
    Harness::new(config).map_err(|problems| {
        let listed = problems.iter().map(|it| format!("\n  config{}: {}", it.path(), it.message()));
        Broken(format!("the configuration is refused{}", listed.collect::<String>()))
    })
}

/// With the clock at the time of the event: it stands still within a batch, and not between two.
fn ask<P: Plugin>(plugin: &mut Harness<P>, event: &Event) -> Answer {
    clock::at(event.occurred_at(), || plugin.run(event))
}

fn same(event: &Event, expected: &Answer, found: &Answer, when: &str) -> Result<(), Broken> {
    if expected == found {
        return Ok(());
    }
    let id = event.id();
    Err(Broken(format!("event {id} gets another answer {when}\n  alone: {expected:?}\n  then:  {found:?}")))
}

fn slots_differ(event: &Event, answer: &Answer) -> Result<(), Broken> {
    let messages = answer.as_ref().map(Verdict::messages).unwrap_or_default();
    let mut seen = HashSet::new();
    match messages.iter().filter_map(|it| it.0.slot.as_deref()).find(|slot| !seen.insert(*slot)) {
        Some(slot) => Err(Broken(format!("event {} has two messages in the slot {slot:?}", event.id()))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::EventBuilder;
    use crate::{Message, Problem};

    /// Breaks the promise as its configuration says.
    struct Breaks {
        how: String,
        seen: u32,
    }

    impl Plugin for Breaks {
        type Config = String;

        fn new(how: String) -> Result<Self, Problem> {
            if how.is_empty() { Err(Problem::whole("say how")) } else { Ok(Self { how, seen: 0 }) }
        }

        fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
            self.seen += 1;
            let key = match self.how.as_str() {
                "counts" => self.seen.to_string(),
                "attempt" => event.attempt().to_string(),
                "clock" => clock::now().to_string(),
                _ => event.id().to_owned(),
            };
            let message = Message::kafka("a").key(key.into_bytes());
            match self.how.as_str() {
                "slots" => Ok(vec![message.clone().slot("a"), message.slot("a")].into()),
                "fails" if self.seen > 1 => Err(Fault::retry("later")),
                _ => Ok(message.into()),
            }
        }
    }

    fn told(how: &str) -> Option<String> {
        let event = |number: u64| {
            EventBuilder::new("a", "1", "t").id(&format!("e{number}")).occurred_at(number).build()
        };
        let events: Vec<_> = (1..4).map(event).collect();
        same_answers::<Breaks>(&format!("{how:?}"), &events).err().map(|it| it.to_string())
    }

    #[test]
    fn each_way_to_break_the_promise_is_found_and_told() {
        let starts = |how: &str, words: &str| {
            let told = told(how).unwrap();
            assert!(told.starts_with(words), "{how}: {told}");
        };
        starts("counts", "event e2 gets another answer behind those before it\n  alone: Ok(");
        starts("fails", "event e2 gets another answer behind those before it\n");
        starts("attempt", "event e3 gets another answer on its next attempt\n");
        starts("slots", "event e1 has two messages in the slot \"a\"");
        starts("", "the configuration is refused\n  config: say how");
        assert_eq!((told("keeps it"), told("clock")), (None, None));
    }
}
