//! What the relay offers to plugins, through the real program.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use relay_tests::hostile::interfaces;
use relay_tests::journal::SqliteWriter;
use relay_tests::program::Relay;
use relay_tests::stack::{Answer, HttpReceiver, free_port, shared_postgres};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use crate::keyed_shop;
use crate::metrics;

const LIMIT: Duration = Duration::from_secs(60);

/// An SQLite outbox, the plugin that uses everything, and an HTTP receiver.
struct Stand {
    folder: TempDir,
    receiver: HttpReceiver,
    component: PathBuf,
    admin: String,
}

impl Stand {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        SqliteWriter::create(&folder.path().join("shop.db")).await.unwrap().finish().await.unwrap();
        let component = folder.path().join("interfaces.wasm");
        fs::write(&component, interfaces().unwrap()).unwrap();
        let admin = format!("127.0.0.1:{}", free_port().unwrap());
        Self { folder, receiver: HttpReceiver::start().unwrap(), component, admin }
    }

    /// Its `relay.toml` with these `tables` and these lines for the plugin.
    fn settings(&self, tables: &str, plugin: &str) -> String {
        format!(
            "[source.shop]\ntype = \"sqlite\"\npath = \"{}\"\nstart = \"beginning\"\n\
             [sink.billing]\ntype = \"http\"\nurl = \"{}/orders\"\n{tables}\n\
             [plugin.interfaces]\ncomponent = \"{}\"\ngrant = {{ billing = [\"/orders\"] }}\n{plugin}\n\
             [pipeline.orders]\nsource = \"shop\"\nplugins = [\"interfaces\"]\nsinks = [\"billing\"]\n\
             retry = {{ first = \"10 ms\", max = \"20 ms\", attempts = 2 }}\n\
             [admin]\nlisten = \"{}\"\n",
            self.folder.path().join("shop.db").display(),
            self.receiver.url(),
            self.component.display(),
            self.admin
        )
    }

    /// Commits one event of `key`.
    async fn write(&self, key: &str) {
        self.write_as(key, "placed").await;
    }

    /// Commits one event of `key` and of this type.
    async fn write_as(&self, key: &str, kind: &str) {
        let file = self.folder.path().join("shop.db");
        let mut connection =
            sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
        let insert = "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) \
                      SELECT 'id-' || n, 'order', ?, ?, '{}' FROM \
                      (SELECT coalesce(max(seq), 0) + 1 AS n FROM outbox)";
        sqlx::query(insert).bind(key).bind(kind).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The body of the request number `number`, from 1.
    async fn body(&self, number: usize, relay: &Relay) -> String {
        let arrived = self.receiver.wait_for(number, LIMIT).await;
        let requests = arrived.unwrap_or_else(|error| panic!("{error}; the relay's log:\n{}", relay.log()));
        String::from_utf8(requests[number - 1].body.clone()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_file_reach_plugins_and_another_version_of_it_while_the_relay_runs() {
    let stand = Stand::open().await;
    let file = stand.folder.path().join("customers.csv");
    let put = |text: &str| {
        let new = stand.folder.path().join("new.csv");
        fs::write(&new, text).unwrap();
        fs::rename(new, &file).unwrap();
    };
    put("id,tier\nc-1,gold\n");
    let table = format!("[lookup.customers]\nfile = \"{}\"\nkey = \"id\"\nrefresh = \"1 s\"", file.display());
    let relay = Relay::start(&stand.settings(&table, "lookups = [\"customers\"]")).await.unwrap();
    stand.write("c-1").await;
    assert_eq!(stand.body(1, &relay).await, r#"{"id":"c-1","tier":"gold"}"#);
    stand.write("c-2").await;
    assert_eq!(stand.body(2, &relay).await, "{}");
    // What is no table changes nothing but the log.
    put("id,tier\nc-1,\"gol");
    relay.wait_for_log("P141", 1, LIMIT).await.unwrap();
    stand.write("c-1").await;
    assert_eq!(stand.body(3, &relay).await, r#"{"id":"c-1","tier":"gold"}"#);
    put("id,tier\nc-1,silver\nc-2,bronze\n");
    metrics::wait_for(&stand.admin, "relay_lookup_rows", 1, 2, &relay, LIMIT).await;
    stand.write("c-2").await;
    assert_eq!(stand.body(4, &relay).await, r#"{"id":"c-2","tier":"bronze"}"#);
    assert_eq!(
        relay.log().matches("P141").count(),
        2,
        "once as a code and once in the text:\n{}",
        relay.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_query_of_postgres_reach_plugins() {
    let stand = Stand::open().await;
    let url = shared_postgres().await.unwrap().create_database("lookup_query").await.unwrap();
    let mut database = sqlx::PgConnection::connect(&url).await.unwrap();
    let script = "CREATE TABLE customer (\"Id\" bigint PRIMARY KEY, tier text, credit numeric);
        INSERT INTO customer VALUES (17, 'gold', 1.50), (18, NULL, NULL)";
    sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut database).await.unwrap();
    let query = "SELECT \\\"Id\\\", tier, credit FROM customer;";
    let table =
        format!("[lookup.customers]\nurl = \"{url}\"\nquery = \"{query}\"\nkey = \"Id\"\nrefresh = \"1 s\"");
    let relay = Relay::start(&stand.settings(&table, "lookups = [\"customers\"]")).await.unwrap();
    stand.write("17").await;
    assert_eq!(stand.body(1, &relay).await, r#"{"Id":17,"tier":"gold","credit":1.50}"#);
    stand.write("18").await;
    assert_eq!(stand.body(2, &relay).await, r#"{"Id":18,"tier":null,"credit":null}"#);
    sqlx::query("DELETE FROM customer WHERE tier IS NULL").execute(&mut database).await.unwrap();
    sqlx::query("INSERT INTO customer VALUES (19, 'new', 0), (20, 'new', 0)")
        .execute(&mut database)
        .await
        .unwrap();
    metrics::wait_for(&stand.admin, "relay_lookup_rows", 1, 3, &relay, LIMIT).await;
    stand.write("19").await;
    assert_eq!(stand.body(3, &relay).await, r#"{"Id":19,"tier":"new","credit":0}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_does_not_start_without_the_tables_that_its_plugins_read() {
    let stand = Stand::open().await;
    let table = "[lookup.customers]\nfile = \"missing.csv\"\nkey = \"id\"";
    let mut relay = Relay::start(&stand.settings(table, "lookups = [\"customers\"]")).await.unwrap();
    let ended = relay.wait_for_end(LIMIT).await.unwrap();
    assert!(!ended.success());
    let log = relay.log();
    assert!(log.contains("P140") && log.contains("\"customers\"") && log.contains("missing.csv"), "{log}");
    assert_eq!(stand.receiver.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_plugins_are_shown_and_those_of_a_run_that_failed_are_not() {
    let stand = Stand::open().await;
    let file = stand.folder.path().join("customers.json");
    fs::write(&file, "{}").unwrap();
    let table = format!("[lookup.customers]\nfile = \"{}\"", file.display());
    let relay = Relay::start(&stand.settings(&table, "lookups = [\"customers\"]")).await.unwrap();
    stand.write("c-1").await;
    stand.body(1, &relay).await;
    stand.write_as("c-2", "hostile").await;
    metrics::wait_for(&stand.admin, "relay_failures_total", 1, 2, &relay, LIMIT).await;
    stand.write("c-3").await;
    stand.body(2, &relay).await;
    let all = metrics::all(&stand.admin).await;
    for line in [
        "plugin_events_total{plugin=\"interfaces\",kind=\"order\"} 2",
        "plugin_order{plugin=\"interfaces\"} 1.5",
        "plugin_kind_count{plugin=\"interfaces\"} 2",
    ] {
        assert!(all.lines().any(|it| it == line), "{line} is not in\n{all}");
    }
    for line in [
        "relay_plugin_messages_max{plugin=\"interfaces\"} 1",
        "relay_plugin_event_limit_seconds{plugin=\"interfaces\"} 0.02",
    ] {
        assert!(all.lines().any(|it| it == line), "{line} is not in\n{all}");
    }
    assert!(all.contains("relay_plugin_metrics_refused_total{plugin=\"interfaces\"} 2"), "{all}");
    assert!(relay.log().contains("P142") && relay.log().contains("not-a-name"), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_with_the_messages_that_may_name_it_and_is_seen_nowhere_else() {
    let stand = Stand::open().await;
    let file = stand.folder.path().join("customers.json");
    fs::write(&file, "{}").unwrap();
    let secret = stand.folder.path().join("secret");
    fs::write(&secret, "hunter2\n").unwrap();
    let table = format!(
        "credentials = {{ crm = {{ bearer = \"file:{}\" }}, bank = {{ header = \"x-key\", value = \"hunter3\" }} }}\n\
         [lookup.customers]\nfile = \"{}\"",
        secret.display(),
        file.display()
    );
    let plugin = "lookups = [\"customers\"]\ncredentials = [\"crm\"]";
    let relay = Relay::start(&stand.settings(&table, plugin)).await.unwrap();
    // Refused once, so that the message is parked and sent again from there.
    stand.receiver.answer_nth(0, Answer::status(400));
    stand.write_as("c-1", "a").await;
    stand.receiver.wait_for(2, LIMIT).await.unwrap();
    stand.write_as("c-2", "b").await;
    stand.write_as("c-3", "placed").await;
    let requests = stand.receiver.wait_for(3, LIMIT).await.unwrap();
    let of = |key: &str| requests.iter().filter(|it| it.path.ends_with(key)).collect::<Vec<_>>();
    let authorized = of("/orders/orders");
    assert_eq!(authorized.len(), 2, "the address was appended twice to /orders: {requests:?}");
    assert!(authorized.iter().all(|it| it.header("authorization") == Some("Bearer hunter2")), "{requests:?}");
    let others: Vec<_> = requests.iter().filter(|it| !it.path.ends_with("/orders/orders")).collect();
    assert!(others.iter().all(|it| it.header("authorization").is_none() && it.header("x-key").is_none()));
    let dead = serde_json::to_string(&keyed_shop::wait_for_dead(&relay, 1, LIMIT).await).unwrap();
    assert!(dead.contains("R408") && dead.contains("\\\"bank\\\""), "{dead}");
    let database = fs::read(stand.folder.path().join("shop.db")).unwrap();
    let kept = String::from_utf8_lossy(&database);
    for text in [relay.log(), dead, kept.into_owned()] {
        assert!(!text.contains("hunter"), "{text}");
    }
}
