//! All tables of a relay.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::LookupConfig;
use super::error::LookupError;
use super::live::{LOOK_EVERY, Lookup};

/// The tables that plugins read: each once, however many plugins and builds of them read it, and gone with the last.
#[derive(Debug, Default)]
pub struct Lookups {
    open: Mutex<Vec<Weak<Lookup>>>,
}

impl Lookups {
    /// The table of `config`, read before this returns. Blocks its thread.
    pub(in crate::plugin) fn open(&self, config: &LookupConfig) -> Result<Arc<Lookup>, LookupError> {
        // Held while it is read, so that two plugins do not read it twice.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|it| it.strong_count() > 0);
        if let Some(lookup) = open.iter().filter_map(Weak::upgrade).find(|it| it.config() == config) {
            return Ok(lookup);
        }
        let lookup = Arc::new(Lookup::open(config.clone())?);
        open.push(Arc::downgrade(&lookup));
        Ok(lookup)
    }

    /// Reads tables again whenever they are due, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut readings = JoinSet::new();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            while readings.try_join_next().is_some() {}
            let now = Instant::now();
            for lookup in self.all() {
                lookup.tell_metrics(now);
                if lookup.take_due(now) {
                    readings.spawn(async move { lookup.refresh().await });
                }
            }
        }
    }

    /// Those that somebody reads. Where one is being opened just now, none: the next look comes soon.
    fn all(&self) -> Vec<Arc<Lookup>> {
        self.open
            .try_lock()
            .map_or_else(|_| Vec::new(), |open| open.iter().filter_map(Weak::upgrade).collect())
    }
}
