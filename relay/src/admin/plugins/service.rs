//! The paths, and what they answer.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::oneshot;

use super::{PluginAsk, PluginReply, PluginRequest, PluginRequests};
use crate::admin::answer::{self, refusal};
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

impl From<Reload> for PluginAsk {
    fn from(Reload { accept }: Reload) -> Self {
        Self::Reload { accept }
    }
}

impl From<RollBack> for PluginAsk {
    fn from(RollBack { to }: RollBack) -> Self {
        Self::RollBack { to }
    }
}

/// Routes that hand what is asked to `requests`; `None`: the configuration allows nobody to.
pub(in crate::admin) fn routes(requests: Option<PluginRequests>) -> Router {
    Router::new()
        .route("/plugins/{name}/reload", post(asked::<Reload>))
        .route("/plugins/{name}/rollback", post(asked::<RollBack>))
        .route("/plugins/{name}/history", get(history))
        .with_state(requests)
}

type Requests = State<Option<PluginRequests>>;

/// Answers what stands in a request's body.
async fn asked<T: Default + DeserializeOwned + Into<PluginAsk>>(
    State(requests): Requests,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(plugin): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(requests, peer, &headers, plugin, parsed::<T>(&body).map(Into::into)).await
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
        Ok(PluginReply::Done(done)) => answer::answer(StatusCode::OK, &done),
        Ok(PluginReply::Unknown(what)) => refusal(StatusCode::NOT_FOUND, &what),
        Ok(PluginReply::Refused { code, what, remedy }) => {
            let refused = json!({ "code": code, "error": what, "remedy": remedy });
            answer::answer(StatusCode::CONFLICT, &refused)
        }
        Err(_) => stopping(),
    }
}

fn parsed<T: Default + DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| format!("the request can't be read: {error}"))
}
