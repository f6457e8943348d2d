//! Two readers that look right and are not, and the interleavings that show it: what finds them wrong must be
//! what finds the source right.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::fixture::{Outbox, WIDE, ask, execute, read};
use super::history::{History, Seen, insert};
use relay::source::Start;

/// Reads behind the highest sequence it has seen.
#[derive(Default)]
struct BySequence {
    last: i64,
}

impl BySequence {
    async fn read(&mut self, connection: &mut PgConnection) -> Vec<Seen> {
        let sql =
            format!("SELECT seq, aggregateid, payload FROM outbox WHERE seq > {} ORDER BY seq", self.last);
        let seen = rows(connection, sql).await;
        self.last = seen.iter().map(|event| event.sequence).max().unwrap_or(self.last);
        seen
    }
}

/// Reads what lies below the oldest running transaction, in order of (transaction, sequence).
#[derive(Default)]
struct ByTransaction {
    last: (i64, i64),
}

impl ByTransaction {
    async fn read(&mut self, connection: &mut PgConnection) -> Vec<Seen> {
        let (txid, sequence) = self.last;
        let sql = format!(
            "SELECT seq, aggregateid, payload, txid FROM outbox
             WHERE (txid, seq) > ({txid}, {sequence}) AND txid < txid_snapshot_xmin(txid_current_snapshot())
             ORDER BY txid, seq"
        );
        let seen = rows(connection, sql).await;
        if let Some(last) = seen.last() {
            let txid =
                ask(connection, &format!("SELECT txid FROM outbox WHERE seq = {}", last.sequence)).await;
            self.last = (txid, last.sequence);
        }
        seen
    }
}

async fn rows(connection: &mut PgConnection, sql: String) -> Vec<Seen> {
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| Seen { sequence: row.get(0), key: row.get(1), value: row.get(2) }).collect()
}

/// One key is written by a transaction that began first and takes the key's lock second.
async fn lock_order_against_transaction_order(outbox: &mut Outbox, history: &mut History) {
    let mut early = outbox.connect().await;
    execute(&mut early, "BEGIN; SELECT txid_current()").await;
    execute(&mut outbox.writer, "BEGIN").await;
    history.commit(insert(&mut outbox.writer, "k", "by the later transaction").await);
    execute(&mut outbox.writer, "COMMIT").await;
    history.commit(insert(&mut early, "k", "by the earlier transaction").await);
    execute(&mut early, "COMMIT").await;
}

#[tokio::test]
async fn a_reader_behind_the_highest_sequence_is_caught() {
    let outbox = Outbox::create().await;
    let (mut reader, mut history, mut seen) = (BySequence::default(), History::default(), Vec::new());
    let (mut slow, mut quick) = (outbox.connect().await, outbox.connect().await);
    execute(&mut slow, "BEGIN").await;
    let late = insert(&mut slow, "a", "late").await;
    history.commit(insert(&mut quick, "b", "quick").await);
    seen.extend(reader.read(&mut quick).await);
    execute(&mut slow, "COMMIT").await;
    history.commit(late);
    seen.extend(reader.read(&mut quick).await);

    assert!(history.check(&seen).unwrap_err().contains("lost"), "the checker sees the loss");
    let mut source = outbox.open(Start::Beginning).await;
    assert_eq!(read(&mut source, 2, WIDE).await.0, ["late", "quick"]);
}

#[tokio::test]
async fn a_reader_in_transaction_order_is_caught() {
    let mut outbox = Outbox::create().await;
    let (mut reader, mut history) = (ByTransaction::default(), History::default());
    let mut source = outbox.open(Start::Beginning).await;
    lock_order_against_transaction_order(&mut outbox, &mut history).await;
    let mut seen = Vec::new();
    // Other tests' transactions, anywhere in the cluster, hold such a reader up for a while.
    while seen.len() < 2 {
        seen.extend(reader.read(&mut outbox.writer).await);
    }

    assert!(history.check(&seen).unwrap_err().contains("out of order"), "the checker sees the disorder");
    let (values, _) = read(&mut source, 2, WIDE).await;
    assert_eq!(values, ["by the later transaction", "by the earlier transaction"]);
}

#[tokio::test]
async fn a_reader_below_the_oldest_transaction_stalls_and_the_source_does_not() {
    let mut outbox = Outbox::create().await;
    let mut long = outbox.connect().await;
    execute(&mut long, "BEGIN; SELECT txid_current()").await;
    let mut source = outbox.open(Start::Beginning).await;
    outbox.insert("a", &["1"]).await;
    assert_eq!(ByTransaction::default().read(&mut outbox.writer).await, []);
    assert_eq!(read(&mut source, 1, WIDE).await.0, ["1"]);
}
