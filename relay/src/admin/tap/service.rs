//! The path `/tap`: who may attach, and the lines they get.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::TapRequest;
use super::render::{missed, record};
use super::screen::Screen;
use crate::admin::answer::refusal;
use crate::admin::local;
use crate::pipeline::tap::{Attached, Shown, Tap};

/// How often a line goes out when there is nothing to show: an empty one, by which each side sees that the other is
/// still there.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Bytes that are gathered before they go out, as far as there are any.
const CHUNK: usize = 64 * 1_024;

/// How many times as long as it wrote lines a client's turn then rests: it takes a fifth of one core at most, and the
/// rest is the lanes'. What comes meanwhile waits in its queue.
const RESTS: u32 = 4;

/// Shorter rests are added up: a timer can't tell them apart.
const SHORTEST_REST: Duration = Duration::from_millis(1);

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
            let lines = Lines {
                attached,
                screen,
                left: asked.limit,
                stop: state.stop,
                at: Stage::Begins,
                owed: Duration::ZERO,
            };
            let lines = futures_util::stream::unfold(lines, Lines::next);
            ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
        }
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// What one client gets.
struct Lines {
    attached: Attached,
    screen: Screen,
    /// Lines that may still go out.
    left: Option<u64>,
    stop: CancellationToken,
    at: Stage,
    /// Rest that is owed for what was written.
    owed: Duration,
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
                let rest =
                    if self.owed < SHORTEST_REST { Duration::ZERO } else { std::mem::take(&mut self.owed) };
                let next = async {
                    tokio::time::sleep(rest).await;
                    self.attached.next().await
                };
                let shown = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => None,
                    shown = next => Some(shown),
                    () = tokio::time::sleep(rest + ALIVE_EVERY) => return Some((Ok(Bytes::from_static(b"\n")), self)),
                };
                match shown {
                    Some(shown) => {
                        let began = Instant::now();
                        self.gather(shown, &mut chunk);
                        self.owed += began.elapsed() * RESTS;
                    }
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
