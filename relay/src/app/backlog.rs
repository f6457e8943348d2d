//! How far lanes are behind what is committed in their outboxes.

use std::collections::BTreeMap;

use relay_engine::event::Position;

use crate::config::{Config, SourceAdapter};
use crate::source::{Backlog, SourceError};
use crate::store::{LaneId, LaneSummary};

/// What is committed behind the settled position of each lane, where it has one and its source can be asked; and the
/// sources that could not be, by name.
pub async fn backlogs(
    config: &Config,
    lanes: &[LaneSummary],
) -> (BTreeMap<LaneId, Backlog>, BTreeMap<String, SourceError>) {
    let (mut backlogs, mut away) = (BTreeMap::new(), BTreeMap::new());
    for (name, source) in &config.sources {
        let own = |lane: &&LaneSummary| {
            config.pipelines.get(&lane.lane.pipeline).is_some_and(|pipeline| pipeline.source == *name)
        };
        let settled: Vec<(LaneId, Position)> = lanes
            .iter()
            .filter(own)
            .filter_map(|lane| Some((lane.lane.clone(), lane.position.clone()?)))
            .collect();
        if settled.is_empty() {
            continue;
        }
        match of_source(&source.adapter, &settled).await {
            Ok(found) => {
                let known = settled.into_iter().zip(found);
                backlogs.extend(known.filter_map(|((lane, _), backlog)| Some((lane, backlog?))));
            }
            Err(error) => drop(away.insert(name.clone(), error)),
        }
    }
    (backlogs, away)
}

async fn of_source(
    source: &SourceAdapter,
    settled: &[(LaneId, Position)],
) -> Result<Vec<Option<Backlog>>, SourceError> {
    match source {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => {
            let positions: Vec<_> = settled.iter().map(|(lane, at)| (lane.shard, at.clone())).collect();
            crate::source::postgres::backlogs(config, &positions).await
        }
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => {
            let positions: Vec<_> = settled.iter().map(|(_, at)| at.clone()).collect();
            crate::source::sqlite::backlogs(config, &positions).await
        }
    }
}
