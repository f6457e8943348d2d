//! The thread that moves the engine's epoch while guests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// One step of the epoch. Guests are interrupted this often, so it bounds how late a time limit is noticed;
/// shorter steps would only cost wake-ups.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a running guest before the thread waits to be woken: an idle relay does not wake the machine
/// a thousand times a second, and a busy one is not woken for every batch.
const IDLE_TICKS: u32 = 100;

/// Moves the epoch every [`TICK`] while a guest runs; ends when dropped.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    dozing: AtomicBool,
    stopped: AtomicBool,
}

/// Says that a guest runs, until dropped.
#[derive(Debug)]
pub(super) struct Running<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread for `engine`.
    pub(super) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let handle =
            thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || own.tick(&engine))?;
        Ok(Self { shared, thread: handle.thread().clone(), handle: Some(handle) })
    }

    /// Keeps the epoch moving until the answer is dropped.
    pub(super) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        // The ticker says that it dozes before it looks at the count, so one of both sees the other.
        if self.shared.dozing.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn tick(&self, engine: &Engine) {
        let mut idle = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            idle = if self.running.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
            if idle > IDLE_TICKS {
                self.doze();
            } else {
                thread::park_timeout(TICK);
            }
            engine.increment_epoch();
        }
    }

    fn doze(&self) {
        self.dozing.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
            thread::park();
        }
        self.dozing.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // It ends within one tick; there is nothing to do about a panic of it here.
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn wait_until(holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(30), "it did not happen");
            thread::yield_now();
        }
    }

    #[test]
    fn it_dozes_while_no_guest_runs_and_a_guest_wakes_it() {
        let ticker = Ticker::start(Engine::default()).unwrap();
        let dozes = || ticker.shared.dozing.load(Ordering::SeqCst);
        for _ in 0..2 {
            wait_until(dozes);
            let running = ticker.running();
            wait_until(|| !dozes());
            drop(running);
        }
    }
}
