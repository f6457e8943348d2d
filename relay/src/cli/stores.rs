//! What commands ask of the stores of a configuration's sources.

use std::sync::Arc;

use super::Failure;
use crate::app;
use crate::config::Config;
use crate::store::{DeadAction, DeadFilter, DeadLetter, Extent, LaneSummary, Outcome, Store};

/// Dead letters per question: a page of a few megabytes even when each is large.
const PAGE: usize = 500;

/// Requests that one store wrote down.
pub(super) struct Asked {
    store: Arc<dyn Store>,
    requests: Vec<i64>,
}

impl Asked {
    /// What came of all of them by now.
    pub(super) async fn outcome(all: &[Self]) -> Result<Outcome, Failure> {
        let mut sum = Outcome::default();
        for Self { store, requests } in all {
            let one = store.outcome(requests).await?;
            sum.open.extend(one.open);
            sum.taken += one.taken;
            sum.done += one.done;
            sum.waiting += one.waiting;
            sum.dead.extend(one.dead);
        }
        Ok(sum)
    }
}

/// The stores of one configuration.
pub(super) struct Stores(Vec<Arc<dyn Store>>);

impl Stores {
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        for (_, store) in app::open_stores(config).await? {
            if !stores.iter().any(|it| Arc::ptr_eq(it, &store)) {
                stores.push(store);
            }
        }
        Ok(Self(stores))
    }

    #[cfg(test)]
    pub(super) fn of(stores: Vec<Arc<dyn Store>>) -> Self {
        Self(stores)
    }

    /// Every lane that has a row, by name.
    pub(super) async fn lanes(&self) -> Result<Vec<LaneSummary>, Failure> {
        let mut all = Vec::new();
        for store in &self.0 {
            all.extend(store.lanes().await?);
        }
        all.sort_by(|a, b| a.lane.cmp(&b.lane));
        // Sources that share a database share its store.
        all.dedup_by(|a, b| a.lane == b.lane);
        Ok(all)
    }

    /// Shows `each` dead letter that matches, in outbox order; a page of them is in memory at a time.
    pub(super) async fn each_dead(
        &self,
        filter: &DeadFilter,
        mut each: impl FnMut(DeadLetter),
    ) -> Result<(), Failure> {
        for store in &self.0 {
            let mut offset = 0;
            loop {
                let page = store.dead(filter, PAGE, offset).await?;
                offset += page.len();
                let last = page.len() < PAGE;
                page.into_iter().for_each(&mut each);
                if last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// How much the matching dead letters are.
    pub(super) async fn extent(&self, filter: &DeadFilter) -> Result<Extent, Failure> {
        let mut all = Vec::with_capacity(self.0.len());
        for store in &self.0 {
            all.push(store.extent(filter).await?);
        }
        Ok(all.into_iter().sum())
    }

    /// Asks the owners of lanes to do this with matching dead letters.
    pub(super) async fn request(
        &self,
        filter: &DeadFilter,
        action: &DeadAction,
    ) -> Result<Vec<Asked>, Failure> {
        let mut asked = Vec::new();
        for store in &self.0 {
            let requests = store.request(filter, action).await?.requests;
            asked.push(Asked { store: Arc::clone(store), requests });
        }
        Ok(asked)
    }
}
