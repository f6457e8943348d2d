//! One request to an admin server, as the relay's own commands make it.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// An answer whose head has come. Its body comes for as long as the task is kept, in which what goes wrong with the
/// connection ends as well.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) connection: JoinSet<()>,
}

/// Sends `body`, which is JSON, to `path` of the server at `address`, and waits for `patience` at most for the head of
/// the answer.
pub(super) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Vec<u8>,
    patience: Duration,
) -> Result<Answer, Box<dyn Error + Send + Sync>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await??;
    let (mut sender, moving) = http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = JoinSet::new();
    connection.spawn(async move { drop(moving.await) });
    let response = tokio::time::timeout(patience, sender.send_request(request)).await??;
    Ok(Answer { response, connection })
}
