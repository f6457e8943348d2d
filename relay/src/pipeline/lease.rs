//! Keeps a lane's lease running while a session lasts, whatever else the session waits for.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::view::Views;
use crate::store::{LaneId, Store, StoreError};

/// Renewals per length of the lease: two may fail before it runs out.
const RENEWALS: u32 = 3;

/// Renews a lease until it is dropped or the lane is lost.
///
/// It compares the term alone and runs beside the session's writes: a sink that keeps the session waiting must not
/// cost it the lane.
pub(super) struct LeaseKeeper {
    term: i64,
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Others leave the lane alone until then.
    Until(Duration),
    Lost,
}

/// Whether the lane is still the session's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    Ours,
    /// The lease has run out unrenewed: another relay may own the lane.
    Unsure,
    Lost,
}

impl LeaseKeeper {
    /// Keeps the lease that was asked for at `asked`, in [`uptime`].
    pub(super) fn start(
        shared: &Handle,
        store: Arc<dyn Store>,
        lane: LaneId,
        term: i64,
        length: Duration,
        asked: Duration,
        views: Views,
    ) -> Self {
        let (sender, state) = watch::channel(State::Until(asked + length));
        let task = shared.spawn(keep(store, lane, Lease { term, length, taken: asked }, sender, views));
        Self { term, state, task }
    }

    /// The term it is kept under.
    pub(super) fn term(&self) -> i64 {
        self.term
    }

    /// To be asked before each command that sends: a process that was stopped or slept may be past its lease.
    pub(super) fn ownership(&self) -> Ownership {
        match *self.state.borrow() {
            State::Until(end) if uptime() < end => Ownership::Ours,
            State::Until(_) => Ownership::Unsure,
            State::Lost => Ownership::Lost,
        }
    }

    /// Completes when the lease was renewed or lost.
    pub(super) async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            // The shared runtime is shutting down, and this lane with it.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is kept.
struct Lease {
    term: i64,
    length: Duration,
    /// When it was asked for, in [`uptime`].
    taken: Duration,
}

async fn keep(store: Arc<dyn Store>, lane: LaneId, lease: Lease, state: watch::Sender<State>, views: Views) {
    let Lease { term, length, taken } = lease;
    // Taking over a large lane may have used the first length up.
    let mut pause = (length / RENEWALS).saturating_sub(uptime().saturating_sub(taken));
    loop {
        tokio::time::sleep(pause).await;
        pause = length / RENEWALS;
        let asked = uptime();
        match store.renew(&lane, term, length, &views.words(&lane)).await {
            Ok(()) => drop(state.send_replace(State::Until(asked + length))),
            Err(StoreError::Lost { .. }) => {
                state.send_replace(State::Lost);
                return;
            }
            Err(error) => tracing::debug!(%lane, "the lease could not be renewed: {error}"),
        }
    }
}

/// Time since the machine started, sleep included: what a lease in a database elsewhere goes by.
#[cfg(target_os = "linux")]
pub(super) fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs().try_into().unwrap_or_default())
}

/// Time since the first call.
#[cfg(not(target_os = "linux"))]
pub(super) fn uptime() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{Acquired, Claim};

    const LENGTH: Duration = Duration::from_millis(60);

    fn lane() -> LaneId {
        LaneId::new("orders", "events")
    }

    fn claim(process: &str, instead_of: Option<i64>) -> Claim {
        Claim { owner: "relay".to_owned(), process: process.to_owned(), length: LENGTH, instead_of }
    }

    #[tokio::test]
    async fn a_kept_lease_outlasts_its_length_and_its_loss_is_told() {
        let store = Arc::new(MemoryStore::default());
        let asked = uptime();
        let Acquired::Taken(record) = store.acquire(&lane(), &claim("one", None)).await.unwrap() else {
            panic!("nobody had it");
        };
        let term = record.lease.term;
        let kept: Arc<dyn Store> = Arc::<MemoryStore>::clone(&store);
        let mut keeper =
            LeaseKeeper::start(&Handle::current(), kept, lane(), term, LENGTH, asked, Views::default());
        while uptime() < asked + LENGTH * 2 {
            keeper.changed().await;
        }
        let other = store.acquire(&lane(), &claim("two", None)).await.unwrap();
        assert!(matches!(other, Acquired::Held(_)), "{other:?}");

        store.acquire(&lane(), &claim("two", Some(term))).await.unwrap();
        while keeper.ownership() != Ownership::Lost {
            keeper.changed().await;
        }
    }

    #[tokio::test]
    async fn a_lease_that_ran_out_unrenewed_is_not_ours_to_send_under() {
        let store = Arc::new(MemoryStore::default());
        let long_ago = uptime().saturating_sub(LENGTH);
        let mut keeper =
            LeaseKeeper::start(&Handle::current(), store, lane(), 1, LENGTH, long_ago, Views::default());
        assert_eq!(keeper.ownership(), Ownership::Unsure);
        // This store knows no such lane.
        keeper.changed().await;
        assert_eq!(keeper.ownership(), Ownership::Lost);
    }
}
