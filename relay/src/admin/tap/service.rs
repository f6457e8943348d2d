//! The path `/tap`: who may attach, and the lines they get.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::TapRequest;
use super::render::{missed, record};
use super::screen::Screen;
use crate::admin::local;
use crate::pipeline::tap::{Attached, Shown, Tap};

/// How often a line goes out when there is nothing to show: an empty one, by which each side sees that the other is
/// still there.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Bytes that are gathered before they go out, as far as there are any.
const CHUNK: usize = 64 * 1_024;

/// What the path works with.
#[derive(Clone)]
pub(in crate::admin) struct TapState {
    /// `None`: nobody may attach.
    pub(in crate::admin) tap: Option<Tap>,
    /// Ends what is attached.
    pub(in crate::admin) stop: CancellationToken,
}

/// Shows events to a client on this machine, where the configuration allows it.
pub(in crate::admin) async fn tap(
    State(state): State<TapState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(tap) = state.tap else {
        let what = "this relay lets nobody watch: [admin] tap is not true, and it was not started with --tap";
        return refusal(StatusCode::FORBIDDEN, what);
    };
    if let Err(what) = local::check(peer, &headers) {
        return refusal(StatusCode::FORBIDDEN, what);
    }
    let asked: TapRequest = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => {
            return refusal(StatusCode::BAD_REQUEST, &format!("the request can't be read: {error}"));
        }
    };
    let screen = match Screen::new(&asked) {
        Ok(screen) => screen,
        Err(what) => return refusal(StatusCode::BAD_REQUEST, &what),
    };
    match tap.attach(asked.filter, screen.hides()) {
        Ok(attached) => {
            tracing::info!("somebody on this machine watches events");
            let lines = Lines { attached, screen, left: asked.limit, stop: state.stop, at: Stage::Begins };
            let lines = futures_util::stream::unfold(lines, Lines::next);
            ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
        }
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn refusal(status: StatusCode, what: &str) -> Response {
    let body = json!({ "error": what }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What one client gets.
struct Lines {
    attached: Attached,
    screen: Screen,
    /// Lines that may still go out.
    left: Option<u64>,
    stop: CancellationToken,
    at: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Begins,
    Goes,
    Ended,
}

impl Lines {
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        let mut chunk = Vec::new();
        match self.at {
            Stage::Ended => return None,
            Stage::Begins => {
                self.at = Stage::Goes;
                push(&mut chunk, &json!({ "kind": "attached", "version": env!("CARGO_PKG_VERSION") }));
            }
            Stage::Goes => {
                let shown = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => None,
                    shown = self.attached.next() => Some(shown),
                    () = tokio::time::sleep(ALIVE_EVERY) => return Some((Ok(Bytes::from_static(b"\n")), self)),
                };
                match shown {
                    Some(shown) => self.gather(shown, &mut chunk),
                    None => self.end("the relay stops", &mut chunk),
                }
            }
        }
        Some((Ok(chunk.into()), self))
    }

    /// Writes `first` and what else is there already.
    fn gather(&mut self, first: Shown, chunk: &mut Vec<u8>) {
        let mut next = Some(first);
        while let Some(shown) = next {
            match shown {
                Shown::Missed(count) => push(chunk, &missed(count)),
                Shown::Seen(seen) => {
                    push(chunk, &record(&seen, &self.screen));
                    self.left = self.left.map(|it| it.saturating_sub(1));
                }
            }
            if self.left == Some(0) {
                return self.end("limit", chunk);
            }
            next = if chunk.len() < CHUNK { self.attached.try_next() } else { None };
        }
    }

    fn end(&mut self, why: &str, chunk: &mut Vec<u8>) {
        push(chunk, &json!({ "kind": "end", "why": why }));
        self.at = Stage::Ended;
    }
}

fn push(chunk: &mut Vec<u8>, line: &Value) {
    chunk.extend_from_slice(line.to_string().as_bytes());
    chunk.push(b'\n');
}
