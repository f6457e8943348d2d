//! What became of one event, from what is durable: the outbox's row, the lanes' positions and the side table. So it
//! works whether a relay runs or not.

use relay_engine::event::{KeyId, OwnedEvent, Position};

use super::{AppError, open_stores};
use crate::config::{Config, FirstStart, SourceAdapter};
use crate::source::{Committed, SourceError, Standing};
use crate::store::{HeldRecord, KeyQueue, LaneId, LaneSummary, Store, StoreError};

/// What became of one event of one outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The source's configured name.
    pub source: String,
    /// The event.
    pub event: OwnedEvent,
    /// Its row; `None`: it is not in the outbox any more, and the side table tells of it.
    pub row: Option<TracedRow>,
    /// Every lane of the source's pipelines, and others that hold the event.
    pub lanes: Vec<LaneTrace>,
}

/// The row of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedRow {
    /// The number of the transaction that wrote it, where the outbox keeps it.
    pub transaction: Option<u64>,
    /// How many rows have its id.
    pub rows: u64,
}

/// What became of an event in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneTrace {
    /// The lane.
    pub lane: LaneId,
    /// As it stands; `None`: it has never run.
    pub summary: Option<LaneSummary>,
    /// What became of the event.
    pub fate: EventFate,
}

/// What became of an event in one lane, as far as that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFate {
    /// It failed or waits for its key.
    Held(Box<HeldRecord>),
    /// Progress has passed it, and it is not held: it was delivered, discarded or had no message for this sink.
    Settled {
        /// Or it was there before the lane began, which started with what committed from then on.
        or_before_start: bool,
    },
    /// Progress has not come to it.
    NotReached {
        /// What is held of its key, which it will wait for.
        queue: Option<KeyQueue>,
    },
    /// Nothing can be said, for this reason.
    Unknown(String),
}

/// What became of the event with this id, in every outbox that knows it.
///
/// # Errors
/// When an outbox or a store can't be read.
pub async fn trace(config: &Config, id: &str) -> Result<Vec<Trace>, AppError> {
    let mut traces = Vec::new();
    for (source, store) in open_stores(config).await? {
        traces.extend(trace_in(config, &source, store.as_ref(), id).await?);
    }
    Ok(traces)
}

async fn trace_in(
    config: &Config,
    source: &str,
    store: &dyn Store,
    id: &str,
) -> Result<Option<Trace>, AppError> {
    let Some(settings) = config.sources.get(source) else { return Ok(None) };
    // In this order: an event that is parked meanwhile is then found held, not taken for settled.
    let summaries = if_there(store.lanes().await)?;
    let held = if_there(store.held(id).await)?;
    let own: Vec<_> = lanes_of(config, source).map(|lane| (summary_of(&summaries, &lane), lane)).collect();
    let positions: Vec<_> = own.iter().filter_map(|(it, _)| it.as_ref()?.position.clone()).collect();
    let row = find(&settings.adapter, id, &positions).await?;
    let configured = |lane: &LaneId| config.pipelines.get(&lane.pipeline);
    let others = held.iter().map(|it| &it.lane).filter(|lane| configured(lane).is_none());
    let others: Vec<_> = others.map(|lane| (summary_of(&summaries, lane), lane.clone())).collect();
    let held_here = held.iter().find(|it| own.iter().chain(&others).any(|(_, lane)| it.lane == *lane));
    let event = row.as_ref().map(|it| &it.event).or(held_here.map(|it| &it.event)).cloned();
    let Some(event) = event else { return Ok(None) };
    let queues = if_there(store.queues(KeyId::of(&event.aggregate_id)).await)?;

    let key_hash = row.as_ref().and_then(|it| it.key_hash);
    let mut standings = row.iter().flat_map(|it| it.standings.clone());
    let from_now = settings.start == FirstStart::Now;
    let lanes = own.into_iter().chain(others).filter_map(|(summary, lane)| {
        let has_position = summary.as_ref().is_some_and(|it| it.position.is_some());
        let standing = if has_position { standings.next() } else { Some(Standing::Ahead) };
        // Its key belongs to one shard; the others will never see it.
        if key_hash.is_some_and(|hash| !lane.shard.holds(hash)) {
            return None;
        }
        let fate = match held.iter().find(|it| it.lane == lane) {
            Some(record) => EventFate::Held(Box::new(record.clone())),
            None if row.is_none() => EventFate::Unknown(
                "its row is not in the outbox any more, and the lane holds nothing of it".to_owned(),
            ),
            None => fate(standing, from_now, queues.iter().find(|it| it.lane == lane)),
        };
        Some(LaneTrace { lane, summary, fate })
    });
    let lanes = lanes.collect();
    let row = row.map(|it| TracedRow { transaction: it.transaction, rows: it.rows });
    Ok(Some(Trace { source: source.to_owned(), event, row, lanes }))
}

fn fate(standing: Option<Standing>, from_now: bool, queue: Option<&KeyQueue>) -> EventFate {
    match standing {
        Some(Standing::Passed) => EventFate::Settled { or_before_start: from_now },
        Some(Standing::Ahead) => EventFate::NotReached { queue: queue.cloned() },
        Some(Standing::Unknown(why)) => EventFate::Unknown(why),
        None => EventFate::Unknown("the lane's position could not be compared".to_owned()),
    }
}

/// The lanes that the configuration makes of `source`.
fn lanes_of(config: &Config, source: &str) -> impl Iterator<Item = LaneId> {
    let pipelines = config.pipelines.values().filter(move |it| it.source == source);
    pipelines.flat_map(|pipeline| LaneId::of_sinks(&pipeline.name, &pipeline.sinks, pipeline.shards))
}

fn summary_of(summaries: &[LaneSummary], lane: &LaneId) -> Option<LaneSummary> {
    summaries.iter().find(|it| it.lane == *lane).cloned()
}

/// Nothing, where no relay has made its tables yet.
fn if_there<T>(answer: Result<Vec<T>, StoreError>) -> Result<Vec<T>, StoreError> {
    match answer {
        Err(StoreError::Refused { code: "T503", .. }) => Ok(Vec::new()),
        answer => answer,
    }
}

async fn find(
    adapter: &SourceAdapter,
    id: &str,
    positions: &[Position],
) -> Result<Option<Committed>, SourceError> {
    match adapter {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => crate::source::postgres::find(config, id, positions).await,
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => crate::source::sqlite::find(config, id, positions).await,
    }
}
