//! Nothing that a crash can take back is sent, and a position does not outlive the history it was taken from.

use relay::source::postgres::PostgresSource;
use relay::source::{Source, SourceError, Start};
use relay_engine::event::Position;
use relay_tests::stack::Postgres;

use super::fixture::{Outbox, WIDE, ask, execute, next, read};

/// A server of its own, for tests that stop it.
async fn own_server(settings: &[&str]) -> (Postgres, Outbox) {
    let server = Postgres::start_with(settings).await.unwrap();
    let outbox = Outbox::without_table(&server.url()).await.with_table().await;
    (server, outbox)
}

#[tokio::test]
async fn a_row_committed_without_a_flush_leaves_only_after_one() {
    // The log writer sleeps so long that only the relay can have flushed.
    let (_server, mut outbox) = own_server(&["wal_writer_delay=10s", "fsync=on"]).await;
    let mut source = outbox.open(Start::Now).await;
    execute(&mut outbox.writer, "SET synchronous_commit = off").await;
    for round in 0..20_u32 {
        outbox.insert("a", &["quick"]).await;
        let committed: String = ask(&mut outbox.writer, "SELECT pg_current_wal_insert_lsn()::text").await;
        next(&mut source, WIDE).await;
        let flushed: bool =
            ask(&mut outbox.writer, &format!("SELECT pg_current_wal_flush_lsn() >= '{committed}'")).await;
        assert!(flushed, "round {round}: sent before it was durable");
    }
}

#[tokio::test]
async fn a_position_taken_before_anything_came_is_durable_too() {
    let (mut server, mut outbox) = own_server(&["wal_writer_delay=10s"]).await;
    execute(&mut outbox.writer, "SET synchronous_commit = off").await;
    outbox.insert("a", &["taken back"]).await;
    let mut source = outbox.source();
    let position = source.open(Start::Now).await.unwrap();
    server.kill();
    server.restart().await.unwrap();
    let mut outbox = Outbox::without_table(&server.url()).await;
    outbox.insert("a", &["1"]).await;
    assert_eq!(source.open(Start::After(position.clone())).await.unwrap(), position);
    assert_eq!(read(&mut source, 1, WIDE).await.0, ["1"], "a transaction id given out twice hides no row");
}

#[tokio::test]
async fn a_restart_of_the_server_is_unavailable_and_then_goes_on() {
    let (mut server, mut outbox) = own_server(&[]).await;
    let mut source = outbox.open(Start::Now).await;
    outbox.insert("a", &["1"]).await;
    let (_, position) = read(&mut source, 1, WIDE).await;
    server.kill();
    for _ in 0..2 {
        let gone = source.next_batch(WIDE).await;
        assert!(matches!(gone, Err(SourceError::Unavailable { code: "D301", .. })), "{gone:?}");
    }
    let closed = source.open(Start::After(position.clone())).await;
    assert!(matches!(closed, Err(SourceError::Unavailable { code: "D301", .. })), "{closed:?}");
    server.restart().await.unwrap();
    let mut outbox = Outbox::without_table(&server.url()).await;
    outbox.insert("a", &["2"]).await;
    source.open(Start::After(position)).await.unwrap();
    assert_eq!(read(&mut source, 1, WIDE).await.0, ["2"]);
}

#[tokio::test]
async fn a_statement_that_hangs_is_ended_and_is_unavailable() {
    let mut outbox = Outbox::create().await;
    let mut config = outbox.config();
    config.statement_timeout = std::time::Duration::from_millis(300);
    let mut source = PostgresSource::new(config);
    source.open(Start::Now).await.unwrap();
    execute(&mut outbox.writer, "BEGIN; LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE").await;
    let hung = source.next_batch(WIDE).await;
    assert!(matches!(hung, Err(SourceError::Unavailable { code: "D302", .. })), "{hung:?}");
}

/// Writes an empty file that tells the server what to be when it starts.
fn signal(server: &Postgres, name: &str) {
    std::fs::write(server.data_folder().join(name), "").unwrap();
}

/// Ends the server and lets it recover into a new timeline, as a promoted standby does.
async fn promote(server: &mut Postgres) -> Outbox {
    server.stop();
    signal(server, "recovery.signal");
    server.restart().await.unwrap();
    Outbox::without_table(&server.url()).await
}

#[tokio::test]
async fn a_promotion_that_lost_nothing_goes_on_where_it_was() {
    let (mut server, mut outbox) = own_server(&["restore_command=false"]).await;
    let mut source = outbox.open(Start::Now).await;
    outbox.insert("a", &["1"]).await;
    let (_, position) = read(&mut source, 1, WIDE).await;
    outbox.insert("a", &["2"]).await;
    let mut outbox = promote(&mut server).await;
    outbox.insert("a", &["3"]).await;
    let opened = source.open(Start::After(position.clone())).await.unwrap();
    assert_ne!(opened.base, position.base, "it names the new timeline");
    assert_eq!(read(&mut source, 2, WIDE).await.0, ["2", "3"]);
}

