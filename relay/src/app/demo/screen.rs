//! What the demo shows.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::outbox::Writer;
use super::proof::Proof;
use super::receiver::{Received, Receiver};
use super::setup::Setup;

/// Events shown one by one; the rest are counted.
const SHOWN: usize = 8;

pub(super) fn parts(setup: &Setup, port: u16) {
    println!("outbox    SQLite, in a temporary folder            receiver  http://127.0.0.1:{port}");
    let plugins = setup.plugins.iter().map(|it| format!("{} ({} KB)", it.name, it.size / 1000));
    println!("plugins   {}", plugins.collect::<Vec<_>>().join(" → "));
    println!();
    println!("{:<11} {:<9} {:<13} {:<25} {:<24} after", "committed", "key", "event", "redact", "delivered");
}

/// Shows the first events as they come.
pub(super) struct Watcher(JoinHandle<()>);

impl Watcher {
    pub(super) fn start(writer: &Writer, receiver: &Receiver) -> Self {
        let (writer, get, mut counts) = (writer.clone(), receiver.reader(), receiver.counts());
        let show = async move {
            let mut shown = 0;
            while shown < SHOWN && counts.changed().await.is_ok() {
                while let Some(received) = get(shown).filter(|_| shown < SHOWN) {
                    row(&writer, &received);
                    shown += 1;
                }
            }
            println!("…");
        };
        Self(tokio::runtime::Handle::current().spawn(show))
    }

    /// Stops showing.
    pub(super) fn finish(self) {
        self.0.abort();
    }
}

fn row(writer: &Writer, received: &Received) {
    let id = received.webhook_id.split('/').nth(1).unwrap_or_default();
    let Some(event) = writer.lock().committed.get(id).cloned() else { return };
    let redacted = received.body.pointer("/customer/email").is_none();
    let change = if redacted { "/customer/email removed" } else { "nothing" };
    let after = received.at.saturating_duration_since(event.at);
    let (seq, order, path) = (format!("seq {}", event.seq), event.order, format!("POST {}", received.path));
    println!("{seq:<11} {order:<9} {:<13} {change:<25} {path:<24} {}", "OrderPlaced", milliseconds(after));
}

pub(super) fn swapped(old: &str, new: &str, took: Duration) {
    println!(
        "plugin      redact: another build put in its place while events flow: {old} → {new}, live after {}",
        milliseconds(took)
    );
}

pub(super) fn killed(delivered: usize) {
    println!(
        "kill -9     the relay's process, after {delivered} deliveries; started again on the same outbox"
    );
}

pub(super) fn proof(proof: &Proof) {
    let Proof { committed, rolled_back, delivered, repeated, killed, longest } = proof;
    let repeats = if *killed {
        format!("{repeated} sent again under the same idempotency key")
    } else {
        "none twice".to_owned()
    };
    println!(
        "proof       {committed} committed and {rolled_back} rolled back; {delivered} delivered, in order per key, \
         {repeats}, none of the rolled back; no event waited longer than {}",
        milliseconds(*longest)
    );
    println!("next        relay init --help · relay plugin build --help · README.md");
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
