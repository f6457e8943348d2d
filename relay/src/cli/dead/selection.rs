//! Which dead letters a command means.

use std::time::Duration;

use clap::Args;

use crate::cli::time;
use crate::config::duration;
use crate::store::DeadFilter;

/// Which dead letters a command means; all conditions that are given must hold.
#[derive(Debug, Default, Args)]
pub(super) struct Selection {
    /// Of this lane, as screens show it: "PIPELINE → SINK", or PIPELINE/SINK.
    #[arg(long, value_name = "LANE", value_parser = lane, conflicts_with_all = ["pipeline", "sink"])]
    pub(super) lane: Option<(String, String)>,
    /// Of this pipeline.
    #[arg(long, value_name = "NAME")]
    pub(super) pipeline: Option<String>,
    /// Of this sink.
    #[arg(long, value_name = "NAME")]
    pub(super) sink: Option<String>,
    /// Of this key.
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// With this code as the last error.
    #[arg(long, value_name = "CODE")]
    pub(super) error: Option<String>,
    /// Given up on longer ago than this, such as "2h" or "30d", by this machine's clock.
    #[arg(long, value_name = "AGE", value_parser = length)]
    pub(super) older_than: Option<Duration>,
}

impl Selection {
    /// Whether it means every dead letter there is.
    pub(super) fn is_everything(&self) -> bool {
        let given = [&self.pipeline, &self.sink, &self.key, &self.error];
        self.lane.is_none() && self.older_than.is_none() && given.into_iter().all(Option::is_none)
    }

    pub(super) fn filter(&self, event_id: Option<&str>) -> DeadFilter {
        let (pipeline, sink) = match &self.lane {
            Some((pipeline, sink)) => (Some(pipeline.clone()), Some(sink.clone())),
            None => (self.pipeline.clone(), self.sink.clone()),
        };
        DeadFilter {
            pipeline,
            sink,
            event_id: event_id.map(str::to_owned),
            aggregate_id: self.key.clone(),
            code: self.error.clone(),
            dead_before: self
                .older_than
                .map(|age| time::now().saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX))),
        }
    }
}

/// A length of time.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "expected a number and a unit: s, min, h or d".to_owned())
}

fn lane(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('→').or_else(|| text.split_once('/'));
    let (pipeline, sink) = parts.ok_or("expected \"PIPELINE → SINK\" or PIPELINE/SINK")?;
    if sink.trim().contains(['/', ' ']) {
        return Err(
            "expected \"PIPELINE → SINK\" without a shard: a sink's dead letters are chosen together"
                .to_owned(),
        );
    }
    Ok((pipeline.trim().to_owned(), sink.trim().to_owned()))
}