#[tokio::test]
async fn a_position_that_may_not_hold_after_a_promotion_is_rewound() {
    let (mut server, mut outbox) = own_server(&["restore_command=false"]).await;
    let mut source = outbox.open(Start::Now).await;
    outbox.insert("a", &["1"]).await;
    let (_, position) = read(&mut source, 1, WIDE).await;
    let mut outbox = promote(&mut server).await;
    outbox.insert("a", &["2"]).await;

    // As if the old primary had been ahead of the standby that was promoted.
    let mut parts: Vec<&str> = position.base.split(';').collect();
    parts[2] = "FF/0";
    let ahead = Position { base: parts.join(";"), after: position.after };
    source.open(Start::After(ahead)).await.unwrap();
    assert_eq!(read(&mut source, 2, WIDE).await.0, ["1", "2"], "again, under the same keys");

    // On the same timeline a cursor beyond the server's counter can only come from a lost history.
    let here = source.open(Start::Now).await.unwrap();
    let mut parts: Vec<&str> = here.base.split(';').collect();
    parts[3] = "900000000:900000000:";
    let beyond = Position { base: parts.join(";"), after: 9 };
    assert_eq!(source.open(Start::After(beyond)).await.unwrap().after, 0);
    assert_eq!(read(&mut source, 2, WIDE).await.0, ["1", "2"]);
}

/// Reads, promotes the server, and answers what comes behind the old position, as a role with `privileges`.
async fn after_a_promotion(privileges: &str) -> Vec<String> {
    let (mut server, mut outbox) = own_server(&["restore_command=false"]).await;
    execute(&mut outbox.writer, &format!("CREATE ROLE relay LOGIN; {privileges}")).await;
    let mut config = outbox.config();
    config.url = outbox.url.replace("postgres://postgres@", "postgres://relay@");
    let mut source = PostgresSource::new(config);
    source.open(Start::Now).await.unwrap();
    outbox.insert("a", &["1"]).await;
    let (_, position) = read(&mut source, 1, WIDE).await;
    let mut outbox = promote(&mut server).await;
    outbox.insert("a", &["2"]).await;
    source.open(Start::After(position)).await.unwrap();
    read(&mut source, 1, WIDE).await.0
}

#[tokio::test]
async fn the_optional_grants_spare_the_repeat_after_a_promotion() {
    let grants = relay::source::postgres::grants("public", "outbox", "relay");
    assert_eq!(after_a_promotion(&grants).await, ["1", "2"], "the history may not be read: all comes again");
    let all = grants.replace("-- GRANT", "GRANT");
    assert_eq!(after_a_promotion(&all).await, ["2"]);
}

#[tokio::test]
async fn a_standby_is_refused_at_first_and_waited_for_once_it_was_read_before() {
    let (mut server, mut outbox) = own_server(&[]).await;
    let mut source = outbox.open(Start::Now).await;
    outbox.insert("a", &["1"]).await;
    let (_, position) = read(&mut source, 1, WIDE).await;
    outbox.insert("a", &["2"]).await;
    server.stop();
    signal(&server, "standby.signal");
    let url = server.url();
    // The stack waits until the server takes writing connections, which is when it has been promoted.
    let (restarted, refused) =
        tokio::join!(server.restart(), refused_as_standby(&mut source, &position, &url));
    restarted.unwrap();
    assert_eq!(refused, "D310");
    source.open(Start::After(position)).await.unwrap();
    assert_eq!(read(&mut source, 1, WIDE).await.0, ["2"]);
}

/// Waits until it is a standby, and answers the code of its refusal at a first start; then promotes the server.
async fn refused_as_standby(source: &mut PostgresSource, position: &Position, url: &str) -> &'static str {
    loop {
        match source.open(Start::After(position.clone())).await {
            Err(SourceError::Unavailable { code: "D310", .. }) => {
                let never_read = source.open(Start::Now).await;
                let Err(SourceError::Refused { code, .. }) = never_read else { panic!("{never_read:?}") };
                let mut connection = Outbox::without_table(url).await.writer;
                execute(&mut connection, "SELECT pg_promote(false)").await;
                return code;
            }
            Err(SourceError::Unavailable { .. }) => tokio::task::yield_now().await,
            Err(refused @ SourceError::Refused { .. }) => panic!("{refused:?}"),
            Ok(position) => panic!("a standby was opened at {position}"),
        }
    }
}
