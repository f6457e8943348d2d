//! The sink itself.

use std::sync::Arc;
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use relay_engine::message::{MessageBatch, MessageRef};
use relay_engine::outcome::{Failure, FailureClass};
use tokio::sync::Semaphore;

use super::classify;
use super::config::NatsSinkConfig;
use super::connection::Connection;
use super::pending::{Gathered, Pending, Publish};
use super::publish::{headers, subject};
use crate::sink::{Reports, SentHeader, Sink, SinkTraits};

/// What a publish costs beside key, body and the message's own headers: the two headers the sink adds.
const PUBLISH_OVERHEAD: usize = 1_024;
/// How long closing waits for answers; the lane has drained before it closes.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Delivers to JetStream subjects, pipelined, with `Nats-Msg-Id` for the server to know repeats by.
///
/// Keeps no prefixes. The server forgets ids after the stream's duplicate window; a message sent again later is
/// stored again.
pub struct NatsSink {
    config: NatsSinkConfig,
    pending: Arc<Pending>,
    room: Arc<Semaphore>,
    window: u32,
    connection: Option<Connection>,
}

impl NatsSink {
    /// A sink that is not connected; its outcomes will go to `reports`.
    #[must_use]
    pub fn new(config: NatsSinkConfig, reports: Reports) -> Self {
        let window = u32::try_from(config.in_flight.max(1)).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(window as usize));
        let pending = Arc::new(Pending::new(config.ack_timeout, reports));
        Self { config, pending, room, window, connection: None }
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let detail = "the program installed no TLS provider";
            return Err(Failure::new(FailureClass::Unavailable, classify::UNREACHABLE, detail));
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.config, &self.pending).await?,
        };
        let checked = connection.check().await;
        if checked.as_ref().err().is_some_and(|it| it.code == classify::UNREACHABLE) {
            // The next opening starts over: it reads the credentials again, and nothing that the client kept for
            // a later connection is sent after the lane has sent it again.
            drop(connection);
            let mut gathered = Gathered::new();
            self.pending.lose_all(&mut gathered, "the connection was given up before the answer came");
            self.pending.report(gathered);
        } else {
            self.connection = Some(connection);
        }
        checked
    }

    async fn send_one(&self, batch_id: u64, batch: &MessageBatch, index: u32) {
        let outcome = match batch.get(index) {
            Some(message) => self.publish(batch_id, index, message).await,
            None => Err(classify::unknown(format!("the batch has no message {index}"))),
        };
        if let Err(failure) = outcome {
            self.pending.report_failure(batch_id, index, failure);
        }
    }

    /// Publishes; a failure is one the publish was not noted for, and so still to be reported.
    async fn publish(&self, batch_id: u64, index: u32, message: MessageRef<'_>) -> Result<(), Failure> {
        let connection = self.connection.as_ref().ok_or_else(classify::not_connected)?;
        let (subject, headers) = (subject(message)?, headers(message)?);
        let body = Bytes::copy_from_slice(message.body().unwrap_or_default());
        let closed = |_| classify::unknown("the sink was closed");
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(closed)?;
        // Looked at after the wait. The client would keep the publish for a later connection, when the lane has
        // long sent it again.
        if !connection.is_connected() {
            return Err(classify::not_connected());
        }
        let noted = Publish { batch_id, index, subject: subject.to_string(), _room: room };
        let number = self.pending.add(noted);
        let publish = connection.client().publish_with_reply_and_headers(
            subject,
            connection.reply(number),
            headers,
            body,
        );
        // The client's queue stands still when the connection does.
        let failure = match tokio::time::timeout(self.config.ack_timeout, publish).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => publish_failure(error.kind(), &error.to_string()),
            Err(_) => classify::not_connected(),
        };
        let mut gathered = Gathered::new();
        self.pending.answer(&mut gathered, number, |_| Err(failure));
        self.pending.report(gathered);
        Ok(())
    }
}

fn publish_failure(kind: PublishErrorKind, detail: &str) -> Failure {
    let (class, code) = match kind {
        PublishErrorKind::MaxPayloadExceeded => (FailureClass::Permanent, classify::TOO_LARGE),
        PublishErrorKind::InvalidSubject => (FailureClass::Permanent, classify::SUBJECT),
        PublishErrorKind::Send => return classify::not_connected(),
    };
    Failure::new(class, code, detail)
}

impl Sink for NatsSink {
    fn traits(&self) -> SinkTraits {
        let limit = self.connection.as_ref().map(|it| it.client().max_payload());
        let max_message = limit.map(|it| it.saturating_sub(PUBLISH_OVERHEAD));
        SinkTraits { ordered_prefix: false, max_message }
    }

    fn open(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        self.connect().boxed()
    }

    fn send(&mut self, batch_id: u64, batch: Arc<MessageBatch>, indexes: Vec<u32>) -> BoxFuture<'_, ()> {
        async move {
            for index in indexes {
                self.send_one(batch_id, &batch, index).await;
            }
        }
        .boxed()
    }

    fn sent_headers(&self, message: MessageRef<'_>) -> Vec<SentHeader> {
        let Ok(headers) = headers(message) else { return Vec::new() };
        let each = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let shown = each.map(|(name, value)| SentHeader::shown(name.as_ref(), value.as_str().as_bytes()));
        shown.collect()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            // All of the window is free once everything is answered; an elapsed deadline is answered below.
            let _ = tokio::time::timeout(CLOSE_GRACE, self.room.acquire_many(self.window)).await;
            let mut gathered = Gathered::new();
            self.pending.lose_all(&mut gathered, "the sink was closed before the answer came");
            self.pending.report(gathered);
        }
        .boxed()
    }
}
