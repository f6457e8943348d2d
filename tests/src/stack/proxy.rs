//! A TCP proxy that can cut, hold, delay and turn to another server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::StackError;
use super::ports;
use super::runtime::{TaskGuard, spawn};

const BUFFER: usize = 64 << 10;

/// What the proxy does with bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode {
    /// Connections end, and new ones end at once.
    cut: bool,
    /// Bytes stay here; connections stay open.
    held: bool,
    /// What the server says stays here on connections with lower numbers.
    unanswered_below: u64,
    /// How long each piece of data waits here.
    delay: Duration,
}

impl Mode {
    const OPEN: Self = Self { cut: false, held: false, unanswered_below: 0, delay: Duration::ZERO };
}

/// Stands between a client and a server.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    mode: watch::Sender<Mode>,
    target: watch::Sender<String>,
    opened: Arc<AtomicU64>,
    _task: TaskGuard,
}

impl TcpProxy {
    /// Listens on a free port and forwards to `target` (`host:port`), which need not listen yet.
    ///
    /// # Errors
    /// [`StackError::Io`] when it cannot listen.
    pub fn start(target: &str) -> Result<Self, StackError> {
        let port = ports::free_port()?;
        let doing = "starting a proxy";
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).map_err(StackError::io(doing))?;
        listener.set_nonblocking(true).map_err(StackError::io(doing))?;
        let (mode, seen) = watch::channel(Mode::OPEN);
        let (target, towards) = watch::channel(target.to_owned());
        let opened = Arc::default();
        let task = spawn(accept(listener, towards, seen, Arc::clone(&opened)))?;
        Ok(Self { port, mode, target, opened, _task: TaskGuard::new(&task) })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients connect, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends all connections, and new ones at once, until [`TcpProxy::restore`].
    pub fn cut(&self) {
        self.mode.send_modify(|mode| mode.cut = true);
    }

    /// Keeps all bytes back while connections stay open, as a silent network does, until [`TcpProxy::restore`].
    pub fn hold(&self) {
        self.mode.send_modify(|mode| mode.held = true);
    }

    /// Keeps back what the server answers on the connections that are open now, until [`TcpProxy::restore`]: what
    /// clients send arrives, and so does everything on connections opened from now on.
    pub fn hold_answers(&self) {
        let unanswered_below = self.opened.load(Ordering::SeqCst);
        self.mode.send_modify(|mode| mode.unanswered_below = unanswered_below);
    }

    /// Forwards connections opened from now on to `target`, as a virtual address does after a failover.
    pub fn turn_to(&self, target: &str) {
        self.target.send_replace(target.to_owned());
    }

    /// Delays each piece of data, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.mode.send_modify(|mode| mode.delay = delay);
    }

    /// Forwards again, with what was held back, without delay.
    pub fn restore(&self) {
        self.mode.send_replace(Mode::OPEN);
    }
}

async fn accept(
    listener: std::net::TcpListener,
    target: watch::Receiver<String>,
    mode: watch::Receiver<Mode>,
    opened: Arc<AtomicU64>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        // Ended ones are let go, so that a long test does not collect them.
        while connections.try_join_next().is_some() {}
        let number = opened.fetch_add(1, Ordering::SeqCst);
        let target = target.borrow().clone();
        connections.spawn(connect(client, number, target, mode.clone()));
    }
}

/// Joins one client with the server; dropping either half ends the connection.
async fn connect(client: TcpStream, number: u64, target: String, mut mode: watch::Receiver<Mode>) {
    if mode.borrow_and_update().cut {
        return;
    }
    let Ok(server) = TcpStream::connect(&target).await else { return };
    // Small writes go at once, as they would without the proxy.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut watched = mode.clone();
    tokio::select! {
        () = forward(from_client, to_server, mode.clone(), |mode| mode.held) => {}
        () = forward(from_server, to_client, mode, |mode| mode.held || number < mode.unanswered_below) => {}
        _ = watched.wait_for(|mode| mode.cut) => {}
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    is_held: impl Fn(&Mode) -> bool,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        let Ok(now) = mode.wait_for(|mode| !is_held(mode)).await.map(|mode| *mode) else { return };
        if !now.delay.is_zero() {
            tokio::time::sleep(now.delay).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
