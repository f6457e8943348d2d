//! Wraps events in CloudEvents 1.0.
//!
//! Structured: the body becomes a JSON envelope around the payload. Binary: the payload stays as it is, not
//! even copied, and the attributes become headers. Either goes on to the next plugin or by the pipeline's
//! route.

mod attributes;
mod binary;
mod structured;
mod time;

use relay_plugin_sdk::prelude::*;

use attributes::Attributes;

/// How events are wrapped.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Envelope or headers.
    #[serde(default)]
    mode: Mode,
    /// The attribute `source`, a URI reference; not set: `/` and the name of the relay's source.
    source: Option<String>,
    /// Put before the event type to make the attribute `type`, for example "com.example.".
    #[serde(default)]
    type_prefix: String,
    /// What the names of headers start with in binary mode.
    #[serde(default)]
    headers: Headers,
}

/// Envelope or headers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// A JSON envelope around the payload, with the header `content-type: application/cloudevents+json`.
    #[default]
    Structured,
    /// The payload as it is, with a header for each attribute.
    Binary,
}

/// The protocol whose binding names the headers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Headers {
    /// `ce_id`, values as they are.
    #[default]
    Kafka,
    /// `ce-id`, values percent-encoded where a header could not hold them.
    Http,
    /// `ce-id`, values percent-encoded where a header could not hold them.
    Nats,
}

/// Wraps events in CloudEvents 1.0.
#[derive(Debug)]
pub struct CloudEvents(Config);

impl Plugin for CloudEvents {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Problem> {
        if config.source.as_deref() == Some("") {
            return Err(Problem::at("/source", "is empty; say for example \"/shop/orders\""));
        }
        Ok(Self(config))
    }

    fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
        let attributes = Attributes::of(event, self.0.source.as_deref(), &self.0.type_prefix)?;
        let message = match self.0.mode {
            Mode::Structured => structured::wrap(event, &attributes),
            Mode::Binary => binary::wrap(event, &attributes, self.0.headers),
        };
        Ok(message.into())
    }
}

export!(CloudEvents);

#[cfg(test)]
mod tests;
