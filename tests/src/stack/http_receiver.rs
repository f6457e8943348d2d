//! An HTTP receiver inside the test process, which answers as the test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::StackError;
use super::http_wire::{read_request, write_answer};
use super::ports;
use super::runtime::{TaskGuard, spawn};

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// `POST` and so on.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// 0 for the first request of this receiver, counted when its body was read.
    pub order: usize,
    /// When its body was read.
    pub at: Instant,
}

impl ReceivedRequest {
    /// The first header called `name` (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// What the receiver does with a request, after it has recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) endless: bool,
    delay: Duration,
    held: bool,
    dropped: bool,
}

impl Answer {
    /// An empty answer with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            endless: false,
            delay: Duration::ZERO,
            held: false,
            dropped: false,
        }
    }

    /// No answer: the connection ends after the request was read.
    #[must_use]
    pub fn drop_connection() -> Self {
        Self { dropped: true, ..Self::status(0) }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// With a body that never ends.
    #[must_use]
    pub fn endless_body(mut self) -> Self {
        self.endless = true;
        self
    }

    /// Only after a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Only once the test calls [`HttpReceiver::release`].
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }
}

#[derive(Debug)]
struct Script {
    usual: Answer,
    by_path: HashMap<String, Answer>,
    by_order: HashMap<usize, Answer>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    requests: Mutex<Vec<ReceivedRequest>>,
    count: watch::Sender<usize>,
    released: watch::Sender<bool>,
    recording: bool,
}

/// Receives and records; answers 200 unless told otherwise.
#[derive(Debug)]
pub struct HttpReceiver {
    port: u16,
    shared: Arc<Shared>,
    task: Option<TaskGuard>,
}

impl HttpReceiver {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// [`StackError::Io`] when it cannot listen.
    pub fn start() -> Result<Self, StackError> {
        Self::launch(true)
    }

    /// Starts one that counts requests and keeps none: for millions of them.
    ///
    /// # Errors
    /// As [`HttpReceiver::start`].
    pub fn start_counting() -> Result<Self, StackError> {
        Self::launch(false)
    }

    fn launch(recording: bool) -> Result<Self, StackError> {
        let usual = Answer::status(200);
        let shared = Arc::new(Shared {
            script: Mutex::new(Script { usual, by_path: HashMap::new(), by_order: HashMap::new() }),
            requests: Mutex::default(),
            count: watch::Sender::new(0),
            released: watch::Sender::new(false),
            recording,
        });
        let mut receiver = Self { port: ports::free_port()?, shared, task: None };
        receiver.restart()?;
        Ok(receiver)
    }

    /// `http://host:port`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port it listens on, the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Answers all requests like this, unless a path or an order says otherwise.
    pub fn answer(&self, answer: Answer) {
        self.script().usual = answer;
    }

    /// Answers requests to `path` (with its query) like this.
    pub fn answer_path(&self, path: &str, answer: Answer) {
        self.script().by_path.insert(path.to_owned(), answer);
    }

    /// Answers the request of this order (0 for the first) like this, whatever its path.
    pub fn answer_nth(&self, order: usize, answer: Answer) {
        self.script().by_order.insert(order, answer);
    }

    /// Sends all answers that were held, and holds no more.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// The requests so far, in the order in which their bodies were read.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests came so far.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Waits until `count` requests have come, and returns all so far.
    ///
    /// # Errors
    /// [`StackError::Timeout`] when fewer came within `limit`.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Result<Vec<ReceivedRequest>, StackError> {
        let mut seen = self.shared.count.subscribe();
        // Not kept: what it returns holds the count locked, and the record is locked before the count elsewhere.
        let enough = tokio::time::timeout(limit, seen.wait_for(|it| *it >= count)).await.is_ok();
        if enough {
            return Ok(self.received());
        }
        let what = format!("{count} requests ({} came)", self.count());
        Err(StackError::Timeout { what, limit })
    }

    /// Closes its port and all connections: clients are refused.
    pub fn stop(&mut self) {
        self.task = None;
    }

    /// Listens again on the same port, with the same script and record.
    ///
    /// # Errors
    /// [`StackError::Io`] when the port is taken.
    pub fn restart(&mut self) -> Result<(), StackError> {
        self.task = None;
        let doing = "starting an HTTP receiver";
        let listener =
            std::net::TcpListener::bind(("127.0.0.1", self.port)).map_err(StackError::io(doing))?;
        listener.set_nonblocking(true).map_err(StackError::io(doing))?;
        let task = spawn(accept(listener, Arc::clone(&self.shared)))?;
        self.task = Some(TaskGuard::new(&task));
        Ok(())
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(client, Arc::clone(&shared)));
    }
}

/// Serves one connection until the client or the script ends it.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    // Answers are small and must not wait for more.
    let _ = client.set_nodelay(true);
    let mut connection = BufReader::new(client);
    while let Ok(Some(request)) = read_request(&mut connection).await {
        let answer = shared.record(request);
        if answer.held {
            // The sender lives in `shared`.
            let _ = shared.released.subscribe().wait_for(|released| *released).await;
        }
        if !answer.delay.is_zero() {
            tokio::time::sleep(answer.delay).await;
        }
        if answer.dropped || write_answer(&mut connection, &answer).await.is_err() {
            return;
        }
    }
}

impl Shared {
    /// Takes the request in and says what to answer.
    fn record(&self, mut request: ReceivedRequest) -> Answer {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        request.order = *self.count.borrow();
        request.at = Instant::now();
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = script
            .by_order
            .get(&request.order)
            .or_else(|| script.by_path.get(&request.path))
            .unwrap_or(&script.usual)
            .clone();
        drop(script);
        if self.recording {
            requests.push(request);
        }
        // Told while the record is locked, so that who sees the count sees the request.
        self.count.send_modify(|count| *count += 1);
        answer
    }
}
