//! The other side: an HTTP receiver that notes everything it gets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::setup::unusable;
use crate::app::AppError;

/// Notes requests until it is dropped.
pub(super) struct Receiver {
    port: u16,
    noted: Noted,
    count: watch::Receiver<usize>,
    _server: JoinSet<()>,
}

/// One request.
#[derive(Clone)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) webhook_id: String,
    pub(super) body: Value,
    pub(super) at: Instant,
}

#[derive(Clone)]
struct Noted {
    log: Arc<Mutex<Log>>,
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Log {
    all: Vec<Received>,
    times: HashMap<String, usize>,
}

impl Receiver {
    pub(super) async fn start() -> Result<Self, AppError> {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| unusable("a local port", &error))?;
        let port = listener.local_addr().map_err(|error| unusable("a local port", &error))?.port();
        let (sender, count) = watch::channel(0);
        let noted = Noted { log: Arc::default(), count: sender };
        let routes = Router::new().fallback(note).with_state(noted.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            // It ends with the demo.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { port, noted, count, _server: server })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Everything received so far, in order.
    pub(super) fn all(&self) -> Vec<Received> {
        self.noted.lock().all.clone()
    }

    /// Different idempotency keys received so far.
    pub(super) fn distinct(&self) -> usize {
        *self.count.borrow()
    }

    /// Changes with each new idempotency key.
    pub(super) fn counts(&self) -> watch::Receiver<usize> {
        self.count.clone()
    }

    pub(super) fn reader(&self) -> impl Fn(usize) -> Option<Received> + use<> {
        let noted = self.noted.clone();
        move |index| noted.lock().all.get(index).cloned()
    }

    /// Waits until this many different idempotency keys came.
    pub(super) async fn wait_for(&self, count: usize, patience: Duration) -> Result<(), AppError> {
        let mut counts = self.count.clone();
        let reached = counts.wait_for(|now| *now >= count);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let received = self.distinct();
                Err(AppError::Disproved(format!("{received} of {count} events came within {patience:?}")))
            }
        }
    }
}

impl Noted {
    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn note(State(noted): State<Noted>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let webhook_id = headers.get("webhook-id").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let received = Received {
        path: uri.path().to_owned(),
        webhook_id: webhook_id.clone(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        at: Instant::now(),
    };
    let mut log = noted.lock();
    log.all.push(received);
    *log.times.entry(webhook_id).or_default() += 1;
    let distinct = log.times.len();
    drop(log);
    noted.count.send_replace(distinct);
    StatusCode::NO_CONTENT
}
