//! The newest events of an outbox.

use relay_engine::event::{Event, EventBatch};

use crate::app::AppError;
use crate::config::{Config, SourceAdapter};
use crate::plugin::golden::EventRow;

/// The newest `count` events of a source of `config`, oldest first, and the source's name: the one called `source`, or the
/// only one.
///
/// # Errors
/// When nothing says which source, or its outbox can't be read.
pub async fn newest_events(
    config: &Config,
    source: Option<&str>,
    count: usize,
) -> Result<(String, Vec<EventRow>), AppError> {
    let known = || config.sources.keys().cloned().collect::<Vec<_>>().join(", ");
    let refused = |what| AppError::Refused { code: "C020", what, remedy: format!("configured: {}", known()) };
    let (name, source) = match source {
        Some(name) => {
            let found = config.sources.get_key_value(name);
            found.ok_or_else(|| refused(format!("there is no source {name:?}")))?
        }
        None => {
            let only = config.sources.first_key_value().filter(|_| config.sources.len() == 1);
            only.ok_or_else(|| refused("nothing says which of several sources is meant".to_owned()))?
        }
    };
    Ok((name.clone(), newest(name, &source.adapter, count).await?))
}

/// The newest `count` events that `source` (its name) holds, oldest first.
pub(super) async fn newest(
    source: &str,
    adapter: &SourceAdapter,
    count: usize,
) -> Result<Vec<EventRow>, AppError> {
    let events: EventBatch = match adapter {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => crate::source::postgres::newest(config, count).await?,
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => crate::source::sqlite::newest(config, count).await?,
    };
    Ok(events.iter().map(|event| row(source, event)).collect())
}

fn row(source: &str, event: Event<'_>) -> EventRow {
    EventRow {
        id: event.id().to_owned(),
        source: source.to_owned(),
        sequence: event.sequence(),
        aggregate_type: event.aggregate_type().to_owned(),
        aggregate_id: event.aggregate_id().to_owned(),
        event_type: event.event_type().to_owned(),
        content_type: event.content_type().map(str::to_owned),
        payload: event.payload().map(<[u8]>::to_vec),
        headers: event.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
        attributes: event.attributes().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        occurred_at: event.occurred_at(),
        attempt: event.attempt(),
    }
}
