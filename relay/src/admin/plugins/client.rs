//! The other side of the paths.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::PluginAsk;
use crate::admin::client::{self, Answer};

/// How long an answer may take: a build is compiled for at most five minutes, another one may be before it.
const ANSWER: Duration = Duration::from_secs(11 * 60);

/// Why a relay did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No relay answers.
    #[error("no relay answers at {address}")]
    Unreachable {
        /// Where it was looked for.
        address: SocketAddr,
        /// What happened there.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The relay takes orders from nobody, or not from this client.
    #[error("{0}")]
    Forbidden(String),
    /// No such plugin runs there.
    #[error("{0}")]
    Unknown(String),
    /// It refused, and nothing was changed.
    #[error("{what}")]
    Refused {
        /// The stable code.
        code: String,
        /// Why.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// What answers speaks otherwise, or is stopping.
    #[error("{0}")]
    Other(String),
}

/// Asks the relay whose admin server listens at `address`; what came of it.
///
/// # Errors
/// An [`AskError`]; unless it was [`AskError::Refused`], it may have been done all the same.
pub async fn ask(address: SocketAddr, plugin: &str, ask: &PluginAsk) -> Result<Value, AskError> {
    let unreachable = |cause| AskError::Unreachable { address, cause };
    let (status, body) = send(address, plugin, ask).await.map_err(unreachable)?;
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    match status {
        StatusCode::OK => Ok(body),
        StatusCode::FORBIDDEN => Err(AskError::Forbidden(text("error"))),
        StatusCode::NOT_FOUND if body["error"].is_string() => Err(AskError::Unknown(text("error"))),
        StatusCode::CONFLICT => {
            Err(AskError::Refused { code: text("code"), what: text("error"), remedy: text("remedy") })
        }
        other if body["error"].is_string() => Err(AskError::Other(format!("{} ({other})", text("error")))),
        other => {
            Err(AskError::Other(format!("what listens at {address} answers {other}, which no relay does")))
        }
    }
}

async fn send(
    address: SocketAddr,
    plugin: &str,
    ask: &PluginAsk,
) -> Result<(StatusCode, Value), Box<dyn Error + Send + Sync>> {
    let (method, verb, body) = match ask {
        PluginAsk::Reload { accept } => (Method::POST, "reload", json!({ "accept": accept }).to_string()),
        PluginAsk::RollBack { to } => (Method::POST, "rollback", json!({ "to": to }).to_string()),
        PluginAsk::History => (Method::GET, "history", String::new()),
    };
    let path = format!("/plugins/{plugin}/{verb}");
    let Answer { response, connection } =
        client::send(address, method, &path, body.into_bytes(), ANSWER).await?;
    let status = response.status();
    let body = tokio::time::timeout(ANSWER, response.into_body().collect()).await??.to_bytes();
    drop(connection);
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
