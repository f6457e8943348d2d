//! A relay that lets itself be watched: orders in an SQLite file go through two plugins to an HTTP receiver, once the
//! test commits them.

use std::path::PathBuf;
use std::time::Duration;

use relay_tests::journal::SqliteWriter;
use relay_tests::program::{Relay, component};
use relay_tests::stack::{HttpReceiver, free_port};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// What everybody in these tests is called.
pub(crate) const PRIVATE: &str = "private.example";

pub(crate) struct Tapped {
    pub(crate) receiver: HttpReceiver,
    pub(crate) relay: Relay,
    pub(crate) port: u16,
    file: PathBuf,
    _folder: TempDir,
}

impl Tapped {
    /// A relay with an empty outbox and these further lines in `[admin]`.
    pub(crate) async fn start(admin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        SqliteWriter::create(&file).await.unwrap().finish().await.unwrap();
        let receiver = HttpReceiver::start().unwrap();
        let port = free_port().unwrap();
        let settings = format!(
            r#"
[source.shop]
type  = "sqlite"
path  = "{file}"
start = "beginning"

[sink.billing]
type    = "http"
url     = "{url}"
headers = {{ authorization = "Bearer hunter2" }}
sign    = {{ secret = "whsec_c2VjcmV0" }}

[plugin.redact]
component = "{redact}"
config    = {{ remove = ["/customer/phone"] }}

[plugin.router]
component = "{router}"
config    = {{ rules = [{{ then = {{ send = [{{ http = "/orders/{{aggregateid}}" }}] }} }}] }}
grant     = {{ billing = ["/orders"] }}

[pipeline.orders]
source  = "shop"
plugins = ["redact", "router"]
sinks   = ["billing"]
retry   = {{ first = "10 ms", max = "20 ms", attempts = 2 }}

[admin]
listen = "127.0.0.1:{port}"
{admin}
"#,
            file = file.display(),
            url = receiver.url(),
            redact = component("redact").await.unwrap().display(),
            router = component("router").await.unwrap().display(),
        );
        let relay = Relay::start(&settings).await.unwrap();
        relay.wait_for_log("reading", 1, LIMIT).await.unwrap();
        Self { receiver, relay, port, file, _folder: folder }
    }

    /// Commits orders with these numbers, in one transaction.
    pub(crate) async fn commit(&self, orders: std::ops::Range<usize>) {
        let mut connection = SqliteConnectOptions::new().filename(&self.file).connect().await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        for number in orders {
            sqlx::query(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers) \
                 VALUES (?, 'order', ?, 'OrderPlaced', ?, ?)",
            )
            .bind(format!("event-{number}"))
            .bind(format!("order-{number}"))
            .bind(payload(number))
            .bind(format!("{{\"contact\": \"{}\"}}", email(number)))
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
        transaction.commit().await.unwrap();
        connection.close().await.unwrap();
    }

    /// Waits until so many have attached to it in its life.
    pub(crate) async fn wait_for_attached(&self, count: usize) {
        self.relay.wait_for_log("watches events", count, LIMIT).await.unwrap();
    }

    /// Attaches as any program may, and leaves the rest of the connection to the caller.
    pub(crate) async fn attach(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let length = request.len();
        let head = format!(
            "POST /tap HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-length: {length}\r\n\r\n",
            self.port
        );
        stream.write_all(format!("{head}{request}").as_bytes()).await.unwrap();
        stream
    }
}

/// The payload of an order: with white space and a number that a rewrite would not keep.
pub(crate) fn payload(number: usize) -> String {
    let email = email(number);
    format!("{{ \"total\": 1.50, \"customer\": {{\"phone\": \"+49{number}\", \"email\": \"{email}\"}} }}")
}

/// The address that an order holds.
pub(crate) fn email(number: usize) -> String {
    format!("someone-{number}@{PRIVATE}")
}
