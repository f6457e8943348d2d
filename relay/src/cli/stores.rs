//! What commands ask of the stores of a configuration's sources.

use std::sync::Arc;

use super::Failure;
use crate::app;
use crate::config::Config;
use crate::store::{DeadAction, DeadFilter, DeadLetter, LaneSummary, Store};

/// Dead letters per question: a page of a few megabytes even when each is large.
const PAGE: usize = 500;

/// The stores of one configuration.
pub(super) struct Stores(Vec<Arc<dyn Store>>);

impl Stores {
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let stores = app::open_stores(config).await?;
        Ok(Self(stores.into_iter().map(|(_, store)| store).collect()))
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

    /// Every dead letter that matches, each once.
    pub(super) async fn dead(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, Failure> {
        let mut all: Vec<DeadLetter> = Vec::new();
        for store in &self.0 {
            let mut offset = 0;
            loop {
                let page = store.dead(filter, PAGE, offset).await?;
                offset += page.len();
                let last = page.len() < PAGE;
                all.extend(page);
                if last {
                    break;
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        all.retain(|it| seen.insert((it.lane.clone(), it.event.id.clone())));
        Ok(all)
    }

    /// Asks the owners of lanes to do this with matching dead letters.
    pub(super) async fn request(&self, filter: &DeadFilter, action: &DeadAction) -> Result<(), Failure> {
        for store in &self.0 {
            store.request(filter, action).await?;
        }
        Ok(())
    }
}
