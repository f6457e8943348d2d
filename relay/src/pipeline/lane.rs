//! One lane from its start to its end: session after session until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use relay_engine::engine::{BatchId, LaneConfig};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::chain::Chain;
use super::session::{Session, SessionEnd};
use super::view::{LaneState, Views};
use crate::sink::{Reports, Sink};
use crate::source::{BatchLimit, Source, SourceError, Start};
use crate::store::{LaneId, Store, StoreError};

/// What a lane is made of.
pub struct LaneParts {
    /// Its name.
    pub id: LaneId,
    /// How it behaves.
    pub settings: LaneSettings,
    /// Makes its source anew for each session.
    pub source: Box<dyn Fn() -> Box<dyn Source> + Send>,
    /// Makes its sink anew for each session, so that nothing sent in one is answered in the next.
    pub sink: Box<dyn Fn(Reports) -> Box<dyn Sink> + Send>,
    /// Its plugins and routes.
    pub chain: Chain,
    /// Where its progress is kept.
    pub store: Arc<dyn Store>,
    /// The shared runtime: sources and stores run there.
    pub shared: Handle,
    /// Where it shows what it does.
    pub views: Views,
    /// Stops it gracefully.
    pub stop: CancellationToken,
}

/// How a lane behaves.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The engine's settings; `ordered_prefix` is taken from the sink.
    pub engine: LaneConfig,
    /// How much one read takes.
    pub batch: BatchLimit,
    /// Where a lane without progress begins.
    pub start: Start,
    /// This relay's name in the lane's row.
    pub owner: String,
    /// How long a stop waits for what is in flight.
    pub grace: Duration,
}

/// How a lane ended.
#[derive(Debug)]
pub enum LaneEnd {
    /// As it was told; everything acknowledged is settled.
    Stopped,
    /// As it was told, but answers were still missing after the grace time: their messages are sent again at
    /// the next start.
    StoppedInFlight,
    /// Another relay owns it now.
    Lost(StoreError),
    /// The source needs an operator.
    SourceRefused(SourceError),
    /// The store needs an operator.
    StoreRefused(StoreError),
}

/// The pause before a session starts over.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// Runs the lane until it stops or can't go on. Call on a thread of its own, in a current-thread runtime.
pub async fn run(mut parts: LaneParts) -> LaneEnd {
    let mut first_batch: BatchId = 1;
    loop {
        parts.views.set_state(&parts.id, LaneState::Starting);
        let end = Session::run(&mut parts, &mut first_batch).await;
        let why = match end {
            SessionEnd::Ended(end) => {
                parts.views.set_state(&parts.id, LaneState::Stopped);
                return end;
            }
            SessionEnd::Restart(why) => why,
        };
        tracing::warn!(lane = %parts.id, "{why}; starting over from settled progress");
        parts.views.set_state(&parts.id, LaneState::Waiting(why));
        tokio::select! {
            () = parts.stop.cancelled() => {
                parts.views.set_state(&parts.id, LaneState::Stopped);
                return LaneEnd::Stopped;
            }
            () = tokio::time::sleep(RESTART_PAUSE) => {}
        }
    }
}
