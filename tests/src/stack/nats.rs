//! nats-server with JetStream.

use std::path::Path;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream;
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::error::StackError;
use super::process::{Program, ServerProcess, blocking};
use super::{folder, ports, tools};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A NATS server of its own, streams on disk.
#[derive(Debug)]
pub struct Nats {
    process: ServerProcess,
    program: Program,
    port: u16,
    folder: TempDir,
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its place in the stream.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl StoredMessage {
    /// The first header called `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The server that the tests of this process share; streams and subjects of their own keep them apart.
///
/// # Errors
/// [`StackError`] when it cannot be started.
pub async fn shared_nats() -> Result<&'static Nats, StackError> {
    static SHARED: OnceCell<Nats> = OnceCell::const_new();
    SHARED.get_or_try_init(Nats::start).await
}

impl Nats {
    /// Starts a server without streams; returns once it serves clients.
    ///
    /// # Errors
    /// [`StackError`] when it is not installed or does not become ready.
    pub async fn start() -> Result<Self, StackError> {
        Self::start_with("").await
    }

    /// Starts a server with further lines in its configuration file, such as `max_payload: 4096`.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub async fn start_with(settings: &str) -> Result<Self, StackError> {
        let settings = settings.to_owned();
        blocking(move || Self::start_blocking(&settings)).await
    }

    fn start_blocking(settings: &str) -> Result<Self, StackError> {
        let folder = folder::create("nats-")?;
        let port = ports::free_port()?;
        let file = write_settings(folder.path(), port, settings)?;
        let program = Program {
            server: "nats-server",
            path: tools::nats_server()?,
            arguments: vec!["-c".into(), file.into_os_string()],
            user: None,
            ready: "Server is ready",
            stop_signal: "TERM",
        };
        let process = ServerProcess::start(&program, folder.path())?;
        Ok(Self { process, program, port, folder })
    }

    /// `nats://host:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port it listens on, the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A client's JetStream context.
    ///
    /// # Errors
    /// [`StackError::Client`] when the server is not there.
    pub async fn jetstream(&self) -> Result<jetstream::Context, StackError> {
        // Two providers are linked; without a choice, client configurations panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            async_nats::connect(self.url()).await.map_err(StackError::client("connecting to NATS"))?;
        Ok(jetstream::new(client))
    }

    /// Creates a stream that keeps all messages of `subjects` on disk.
    ///
    /// # Errors
    /// [`StackError::Client`] when the server refuses.
    pub async fn create_stream(&self, name: &str, subjects: &[&str]) -> Result<(), StackError> {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(|&it| it.to_owned()).collect(),
            storage: stream::StorageType::File,
            ..stream::Config::default()
        };
        self.create_stream_with(config).await
    }

    /// Creates a stream with all settings given.
    ///
    /// # Errors
    /// As [`Nats::create_stream`].
    pub async fn create_stream_with(&self, config: stream::Config) -> Result<(), StackError> {
        let doing = format!("creating the stream {}", config.name);
        self.jetstream().await?.create_stream(config).await.map_err(StackError::client(doing))?;
        Ok(())
    }

    /// How many messages the stream holds.
    ///
    /// # Errors
    /// [`StackError::Client`] when the server does not answer.
    pub async fn count(&self, stream: &str) -> Result<u64, StackError> {
        let doing = format!("counting the messages of {stream}");
        let mut stream =
            self.jetstream().await?.get_stream(stream).await.map_err(StackError::client(doing.clone()))?;
        let info = stream.info().await.map_err(StackError::client(doing))?;
        Ok(info.state.messages)
    }

    /// Everything stored in the stream by now, in order.
    ///
    /// # Errors
    /// [`StackError::Client`] or [`StackError::Timeout`] when the server does not answer.
    pub async fn read_stream(&self, stream: &str) -> Result<Vec<StoredMessage>, StackError> {
        let doing = || format!("reading the stream {stream}");
        let context = self.jetstream().await?;
        let mut stream = context.get_stream(stream).await.map_err(StackError::client(doing()))?;
        let state = stream.info().await.map_err(StackError::client(doing()))?.state.clone();
        let config = pull::Config {
            ack_policy: AckPolicy::None,
            deliver_policy: DeliverPolicy::All,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(StackError::client(doing()))?;
        let mut arriving = consumer.messages().await.map_err(StackError::client(doing()))?;
        let mut stored = Vec::new();
        while stored.len() < usize::try_from(state.messages).unwrap_or(usize::MAX) {
            let next = tokio::time::timeout(ANSWER_LIMIT, arriving.next()).await;
            let timeout = || StackError::Timeout { what: doing(), limit: ANSWER_LIMIT };
            let message = next.map_err(|_| timeout())?.ok_or_else(timeout)?;
            stored.push(stored_message(&message.map_err(StackError::client(doing()))?)?);
        }
        Ok(stored)
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Freezes it: connections stay open and nothing answers.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on after a pause.
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// Starts it again on the same data and port; kills it first if it runs.
    ///
    /// # Errors
    /// [`StackError::NotReady`].
    pub async fn restart(&mut self) -> Result<(), StackError> {
        self.process.kill();
        let (program, folder) = (self.program.clone(), self.folder.path().to_owned());
        self.process = blocking(move || ServerProcess::start(&program, &folder)).await?;
        Ok(())
    }
}

fn write_settings(folder: &Path, port: u16, settings: &str) -> Result<std::path::PathBuf, StackError> {
    let store = folder.join("jetstream");
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{settings}\n",
        store.display()
    );
    let file = folder.join("nats.conf");
    std::fs::write(&file, text).map_err(StackError::io("writing the settings of nats-server"))?;
    Ok(file)
}

fn stored_message(message: &jetstream::Message) -> Result<StoredMessage, StackError> {
    let info = message.info().map_err(StackError::client("reading a message's sequence"))?;
    let headers = message.headers.iter().flat_map(async_nats::HeaderMap::iter);
    let headers = headers
        .flat_map(|(name, values)| values.iter().map(move |value| (name.to_string(), value.to_string())));
    Ok(StoredMessage {
        sequence: info.stream_sequence,
        subject: message.subject.to_string(),
        headers: headers.collect(),
        body: message.payload.to_vec(),
    })
}
