//! Who watches, and what each of them may still be given.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::filter::Filter;
use super::seen::Seen;

/// Those who watch at the same time: each costs every lane a look, and the memory of a queue.
const VIEWERS: usize = 4;

/// What one viewer's queue holds at most: a burst of small events, while its reader is busy.
const QUEUE: usize = 4_096;

/// Bytes at which a queue takes no more; the last one taken may be as large as an event is.
const QUEUE_BYTES: usize = 4 * 1_024 * 1_024;

/// Where lanes show events to those who watch. Clones are the same tap.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<Hub>);

#[derive(Debug, Default)]
struct Hub {
    /// Whether there is any viewer: all that a lane reads while there is none.
    watched: AtomicBool,
    viewers: Mutex<Arc<[Arc<Viewer>]>>,
}

/// Somebody who watches, as a lane sees them.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) filter: Filter,
    whole_events: bool,
    queue: mpsc::Sender<Seen>,
    queued_bytes: AtomicUsize,
    missed: AtomicU64,
}

/// As many watch as may at the same time.
#[derive(Debug, thiserror::Error)]
#[error("{VIEWERS} are attached already")]
pub struct TooMany;

/// The other end: what is shown to one viewer, who is detached when this is dropped.
#[derive(Debug)]
pub struct Attached {
    tap: Tap,
    viewer: Arc<Viewer>,
    queue: mpsc::Receiver<Seen>,
}

/// What is shown next.
#[derive(Debug)]
pub enum Shown {
    /// Something that happened.
    Seen(Box<Seen>),
    /// So many did not fit since the last time.
    Missed(u64),
}

impl Tap {
    /// Shows what `filter` takes from now on. With `whole_events`, everything that is shown brings payload and headers
    /// of its event, not only what shows them; who is to hide parts of them needs that.
    ///
    /// # Errors
    /// When too many watch already.
    pub fn attach(&self, filter: Filter, whole_events: bool) -> Result<Attached, TooMany> {
        let (sender, queue) = mpsc::channel(QUEUE);
        let viewer = Arc::new(Viewer {
            filter,
            whole_events,
            queue: sender,
            queued_bytes: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
        });
        let mut viewers = self.viewers();
        if viewers.len() >= VIEWERS {
            return Err(TooMany);
        }
        *viewers = viewers.iter().cloned().chain([Arc::clone(&viewer)]).collect();
        self.0.watched.store(true, Ordering::Relaxed);
        drop(viewers);
        Ok(Attached { tap: self.clone(), viewer, queue })
    }

    /// Those who watch; `None` where nobody does, for the price of one relaxed load.
    pub(super) fn watching(&self) -> Option<Arc<[Arc<Viewer>]>> {
        self.0.watched.load(Ordering::Relaxed).then(|| Arc::clone(&self.viewers()))
    }

    fn detach(&self, viewer: &Arc<Viewer>) {
        let mut viewers = self.viewers();
        *viewers = viewers.iter().filter(|it| !Arc::ptr_eq(it, viewer)).cloned().collect();
        self.0.watched.store(!viewers.is_empty(), Ordering::Relaxed);
    }

