//! The server, and what each path answers.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::plugins::{self, PluginRequests};
use super::tap::{self, TapState};
use crate::pipeline::Views;
use crate::pipeline::tap::Tap;

/// Why metrics and health can't be served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is taken or not ours.
    #[error("can't listen on {address} for metrics and health")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The operating system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// Metrics were set up twice in one process.
    #[error("metrics can't be recorded")]
    Recorder(#[source] metrics_exporter_prometheus::BuildError),
}

impl AdminError {
    /// The stable code that `relay explain` knows.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "C041",
            Self::Recorder(_) => "C042",
        }
    }
}

/// Starts recording metrics, once per process.
///
/// # Errors
/// When a recorder is installed already.
pub fn install_recorder() -> Result<PrometheusHandle, AdminError> {
    PrometheusBuilder::new().install_recorder().map_err(AdminError::Recorder)
}

/// Answers operators' tools. It shows no secrets and, unless [`Server::with_tap`] is called, no payloads, and changes
/// nothing but where [`Server::with_plugins`] is called.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: Shown,
    tap: Option<Tap>,
    plugins: Option<PluginRequests>,
}

#[derive(Clone)]
struct Shown {
    views: Views,
    metrics: PrometheusHandle,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address can't be had.
    pub async fn bind(
        address: SocketAddr,
        views: Views,
        metrics: PrometheusHandle,
    ) -> Result<Self, AdminError> {
        let failed = |cause| AdminError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, state: Shown { views, metrics }, tap: None, plugins: None })
    }

    /// Lets people on this machine watch events pass.
    #[must_use]
    pub fn with_tap(self, tap: Tap) -> Self {
        Self { tap: Some(tap), ..self }
    }

    /// Hands what operators on this machine ask of plugins to `requests`.
    #[must_use]
    pub fn with_plugins(self, requests: PluginRequests) -> Self {
        Self { plugins: Some(requests), ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn serve(self, stop: CancellationToken) {
        let routes = Router::new()
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .route("/lanes", get(lanes))
            .with_state(self.state);
        let tap = Router::new()
            .route("/tap", post(tap::tap))
            .with_state(TapState { tap: self.tap, stop: stop.clone() });
        let routes = routes.merge(tap).merge(plugins::routes(self.plugins));
        // Who may watch and ask depends on where they are.
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(self.listener, routes).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::warn!("metrics and health stopped: {error}");
        }
    }
}

/// Ready while events can flow in every lane; a sink's outage is not ours to be restarted for.
async fn ready(State(shown): State<Shown>) -> Response {
    let views = shown.views.all();
    let waiting: Vec<_> = views
        .iter()
        .filter(|(_, view)| !view.state.is_ready())
        .map(|(lane, view)| format!("{lane}: {}\n", view.state))
        .collect();
    if views.is_empty() {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned()).into_response()
    } else if waiting.is_empty() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, waiting.concat()).into_response()
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shown.metrics.render()).into_response()
}

async fn lanes(State(shown): State<Shown>) -> Response {
    let lane = |(id, view): (&crate::store::LaneId, &crate::pipeline::LaneView)| {
        serde_json::json!({
            "pipeline": id.pipeline, "sink": id.sink, "shard": id.shard.to_string(), "state": view.state.to_string(),
            "delivered": view.delivered, "window": view.window, "held": view.held, "plugins": view.plugins,
        })
    };
    let all: serde_json::Value = shown.views.all().iter().map(lane).collect();
    ([(header::CONTENT_TYPE, "application/json")], all.to_string()).into_response()
}
