//! Holds what was received against what was committed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::outbox::Writer;
use super::receiver::Receiver;
use crate::app::AppError;

/// What the demo showed.
pub(super) struct Proof {
    pub(super) committed: usize,
    pub(super) rolled_back: usize,
    pub(super) delivered: usize,
    pub(super) repeated: usize,
    pub(super) killed: bool,
    pub(super) longest: Duration,
}

/// Proves that each committed event came, in order per order, redacted, and nothing else; repeats only where the
/// relay was killed, and under the key of the first.
pub(super) fn check(writer: &Writer, receiver: &Receiver, killed: bool) -> Result<Proof, AppError> {
    let written = writer.lock();
    let received = receiver.all();
    let mut first_seen = HashSet::new();
    let mut versions: HashMap<String, u64> = HashMap::new();
    let mut longest = Duration::ZERO;
    for request in &received {
        let id = request.webhook_id.split('/').nth(1).unwrap_or_default();
        let Some(event) = written.committed.get(id) else {
            return Err(AppError::Disproved(format!("{} came, and was never committed", request.webhook_id)));
        };
        if !first_seen.insert(request.webhook_id.clone()) {
            continue;
        }
        longest = longest.max(request.at.saturating_duration_since(event.at));
        let version = request.body["version"].as_u64().unwrap_or_default();
        let last = versions.insert(event.order.clone(), version).unwrap_or_default();
        if version <= last {
            return Err(AppError::Disproved(format!("{}: version {version} came after {last}", event.order)));
        }
        if request.body.pointer("/customer/email").is_some() {
            return Err(AppError::Disproved(format!(
                "{id} came with the e-mail address that redact removes"
            )));
        }
    }
    let repeated = received.len() - first_seen.len();
    if first_seen.len() != written.committed.len() {
        let (came, committed) = (first_seen.len(), written.committed.len());
        return Err(AppError::Disproved(format!("{committed} were committed and {came} came")));
    }
    if repeated > 0 && !killed {
        return Err(AppError::Disproved(format!("{repeated} came twice although nothing failed")));
    }
    Ok(Proof {
        committed: written.committed.len(),
        rolled_back: written.rolled_back.len(),
        delivered: first_seen.len(),
        repeated,
        killed,
        longest,
    })
}
