//! Which dead letters a command means.

use clap::Args;

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
}

impl Selection {
    /// Whether it means every dead letter there is.
    pub(super) fn is_everything(&self) -> bool {
        let given = [&self.pipeline, &self.sink, &self.key, &self.error];
        self.lane.is_none() && given.into_iter().all(Option::is_none)
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
        }
    }
}

fn lane(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('→').or_else(|| text.split_once('/'));
    let (pipeline, sink) = parts.ok_or("expected \"PIPELINE → SINK\" or PIPELINE/SINK")?;
    Ok((pipeline.trim().to_owned(), sink.trim().to_owned()))
}
