//! Just enough of HTTP/1.1 to receive requests and to answer, or fail to answer, as a test says.

use std::io;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::http_receiver::{Answer, ReceivedRequest};

/// A client's connection.
pub(super) type Connection = BufReader<TcpStream>;

/// Reads one request; `None` when the client is done.
pub(super) async fn read_request(connection: &mut Connection) -> io::Result<Option<ReceivedRequest>> {
    let Some(first) = read_line(connection).await? else { return Ok(None) };
    let mut words = first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    while let Some(line) = read_line(connection).await? {
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request =
        ReceivedRequest { method, path, headers, body: Vec::new(), order: 0, at: Instant::now() };
    request.body = read_body(connection, &request).await?;
    Ok(Some(request))
}

async fn read_body(connection: &mut Connection, request: &ReceivedRequest) -> io::Result<Vec<u8>> {
    if request.header("transfer-encoding").is_some_and(|it| it.contains("chunked")) {
        return read_chunks(connection).await;
    }
    let length = request.header("content-length").map_or(Ok(0), str::parse);
    let mut body = vec![0; length.map_err(|_| io::ErrorKind::InvalidData)?];
    connection.read_exact(&mut body).await?;
    Ok(body)
}

async fn read_chunks(connection: &mut Connection) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(connection).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let start = body.len();
        body.resize(start + size, 0);
        connection.read_exact(&mut body[start..]).await?;
        read_line(connection).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_line(connection: &mut Connection) -> io::Result<Option<String>> {
    let mut line = String::new();
    if connection.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Writes an answer with its body.
pub(super) async fn write_answer(connection: &mut Connection, answer: &Answer) -> io::Result<()> {
    let length =
        if answer.endless { String::new() } else { format!("content-length: {}\r\n", answer.body.len()) };
    let mut head = format!("HTTP/1.1 {} -\r\n{length}", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&answer.body);
    connection.write_all(&bytes).await?;
    if !answer.endless {
        return Ok(());
    }
    loop {
        connection.write_all(&[b'x'; 1024]).await?;
    }
}
