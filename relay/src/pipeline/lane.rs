//! One lane from its start to its end: session after session until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use relay_engine::engine::LaneConfig;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::chain::Chain;
use super::session::{Carried, Release, Session, SessionEnd};
use super::share::Share;
use super::tap::Tap;
use super::view::{LaneState, Views};
use crate::sink::{Reports, Sink};
use crate::source::{BatchLimit, Source, SourceError, Start};
use crate::store::{Holder, LaneId, Store, StoreError};

/// What a lane is made of.
pub struct LaneParts {
    /// Its name.
    pub id: LaneId,
    /// How it behaves.
    pub settings: LaneSettings,
    /// What this process may own of the lanes it is one of; `None` where it is the only one of its sink.
    pub share: Option<Share>,
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
    /// Where it shows events to those who watch.
    pub tap: Tap,
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
    /// Whose lane it becomes.
    pub owner: OwnerSettings,
    /// How long a stop waits for what is in flight.
    pub grace: Duration,
}

/// How a relay owns its lanes.
#[derive(Debug, Clone)]
pub struct OwnerSettings {
    /// Its name, for people.
    pub name: String,
    /// Names its process.
    pub process: String,
    /// How long a lane stays with a relay that does not renew its lease.
    pub lease: Duration,
    /// Whether to wait for a lane that another relay owns; otherwise the lane ends.
    pub standby: bool,
    /// Whether the process of this name has certainly ended: its lanes need not be waited for.
    pub is_gone: fn(&str) -> bool,
}

/// How a lane ended.
#[derive(Debug)]
pub enum LaneEnd {
    /// As it was told; everything acknowledged is settled.
    Stopped,
    /// As it was told, but answers were still missing after the grace time: their messages are sent again at
    /// the next start.
    StoppedInFlight,
    /// Another relay owns it, and standing by was not asked for.
    Lost(StoreError),
    /// The source needs an operator.
    SourceRefused(SourceError),
    /// The store needs an operator.
    StoreRefused(StoreError),
}

/// The pause before a session starts over.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// How often a standby looks whether the lane is free, at most: how late it is after a clean stop.
const STANDBY_LOOK: Duration = Duration::from_millis(500);

/// Runs the lane until it stops or can't go on. Call on a thread of its own, in a current-thread runtime.
///
/// While another relay owns it, waits for that one's lease to end.
pub async fn run(mut parts: LaneParts) -> LaneEnd {
    let mut carried = Carried::default();
    let mut instead_of = None;
    let mut watched = None;
    loop {
        if !wait_for_share(&parts).await {
            parts.views.set_state(&parts.id, LaneState::Stopped);
            return LaneEnd::Stopped;
        }
        if watched.is_none() {
            parts.views.set_state(&parts.id, LaneState::Starting);
        }
        let end = Session::run(&mut parts, &mut carried, instead_of.take()).await;
        if let Some(share) = parts.share.as_ref().filter(|_| !matches!(end, SessionEnd::Restart(_))) {
            share.give(parts.id.shard);
        }
        let pause = match end {
            SessionEnd::Ended(end) => {
                parts.views.set_state(&parts.id, LaneState::Stopped);
                return end;
            }
            SessionEnd::Lost(error) if !parts.settings.owner.standby => return LaneEnd::Lost(error),
            SessionEnd::Held(holder) if !parts.settings.owner.standby => {
                return LaneEnd::Lost(StoreError::Owned {
                    lane: parts.id.to_string(),
                    owner: holder.owner,
                    term: holder.term,
                });
            }
            SessionEnd::HandedOver => {
                (watched, carried.owned) = (None, None);
                tracing::info!(lane = %parts.id, "handed over: another relay is there to share the work");
                STANDBY_LOOK
            }
            SessionEnd::Held(holder) if (parts.settings.owner.is_gone)(&holder.process) => {
                tracing::info!(lane = %parts.id, "{} #{} is gone; taking over", holder.owner, holder.term);
                instead_of = Some(holder.term);
                Duration::ZERO
            }
            SessionEnd::Held(holder) => {
                stand_by(&parts, &holder, &mut watched);
                holder.expires_in.min(STANDBY_LOOK)
            }
            SessionEnd::Lost(error) => {
                (watched, carried.owned) = (None, None);
                tracing::warn!(lane = %parts.id, "{error}; standing by");
                Duration::ZERO
            }
            SessionEnd::Restart(why) => {
                watched = None;
                tracing::warn!(lane = %parts.id, "{why}; starting over from settled progress");
                parts.views.set_state(&parts.id, LaneState::Waiting(why));
                RESTART_PAUSE
            }
        };
        tokio::select! {
            () = parts.stop.cancelled() => {
                if let Some(term) = carried.owned {
                    Release::of(&parts, term).give_back().await;
                }
                parts.views.set_state(&parts.id, LaneState::Stopped);
                return LaneEnd::Stopped;
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Waits until the lane may be taken as a part of this process's share; false when it is to stop before.
async fn wait_for_share(parts: &LaneParts) -> bool {
    let Some(share) = &parts.share else { return true };
    if share.take(parts.id.shard) {
        return true;
    }
    let standby = LaneState::Standby("another relay, which shares the work,".to_owned());
    parts.views.set_state(&parts.id, standby);
    parts.stop.run_until_cancelled(share.taken(parts.id.shard)).await.is_some()
}

/// Shows once per owner that the lane waits for it.
fn stand_by(parts: &LaneParts, holder: &Holder, watched: &mut Option<i64>) {
    if watched.replace(holder.term) != Some(holder.term) {
        tracing::info!(lane = %parts.id, "{} #{} owns this lane; standing by", holder.owner, holder.term);
        let owner = format!("{} #{}", holder.owner, holder.term);
        parts.views.set_state(&parts.id, LaneState::Standby(owner));
    }
}
