//! What becomes of an event that a rule matches.

use relay_plugin_sdk::prelude::*;

use crate::payload::Payload;
use crate::template::{Place, Template};

/// What becomes of an event.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionConfig {
    /// On to the next plugin, or by the pipeline's own route.
    #[default]
    Pass,
    /// Done without a message, counted under this reason.
    Discard(String),
    /// To each of these.
    Send(Vec<DestinationConfig>),
}

/// One place to send to: exactly one of `kafka`, `nats` and `http`.
///
/// The address may hold `{aggregatetype}`, `{aggregateid}`, `{type}`, `{id}` and `{json:/pointer}`; `{{` and
/// `}}` stand for braces.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestinationConfig {
    /// A topic.
    kafka: Option<String>,
    /// A subject.
    nats: Option<String>,
    /// A path below the sink's URL, starting with `/`. Values put into it are percent-encoded.
    http: Option<String>,
    /// The sink by its configured name; not set: each sink of the pipeline of this kind.
    sink: Option<String>,
    /// Names this message among those of its event in the idempotency key; not set: its index.
    slot: Option<String>,
}

/// What becomes of an event, ready for events.
#[derive(Debug)]
pub(crate) enum Action {
    Pass,
    Discard(String),
    Send(Vec<Destination>),
}

/// One place to send to.
#[derive(Debug)]
pub(crate) struct Destination {
    address: Template,
    sink: Option<String>,
    slot: Option<String>,
}

impl Action {
    /// Reads the action configured at `path`.
    pub(crate) fn new(config: ActionConfig, path: &str, problems: &mut Vec<Problem>) -> Self {
        match config {
            ActionConfig::Pass => Self::Pass,
            ActionConfig::Discard(reason) => Self::Discard(reason),
            ActionConfig::Send(destinations) => {
                if destinations.is_empty() {
                    let words = "names no destination; to drop events say { discard = \"why\" }";
                    problems.push(Problem::at(format!("{path}/send"), words));
                }
                let read = |(index, config)| {
                    Destination::new(config, format!("{path}/send/{index}"))
                        .map_err(|problem| problems.push(problem))
                        .ok()
                };
                Self::Send(destinations.into_iter().enumerate().filter_map(read).collect())
            }
        }
    }

    /// The verdict for `event`.
    pub(crate) fn verdict(&self, event: &Event, payload: &Payload<'_>) -> Result<Verdict, Fault> {
        match self {
            Self::Pass => Ok(Message::next().into()),
            Self::Discard(reason) => Ok(discard(reason)),
            Self::Send(destinations) => {
                destinations.iter().map(|destination| destination.message(event, payload)).collect()
            }
        }
    }
}

impl Destination {
    fn new(config: DestinationConfig, path: String) -> Result<Self, Problem> {
        let DestinationConfig { kafka, nats, http, sink, slot } = config;
        let (place, address) = match (kafka, nats, http) {
            (Some(topic), None, None) => (Place::Kafka, topic),
            (None, Some(subject), None) => (Place::Nats, subject),
            (None, None, Some(path)) => (Place::Http, path),
            _ => return Err(Problem::at(path, "names exactly one of kafka, nats and http")),
        };
        let address = Template::new(place, &address)
            .map_err(|wrong| Problem::at(format!("{path}/{}", place.word()), wrong))?;
        Ok(Self { address, sink, slot })
    }

    fn message(&self, event: &Event, payload: &Payload<'_>) -> Result<Message, Fault> {
        let address = self.address.render(event, payload)?;
        let mut message = match self.address.place() {
            Place::Kafka => Message::kafka(address),
            Place::Nats => Message::nats(address),
            Place::Http => Message::http(address),
        };
        if let Some(sink) = &self.sink {
            message = message.sink(sink);
        }
        if let Some(slot) = &self.slot {
            message = message.slot(slot);
        }
        Ok(message)
    }
}
