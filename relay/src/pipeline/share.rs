//! How the relays that run one pipeline share the lanes that its keys are divided into.
//!
//! Each relay notes in the store that it is there and counts the others. Its fair share is the number of lanes by the
//! number of relays, rounded up, so that every lane has somebody who may take it. A relay that owns more (another one
//! came) hands the surplus over as at a clean stop; one that owns less takes what is free.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use relay_engine::event::Shard;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::store::{LaneId, Store};

/// Times a relay says that it is there before the others take it for gone: two may fail.
const CALLS: u32 = 3;

/// What this process may own of the lanes of one sink of a pipeline.
#[derive(Debug, Clone)]
pub struct Share {
    holding: Arc<Mutex<Holding>>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Holding {
    shards: u32,
    /// 0 until it is known how many relays there are.
    fair: usize,
    /// Taken, or about to be.
    taken: BTreeSet<u32>,
}

impl Share {
    /// A share of `shards` lanes; nothing may be taken until it is known who else is there.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        let holding = Holding { shards, fair: 0, taken: BTreeSet::new() };
        Self { holding: Arc::new(Mutex::new(holding)), changed: watch::Sender::default() }
    }

    /// Says that this process is there, and learns who else is, until `stop`; then says that it leaves.
    pub async fn keep(
        self,
        store: Arc<dyn Store>,
        lane: LaneId,
        process: String,
        length: Duration,
        stop: CancellationToken,
    ) {
        loop {
            match store.attend(&lane, &process, length).await {
                Ok(others) => self.set_relays(others + 1),
                Err(error) => tracing::debug!(%lane, "who shares this lane could not be asked: {error}"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(length / CALLS)).await.is_none() {
                if let Err(error) = store.attend(&lane, &process, Duration::ZERO).await {
                    tracing::debug!(%lane, "the others could not be told of leaving: {error}");
                }
                return;
            }
        }
    }

    fn set_relays(&self, relays: u64) {
        let mut holding = self.holding();
        let fair = u64::from(holding.shards).div_ceil(relays.max(1));
        let fair = usize::try_from(fair).unwrap_or(usize::MAX);
        if holding.fair != fair {
            holding.fair = fair;
            drop(holding);
            self.changed.send_replace(());
        }
    }

    /// Takes `shard` into the share, where there is room; it stays there until it is given back.
    pub(super) fn take(&self, shard: Shard) -> bool {
        let mut holding = self.holding();
        let room = holding.taken.contains(&shard.index) || holding.taken.len() < holding.fair;
        if room {
            holding.taken.insert(shard.index);
        }
        room
    }

    /// Takes `shard` into the share as soon as there is room.
    pub(super) async fn taken(&self, shard: Shard) {
        self.until(|| self.take(shard)).await;
    }

    /// Gives `shard` back.
    pub(super) fn give(&self, shard: Shard) {
        self.holding().taken.remove(&shard.index);
        self.changed.send_replace(());
    }

    /// Completes when `shard` is more than the share.
    pub(super) async fn exceeded(&self, shard: Shard) {
        self.until(|| self.holding().exceeds(shard)).await;
    }

    /// Completes once `holds` does, which is asked at each change.
    async fn until(&self, holds: impl Fn() -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds() {
            if changed.changed().await.is_err() {
                // The sender is a part of this share.
                std::future::pending::<()>().await;
            }
        }
    }

    fn holding(&self) -> MutexGuard<'_, Holding> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// The first of what is taken stays.
    fn exceeds(&self, shard: Shard) -> bool {
        self.taken.range(..shard.index).count() >= self.fair
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn shard(index: u32) -> Shard {
        Shard { index, of: 8 }
    }

    fn taken(share: &Share) -> Vec<u32> {
        (0..8).filter(|index| share.take(shard(*index))).collect()
    }

    #[test]
    fn nothing_is_taken_before_the_others_are_known_and_no_more_than_the_share_after() {
        let share = Share::new(8);
        assert!(taken(&share).is_empty());
        share.set_relays(3);
        assert_eq!(taken(&share), [0, 1, 2]);
        share.give(shard(1));
        assert!(share.take(shard(7)));
        assert!(!share.take(shard(1)));
        assert!(share.take(shard(7)), "what is taken stays taken");
    }

    #[test]
    fn the_shares_of_any_number_of_relays_cover_every_lane() {
        for relays in 1..=10_u64 {
            let each = Share::new(8);
            each.set_relays(relays);
            assert!(taken(&each).len() as u64 * relays >= 8, "{relays}");
        }
    }

    #[tokio::test]
    async fn a_surplus_is_told_when_another_relay_comes_and_what_is_in_the_share_stays() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let lane = LaneId::new("orders", "events");
        let share = Share::new(8);
        let stop = CancellationToken::new();
        let length = Duration::from_millis(50);
        let kept =
            share.clone().keep(Arc::clone(&store), lane.clone(), "one".to_owned(), length, stop.clone());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(kept);
        for index in 0..8 {
            share.taken(shard(index)).await;
        }
        store.attend(&lane, "two", Duration::from_secs(60)).await.unwrap();
        for index in 4..8 {
            share.exceeded(shard(index)).await;
        }
        let stays = tokio::time::timeout(length, share.exceeded(shard(3))).await;
        assert!(stays.is_err(), "half of them are its share");
        stop.cancel();
        tasks.join_all().await;
        assert_eq!(store.attend(&lane, "two", length).await.unwrap(), 0, "it told that it left");
    }
}
