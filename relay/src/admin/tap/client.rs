//! The other side of the path `/tap`.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use super::TapRequest;
use crate::admin::client::{self, Answer};

/// Three times as long as the relay leaves its clients without a line.
const SILENCE: Duration = Duration::from_secs(15);

/// How long the head of the answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Why nothing, or nothing more, is shown.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// No relay answers.
    #[error("no relay answers at {address}")]
    Unreachable {
        /// Where it was looked for.
        address: SocketAddr,
        /// What happened there.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The relay does not let anybody attach, or not this client.
    #[error("{0}")]
    Forbidden(String),
    /// The relay can't do what was asked for.
    #[error("{0}")]
    Refused(String),
    /// The relay was there, and is not any more.
    #[error("the relay went away: {0}")]
    Gone(String),
}

/// One line of what a relay shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The relay shows events from now on.
    Attached,
    /// Something happened to an event, or so many things were not shown: as the relay wrote it, and read.
    Record(String, Value),
    /// As many lines came as were asked for.
    LimitReached,
}

/// A client that is attached to a relay; detached when dropped.
pub struct TapClient {
    body: Incoming,
    read: Vec<u8>,
    /// How much of `read` was searched for the end of a line.
    searched: usize,
    /// The task that moves its bytes.
    _connection: JoinSet<()>,
}

impl TapClient {
    /// Attaches to the relay whose admin server listens at `address`.
    ///
    /// # Errors
    /// When none answers, or it refuses.
    pub async fn attach(address: SocketAddr, request: &TapRequest) -> Result<Self, TapError> {
        let unreachable = |cause| TapError::Unreachable { address, cause };
        let body = serde_json::to_vec(request).map_err(|error| unreachable(error.into()))?;
        let answer = client::send(address, Method::POST, "/tap", body, ANSWER).await;
        let Answer { response, connection } = answer.map_err(unreachable)?;
        let status = response.status();
        let body = response.into_body();
        if status == StatusCode::OK {
            return Ok(Self { body, read: Vec::new(), searched: 0, _connection: connection });
        }
        let said = body.collect().await.map(|it| it.to_bytes()).unwrap_or_default();
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        let what = said["error"].as_str().map_or_else(|| format!("it answers {status}"), str::to_owned);
        Err(if status == StatusCode::FORBIDDEN { TapError::Forbidden(what) } else { TapError::Refused(what) })
    }

    /// The next line; waits for it.
    ///
    /// # Errors
    /// [`TapError::Gone`] when the relay stops or is not there any more.
    pub async fn next(&mut self) -> Result<Line, TapError> {
        loop {
            if let Some(line) = self.take_line() {
                if line.trim().is_empty() {
                    continue;
                }
                return read(line);
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            let silent = |_| TapError::Gone(format!("it has been silent for {} s", SILENCE.as_secs()));
            match frame.map_err(silent)? {
                Some(Ok(frame)) => self.read.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(TapError::Gone(error.to_string())),
                None => return Err(TapError::Gone("it closed the connection".to_owned())),
            }
        }
    }

    fn take_line(&mut self) -> Option<String> {
        let Some(end) = self.read[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.read.len();
            return None;
        };
        let rest = self.read.split_off(self.searched + end + 1);
        let line = std::mem::replace(&mut self.read, rest);
        self.searched = 0;
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

fn read(line: String) -> Result<Line, TapError> {
    let value: Value = serde_json::from_str(&line)
        .map_err(|error| TapError::Gone(format!("a line of it can't be read: {error}")))?;
    match value["kind"].as_str() {
        Some("attached") => Ok(Line::Attached),
        Some("end") if value["why"] == "limit" => Ok(Line::LimitReached),
        Some("end") => Err(TapError::Gone("it was told to stop".to_owned())),
        _ => Ok(Line::Record(line, value)),
    }
}
