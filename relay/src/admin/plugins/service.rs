//! The paths, and what they answer.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::{PluginAsk, PluginReply, PluginRequest, PluginRequests};
use crate::admin::local;

/// The body of a request to reload.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reload {
    #[serde(default)]
    accept: bool,
}

/// The body of a request to go back.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    to: Option<String>,
}

/// Routes that hand what is asked to `requests`; `None`: the configuration allows nobody to.
pub(in crate::admin) fn routes(requests: Option<PluginRequests>) -> Router {
    Router::new()
        .route("/plugins/{name}/reload", post(reload))
        .route("/plugins/{name}/rollback", post(roll_back))
        .route("/plugins/{name}/history", get(history))
        .with_state(requests)
}

type Requests = State<Option<PluginRequests>>;

async fn reload(
    State(requests): Requests,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(plugin): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let ask = parsed(&body).map(|Reload { accept }| PluginAsk::Reload { accept });
    answer(requests, peer, &headers, plugin, ask).await
}

async fn roll_back(
    State(requests): Requests,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(plugin): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let ask = parsed(&body).map(|RollBack { to }| PluginAsk::RollBack { to });
    answer(requests, peer, &headers, plugin, ask).await
}

async fn history(
    State(requests): Requests,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(plugin): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(requests, peer, &headers, plugin, Ok(PluginAsk::History)).await
}

async fn answer(
    requests: Option<PluginRequests>,
    peer: SocketAddr,
    headers: &HeaderMap,
    plugin: String,
    ask: Result<PluginAsk, String>,
) -> Response {
    let Some(requests) = requests else {
        return refusal(StatusCode::FORBIDDEN, "this relay takes no orders: [admin] control is false");
    };
    if let Err(what) = local::check(peer, headers) {
        return refusal(StatusCode::FORBIDDEN, what);
    }
    let ask = match ask {
        Ok(ask) => ask,
        Err(what) => return refusal(StatusCode::BAD_REQUEST, &what),
    };
    let (answer, answered) = oneshot::channel();
    let request = PluginRequest { plugin, ask, answer };
    let stopping = || refusal(StatusCode::SERVICE_UNAVAILABLE, "the relay is stopping");
    if requests.send(request).await.is_err() {
        return stopping();
    }
    match answered.await {
        Ok(PluginReply::Done(done)) => body(StatusCode::OK, &done),
        Ok(PluginReply::Unknown(what)) => refusal(StatusCode::NOT_FOUND, &what),
        Ok(PluginReply::Refused { code, what, remedy }) => {
            body(StatusCode::CONFLICT, &json!({ "code": code, "error": what, "remedy": remedy }))
        }
        Err(_) => stopping(),
    }
}

fn parsed<T: Default + for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, String> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| format!("the request can't be read: {error}"))
}

fn refusal(status: StatusCode, what: &str) -> Response {
    body(status, &json!({ "error": what }))
}

fn body(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
