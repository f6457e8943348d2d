//! From what plugins answered to the messages of one sink.

use super::address::SinkKind;
use super::grant::Grant;
use super::template::Template;
use crate::event::Event;
use crate::message::{Address, Message};
use crate::outcome::{Failure, FailureClass};
use crate::verdict::{PluginMessage, Target};

/// One sink of a pipeline, as routing sees it.
#[derive(Debug, Clone)]
pub struct SinkRoute {
    /// The sink's configured name.
    pub name: String,
    /// Its kind.
    pub kind: SinkKind,
    /// Where messages go that no plugin addressed.
    pub template: Template,
}

/// Finds the messages for one sink among those of a pipeline.
#[derive(Debug, Clone)]
pub struct Router {
    /// All sinks of the pipeline: a message for none of them is an error, not a silence.
    sinks: Vec<SinkRoute>,
    own: usize,
}

impl Router {
    /// The router of the sink named `own` among `sinks`; `None` when it is not one of them.
    #[must_use]
    pub fn new(sinks: Vec<SinkRoute>, own: &str) -> Option<Self> {
        let own = sinks.iter().position(|sink| sink.name == own)?;
        Some(Self { sinks, own })
    }

    /// The message for this router's sink that `message` makes, if it is meant for it. `index` is its place among
    /// the event's messages; `grant` is what the plugin that made it may address.
    ///
    /// # Errors
    /// A permanent [`Failure`] `R4xx` when the message can't go where it says.
    pub fn resolve(
        &self,
        event: Event<'_>,
        index: usize,
        message: PluginMessage,
        grant: &Grant,
    ) -> Result<Option<Message>, Failure> {
        let own = &self.sinks[self.own];
        if let Some(name) = &message.sink {
            if !self.sinks.iter().any(|sink| sink.name == *name) {
                let known = self.sinks.iter().map(|sink| sink.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(permanent(
                    "R402",
                    format!("sink {name:?} is not one of this pipeline's: {known}"),
                ));
            }
            if *name != own.name {
                return Ok(None);
            }
        }
        let address = match &message.to {
            Some(target) if own.kind.takes(target) => self.granted_address(target, grant)?,
            Some(target) if message.sink.is_some() => {
                let (name, kind) = (&own.name, own.kind.name());
                return Err(permanent(
                    "R403",
                    format!("sink {name:?} is {kind}, the target is {}", name_of(target)),
                ));
            }
            Some(target) if self.sinks.iter().any(|sink| sink.kind.takes(target)) => return Ok(None),
            Some(target) => {
                return Err(permanent(
                    "R404",
                    format!("no sink of this pipeline takes {} targets", name_of(target)),
                ));
            }
            None => self.own_route(event)?,
        };
        let slot = message.slot.unwrap_or_else(|| index.to_string());
        Ok(Some(Message {
            slot,
            address,
            key: message.key,
            body: message.body,
            inherit_headers: message.inherit_headers,
            headers: message.headers,
        }))
    }

    fn granted_address(&self, target: &Target, grant: &Grant) -> Result<Address, Failure> {
        let own = &self.sinks[self.own];
        let address = address_of(target);
        own.kind.check(&address.place).map_err(|invalid| permanent("R405", invalid.to_string()))?;
        if let Some(name) = address.auth.as_deref().filter(|it| !grant.has_credential(it)) {
            let (name, granted): (String, _) =
                (name.chars().take(120).collect(), grant.describe_credentials());
            let detail = format!("the plugin may not use the credential {name:?}; it may use: {granted}");
            return Err(permanent("R408", detail));
        }
        if grant.covers(&own.name, own.kind, &address.place) {
            return Ok(address);
        }
        let granted = grant.describe(&own.name);
        let place: String = address.place.chars().take(120).collect();
        Err(permanent(
            "R401",
            format!("{place:?} of sink {:?} is outside the plugin's grant: {granted}", own.name),
        ))
    }

    fn own_route(&self, event: Event<'_>) -> Result<Address, Failure> {
        let own = &self.sinks[self.own];
        let place = own.template.render(own.kind, event);
        own.kind.check(&place).map_err(|invalid| permanent("R405", invalid.to_string()))?;
        Ok(Address { place, ..Address::default() })
    }
}

fn permanent(code: &'static str, detail: String) -> Failure {
    Failure::new(FailureClass::Permanent, code, detail)
}

fn name_of(target: &Target) -> &str {
    match target {
        Target::Kafka { .. } => "kafka",
        Target::Nats { .. } => "nats",
        Target::Http { .. } => "http",
        Target::Other { kind, .. } => kind,
    }
}

fn address_of(target: &Target) -> Address {
    match target {
        Target::Kafka { topic, partition, timestamp } => Address {
            place: topic.clone(),
            partition: *partition,
            timestamp: timestamp.and_then(|it| i64::try_from(it).ok()),
            ..Address::default()
        },
        Target::Nats { subject } => Address { place: subject.clone(), ..Address::default() },
        Target::Http { path, method, auth } => {
            let (method, auth) = (method.clone(), auth.clone());
            Address { place: path.clone(), method, auth, ..Address::default() }
        }
        Target::Other { address, .. } => Address { place: address.clone(), ..Address::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBatch, EventFields};
    use crate::message::Content;

    fn router(own: &str) -> Router {
        let sink = |name: &str, kind, template: &str| SinkRoute {
            name: name.to_owned(),
            kind,
            template: template.parse().unwrap(),
        };
        let sinks = vec![
            sink("events", SinkKind::Kafka, "outbox.event.{aggregatetype}"),
            sink("billing", SinkKind::Http, ""),
        ];
        Router::new(sinks, own).unwrap()
    }

    fn message(sink: Option<&str>, to: Option<Target>) -> PluginMessage {
        PluginMessage {
            slot: None,
            sink: sink.map(str::to_owned),
            to,
            key: Content::Unchanged,
            body: Content::Unchanged,
            inherit_headers: true,
            headers: Vec::new(),
        }
    }

    fn topic(name: &str) -> Option<Target> {
        Some(Target::Kafka { topic: name.to_owned(), partition: None, timestamp: None })
    }

    fn resolve(own: &str, message: PluginMessage) -> Result<Option<String>, String> {
        let mut batch = EventBatch::default();
        batch.push(&EventFields { aggregate_type: "order", ..EventFields::default() }).unwrap();
        let grant = Grant::new([("events".to_owned(), vec!["orders.*".to_owned()])]);
        match router(own).resolve(batch.get(0).unwrap(), 0, message, &grant) {
            Ok(message) => Ok(message.map(|it| it.address.place)),
            Err(failure) => Err(failure.code.into_owned()),
        }
    }

    #[test]
    fn a_credential_has_to_be_granted_by_its_name() {
        let mut batch = EventBatch::default();
        batch.push(&EventFields::default()).unwrap();
        let with = |auth: &str| {
            let grant = Grant::new([("billing".to_owned(), vec!["/".to_owned()])]);
            let grant = grant.with_credentials(vec!["crm".to_owned()]);
            let to = Target::Http { path: "/a".to_owned(), method: None, auth: Some(auth.to_owned()) };
            router("billing").resolve(batch.get(0).unwrap(), 0, message(None, Some(to)), &grant)
        };
        assert_eq!(with("crm").unwrap().unwrap().address.auth.as_deref(), Some("crm"));
        let failure = with("bank").unwrap_err();
        assert_eq!((failure.code.as_ref(), failure.class), ("R408", FailureClass::Permanent));
        assert!(failure.detail.contains("\"bank\"; it may use: crm"), "{}", failure.detail);
    }

    #[test]
    fn a_message_reaches_the_sinks_it_names_or_fits_and_fails_where_none_does() {
        let found = |place: &str| Ok(Some(place.to_owned()));
        assert_eq!(resolve("events", message(None, topic("orders.placed"))), found("orders.placed"));
        assert_eq!(resolve("billing", message(None, topic("orders.placed"))), Ok(None));
        assert_eq!(resolve("billing", message(Some("events"), topic("orders.placed"))), Ok(None));
        assert_eq!(resolve("events", message(None, None)), found("outbox.event.order"));
        assert_eq!(resolve("billing", message(None, None)), found(""));

        let refused = |code: &str| Err(code.to_owned());
        assert_eq!(resolve("events", message(None, topic("billing"))), refused("R401"));
        assert_eq!(resolve("events", message(Some("bill"), None)), refused("R402"));
        assert_eq!(resolve("billing", message(Some("billing"), topic("orders.x"))), refused("R403"));
        let nats = Some(Target::Nats { subject: "orders".to_owned() });
        assert_eq!(resolve("events", message(None, nats)), refused("R404"));
        assert_eq!(resolve("events", message(None, topic("orders. x"))), refused("R405"));
    }
}