    /// Held for as long as it takes to copy a pointer, or a list of a few when somebody comes or goes.
    fn viewers(&self) -> MutexGuard<'_, Arc<[Arc<Viewer>]>> {
        self.0.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Viewer {
    /// Shows what `seen` makes, where there is room for it; otherwise counts it. Never waits. `seen` is told whether
    /// it is to bring its whole event.
    pub(super) fn show(&self, seen: impl FnOnce(bool) -> Seen) {
        if self.queued_bytes.load(Ordering::Relaxed) >= QUEUE_BYTES || self.queue.capacity() == 0 {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let seen = seen(self.whole_events);
        let size = seen.size();
        // Counted first: whoever takes it out subtracts it again.
        self.queued_bytes.fetch_add(size, Ordering::Relaxed);
        if self.queue.try_send(seen).is_err() {
            self.queued_bytes.fetch_sub(size, Ordering::Relaxed);
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Attached {
    /// What is shown next; waits for it. May be dropped while it waits, and loses nothing then.
    pub async fn next(&mut self) -> Shown {
        if let Some(shown) = self.try_next() {
            return shown;
        }
        match self.queue.recv().await {
            Some(seen) => self.taken(seen),
            // Its sender is held by the viewer, and that by this.
            None => std::future::pending().await,
        }
    }

    /// What is shown next, if there is anything already.
    pub fn try_next(&mut self) -> Option<Shown> {
        // What was missed did not fit behind what is queued, so that comes first.
        if let Ok(seen) = self.queue.try_recv() {
            return Some(self.taken(seen));
        }
        match self.viewer.missed.swap(0, Ordering::Relaxed) {
            0 => None,
            missed => Some(Shown::Missed(missed)),
        }
    }

    fn taken(&self, seen: Seen) -> Shown {
        self.viewer.queued_bytes.fetch_sub(seen.size(), Ordering::Relaxed);
        Shown::Seen(Box::new(seen))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.tap.detach(&self.viewer);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relay_engine::event::{EventBatch, EventFields};

    use super::super::seen::What;
    use super::*;
    use crate::store::LaneId;

    fn seen(payload: usize) -> Seen {
        let mut events = EventBatch::default();
        let payload = vec![b'x'; payload];
        events.push(&EventFields { id: "1", payload: Some(&payload), ..EventFields::default() }).unwrap();
        let lane = LaneId::new("orders", "billing");
        Seen::new(&lane, events.get(0).unwrap(), true, What::Read)
    }

    fn only_viewer(tap: &Tap) -> Arc<Viewer> {
        Arc::clone(&tap.watching().unwrap()[0])
    }

    #[test]
    fn with_nobody_attached_a_lane_looks_at_one_flag_and_takes_no_lock() {
        let tap = Tap::default();
        let held = tap.viewers();
        let (answer, answered) = std::sync::mpsc::channel();
        let asked = tap.clone();
        std::thread::spawn(move || answer.send(asked.watching().is_none()));
        // Were the lock asked for, no answer would come while it is held here.
        assert_eq!(answered.recv_timeout(Duration::from_secs(10)), Ok(true));
        drop(held);
    }

    #[test]
    fn who_went_away_costs_nothing_any_more_and_makes_room_for_another() {
        let tap = Tap::default();
        let mut attached: Vec<_> =
            (0..VIEWERS).map(|_| tap.attach(Filter::default(), false).unwrap()).collect();
        assert!(tap.attach(Filter::default(), false).is_err());
        attached.pop();
        attached.push(tap.attach(Filter::default(), false).unwrap());
        assert_eq!(tap.watching().unwrap().len(), VIEWERS);
        drop(attached);
        assert!(tap.watching().is_none());
    }

    #[test]
    fn what_does_not_fit_is_counted_not_made_and_told_behind_what_did() {
        let tap = Tap::default();
        let mut attached = tap.attach(Filter::default(), false).unwrap();
        let viewer = only_viewer(&tap);
        let mut made = 0;
        for _ in 0..QUEUE + 10 {
            viewer.show(|_| {
                made += 1;
                seen(0)
            });
        }
        assert_eq!(made, QUEUE);
        for _ in 0..QUEUE {
            assert!(matches!(attached.try_next(), Some(Shown::Seen(_))));
        }
        assert!(matches!(attached.try_next(), Some(Shown::Missed(10))));
        assert!(attached.try_next().is_none());
    }

    #[test]
    fn large_events_are_bounded_by_their_bytes_and_one_larger_than_all_room_is_shown() {
        let tap = Tap::default();
        let mut attached = tap.attach(Filter::default(), false).unwrap();
        let viewer = only_viewer(&tap);
        viewer.show(|_| seen(QUEUE_BYTES * 2));
        viewer.show(|_| seen(1));
        let Some(Shown::Seen(large)) = attached.try_next() else { panic!("nothing is shown") };
        assert_eq!(large.event.payload.map(|it| it.len()), Some(QUEUE_BYTES * 2));
        assert!(matches!(attached.try_next(), Some(Shown::Missed(1))));
        viewer.show(|_| seen(1));
        assert!(matches!(attached.try_next(), Some(Shown::Seen(_))), "its room is free again");
    }
}
