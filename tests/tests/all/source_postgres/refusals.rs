//! Tables, servers and positions that would lose rows are refused before the first one, with the remedy.

use relay::source::{Source, SourceError, Start};
use relay_engine::event::Position;

use super::fixture::{Outbox, execute, refusal};

/// The outbox after `change`, what opening it answers, and again after the remedy where that is SQL.
async fn refused_until_mended(change: &str, code: &str, remedy: &str) {
    let mut outbox = Outbox::create().await;
    execute(&mut outbox.writer, change).await;
    let (found, message) = outbox.refusal().await;
    assert_eq!(found, code, "{message}");
    assert!(message.contains(remedy), "{message}\n  does not say\n{remedy}");
    execute(&mut outbox.writer, remedy).await;
    outbox.open(Start::Beginning).await;
}

#[tokio::test]
async fn a_missing_table_is_answered_with_its_script() {
    let outbox = Outbox::create().await;
    let mut config = outbox.config();
    config.table = "events".to_owned();
    let (code, message) = refusal(&mut relay::source::postgres::PostgresSource::new(config.clone())).await;
    assert_eq!(code, "D304");
    let script = relay::source::postgres::ddl("public", "events");
    assert!(message.ends_with(&script), "{message}");
    execute(&mut outbox.connect().await, &script).await;
    relay::source::postgres::PostgresSource::new(config).open(Start::Now).await.unwrap();
}

#[tokio::test]
async fn what_sql_can_mend_is_answered_with_that_sql() {
    for (change, code, remedy) in [
        (
            "ALTER TABLE outbox DROP COLUMN headers, DROP COLUMN type",
            "D305",
            "ALTER TABLE \"public\".\"outbox\" ADD COLUMN \"type\" text NOT NULL DEFAULT '', ADD COLUMN \"headers\" jsonb;",
        ),
        (
            "ALTER TABLE outbox ALTER COLUMN txid DROP DEFAULT",
            "D305",
            "ALTER TABLE \"public\".\"outbox\" ALTER COLUMN txid SET DEFAULT txid_current(), ALTER COLUMN txid SET NOT NULL;",
        ),
        (
            "ALTER TABLE outbox ALTER COLUMN created_at DROP DEFAULT, ALTER COLUMN created_at TYPE text",
            "D305",
            "ALTER TABLE \"public\".\"outbox\" ALTER COLUMN \"created_at\" TYPE timestamp with time zone USING \"created_at\"::timestamp with time zone;",
        ),
        ("ALTER TABLE outbox SET UNLOGGED", "D307", "ALTER TABLE \"public\".\"outbox\" SET LOGGED;"),
        ("DROP INDEX outbox_txid", "D308", "CREATE INDEX CONCURRENTLY ON \"public\".\"outbox\" (\"txid\");"),
        (
            "ALTER TABLE outbox DROP CONSTRAINT outbox_pkey",
            "D308",
            "CREATE INDEX CONCURRENTLY ON \"public\".\"outbox\" (\"seq\");",
        ),
    ] {
        refused_until_mended(change, code, remedy).await;
    }
}

#[tokio::test]
async fn a_dropped_transaction_id_is_answered_with_the_column_and_then_with_its_index() {
    let mut outbox = Outbox::create().await;
    outbox.insert("a", &["old"]).await;
    execute(&mut outbox.writer, "ALTER TABLE outbox DROP COLUMN txid").await;
    let add = "ALTER TABLE \"public\".\"outbox\" ADD COLUMN \"txid\" bigint NOT NULL DEFAULT txid_current();";
    let index = "CREATE INDEX CONCURRENTLY ON \"public\".\"outbox\" (\"txid\");";
    for (code, remedy) in [("D305", add), ("D308", index)] {
        let (found, message) = outbox.refusal().await;
        assert!(found == code && message.contains(remedy), "{message}");
        execute(&mut outbox.writer, remedy).await;
    }
    let mut source = outbox.open(Start::Beginning).await;
    assert_eq!(super::fixture::read(&mut source, 1, super::fixture::WIDE).await.0, ["old"]);
}

#[tokio::test]
async fn what_is_not_a_table_is_refused() {
    for (change, word) in [
        ("ALTER TABLE outbox RENAME TO real; CREATE VIEW outbox AS SELECT * FROM real", "a view"),
        (
            "ALTER TABLE outbox RENAME TO real; CREATE MATERIALIZED VIEW outbox AS SELECT * FROM real",
            "a view",
        ),
    ] {
        let mut outbox = Outbox::create().await;
        execute(&mut outbox.writer, change).await;
        let (code, message) = outbox.refusal().await;
        assert!(code == "D307" && message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn the_relays_role_needs_its_grants_and_no_more() {
    let mut outbox = Outbox::create().await;
    let role = format!("relay_{}", std::process::id());
    execute(&mut outbox.writer, &format!("CREATE ROLE {role} LOGIN")).await;
    let mut config = outbox.config();
    config.url = outbox.url.replace("postgres://postgres@", &format!("postgres://{role}@"));
    let mut source = relay::source::postgres::PostgresSource::new(config);
    let (code, message) = refusal(&mut source).await;
    assert!(code == "D306" && message.contains("GRANT SELECT"), "{message}");

    let grants = relay::source::postgres::grants("public", "outbox", &role);
    execute(&mut outbox.writer, &grants).await;
    source.open(Start::Beginning).await.unwrap();
    outbox.insert("a", &["1"]).await;
    super::fixture::read(&mut source, 1, super::fixture::WIDE).await;

    execute(&mut outbox.writer, "ALTER TABLE outbox ENABLE ROW LEVEL SECURITY").await;
    let (code, message) = refusal(&mut source).await;
    assert!(code == "D306" && message.contains("BYPASSRLS"), "{message}");
    execute(&mut outbox.writer, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn rows_of_another_cluster_are_refused_instead_of_skipped() {
    let mut outbox = Outbox::create().await;
    execute(
        &mut outbox.writer,
        "INSERT INTO outbox (aggregatetype, aggregateid, type, txid) VALUES ('', '', '', 1::bigint << 40)",
    )
    .await;
    let (code, message) = outbox.refusal().await;
    assert!(code == "D313" && message.contains("SET txid = txid_current()"), "{message}");
}

#[tokio::test]
async fn positions_of_others_are_refused() {
    let outbox = Outbox::create().await;
    let here = outbox.source().open(Start::Now).await.unwrap();
    let (system, rest) = here.base.split_once(';').unwrap();
    for (base, code) in
        [("sqlite".to_owned(), "D312"), (format!("{system}0;{rest}"), "D312"), (format!("7;{rest}"), "D311")]
    {
        let position = Position { base, after: 0 };
        match outbox.source().open(Start::After(position)).await {
            Err(SourceError::Refused { code: found, .. }) => assert_eq!(found, code),
            other => panic!("not refused: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_login_or_database_is_refused_and_a_closed_port_is_not() {
    let outbox = Outbox::create().await;
    let mut config = outbox.config();
    config.url = format!("{}_nowhere", outbox.url);
    assert_eq!(refusal(&mut relay::source::postgres::PostgresSource::new(config.clone())).await.0, "D303");
    config.url = outbox.url.replace("postgres://postgres@", "postgres://nobody@");
    assert_eq!(refusal(&mut relay::source::postgres::PostgresSource::new(config.clone())).await.0, "D303");
    config.url = "postgres://postgres@127.0.0.1:1/x".to_owned();
    let closed = relay::source::postgres::PostgresSource::new(config).open(Start::Now).await;
    assert!(matches!(closed, Err(SourceError::Unavailable { code: "D301", .. })), "{closed:?}");
}
