//! The connection, and the task that receives acknowledgements.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, Message, Request, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use relay_engine::outcome::Failure;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::classify;
use super::config::NatsSinkConfig;
use super::pending::{Gathered, Pending};

/// How long connecting, and connecting again, may take before the lane is told; it asks again later.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long JetStream may take to say that it is there. Silence is no error: the user may not be allowed to ask.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(2);
/// How soon a dead connection is noticed, at most two intervals.
const PING: Duration = Duration::from_secs(5);
/// Acknowledgements taken before they are reported.
const GATHER: usize = 512;
/// How often expired publishes are looked for, at least and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// What the client says about the connection.
#[derive(Debug, Default)]
struct News {
    connected: watch::Sender<bool>,
    losses: watch::Sender<u64>,
    /// The last error a server sent, such as a missing permission: it names no publish.
    last_error: Mutex<Option<String>>,
}

/// An open connection with its acknowledgement task.
pub(super) struct Connection {
    client: Client,
    inbox: String,
    news: Arc<News>,
    /// Owns the task: it ends with the connection.
    _tasks: JoinSet<()>,
}

impl Connection {
    pub(super) async fn open(config: &NatsSinkConfig, pending: &Arc<Pending>) -> Result<Self, Failure> {
        let news = Arc::new(News::default());
        let client = options(config, &news)
            .await?
            .connect(&config.servers[..])
            .await
            .map_err(|error| classify::connect_failure(error.kind(), &error.to_string()))?;
        news.connected.send_replace(true);
        let inbox = client.new_inbox();
        let acks = client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|error| classify::connect_failure(ConnectErrorKind::Io, &error.to_string()))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(receive(acks, Arc::clone(pending), Arc::clone(&news), config.ack_timeout));
        Ok(Self { client, inbox, news, _tasks: tasks })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The reply subject of the publish `number`.
    pub(super) fn reply(&self, number: u64) -> String {
        format!("{}.{number}", self.inbox)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Waits until the client has connected again, and asks whether JetStream is there.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        let mut connected = self.news.connected.subscribe();
        let back = tokio::time::timeout(CONNECT_TIMEOUT, connected.wait_for(|it| *it)).await.is_ok();
        if !back || !self.is_connected() {
            return Err(classify::not_connected());
        }
        let request = Request::new().timeout(Some(ACCOUNT_TIMEOUT));
        match self.client.send_request("$JS.API.INFO", request).await {
            Ok(answer) => classify::judge_account(answer.status, &answer.payload),
            Err(error) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
                classify::judge_account(Some(async_nats::StatusCode::NO_RESPONDERS), b"")
            }
            Err(error) => {
                tracing::debug!(%error, "JetStream did not say that it is there");
                Ok(())
            }
        }
    }
}

async fn options(config: &NatsSinkConfig, news: &Arc<News>) -> Result<ConnectOptions, Failure> {
    let mut options = ConnectOptions::new()
        .name(format!("relay {}", config.name))
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING)
        // Every publish in flight may be answered at once.
        .subscription_capacity(config.in_flight.saturating_mul(2).max(1_024));
    if let Some((user, password)) = &config.login {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(token) = &config.token {
        options = options.token(token.clone());
    }
    if let Some(file) = &config.credentials {
        options = options.credentials_file(file).await.map_err(|error| {
            let kind = ConnectErrorKind::Authentication;
            classify::connect_failure(kind, &format!("the credentials file {}: {error}", file.display()))
        })?;
    }
    let (news, name) = (Arc::clone(news), config.name.clone());
    Ok(options.event_callback(move |event| {
        note(&news, &name, &event);
        std::future::ready(())
    }))
}

fn note(news: &News, sink: &str, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!(sink, "NATS: connected");
            news.connected.send_replace(true);
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!(sink, "NATS: {event}");
            news.connected.send_replace(false);
            news.losses.send_modify(|it| *it += 1);
        }
        Event::ServerError(_) | Event::ClientError(_) | Event::SlowConsumer(_) => {
            tracing::warn!(sink, "NATS: {event}");
            *news.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.to_string());
        }
        Event::LameDuckMode | Event::Draining => tracing::info!(sink, "NATS: {event}"),
    }
}

async fn receive(mut acks: Subscriber, pending: Arc<Pending>, news: Arc<News>, timeout: Duration) {
    let mut losses = news.losses.subscribe();
    let mut look = tokio::time::interval((timeout / 4).clamp(LOOK.0, LOOK.1));
    loop {
        let mut gathered = Gathered::new();
        tokio::select! {
            ack = acks.next() => {
                let Some(ack) = ack else { return };
                take(&pending, &mut gathered, &ack);
                for _ in 1..GATHER {
                    let Some(Some(ack)) = acks.next().now_or_never() else { break };
                    take(&pending, &mut gathered, &ack);
                }
            }
            _ = losses.changed() => {
                pending.lose_all(&mut gathered, "the connection was lost before the answer came");
            }
            _ = look.tick() => {
                let because = news.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let because = because.map(|it| format!("; the last error was: {it}")).unwrap_or_default();
                pending.expire(&mut gathered, &because);
            }
        }
        pending.report(gathered);
    }
}

fn take(pending: &Pending, gathered: &mut Gathered, ack: &Message) {
    let number = ack.subject.rsplit('.').next().and_then(|it| it.parse().ok());
    let Some(number) = number else { return };
    pending.answer(gathered, number, |subject| classify::judge(ack.status, &ack.payload, subject));
}
