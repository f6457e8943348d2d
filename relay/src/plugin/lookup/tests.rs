//! What tables promise: all of a source or nothing, and the last good version while there is none.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;
use crate::plugin::tables::Table;

const MAX: usize = 1 << 20;

fn file(path: &Path, key: Option<&str>, max: usize) -> LookupConfig {
    let format = match path.extension().and_then(|it| it.to_str()) {
        Some("csv") => FileFormatConfig::Csv,
        Some("json") => FileFormatConfig::Json,
        _ => FileFormatConfig::Ndjson,
    };
    let origin = OriginConfig::File { path: path.to_owned(), format, key: key.map(str::to_owned) };
    LookupConfig { name: "customers".to_owned(), origin, max, refresh: Duration::from_secs(1) }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// What the table has for `keys`, or why there is none.
    fn read(&self, name: &str, content: &str, key: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let path = self.write(name, content.as_bytes());
        let lookup = Lookup::open(file(&path, key, MAX)).map_err(|error| error.to_string())?;
        Ok(rows(&lookup.table(), &["1", "2", "x"]))
    }
}

fn rows(table: &Table, keys: &[&str]) -> Vec<(String, String)> {
    let row = |key: &&str| Some(((*key).to_owned(), String::from_utf8(table.get(key)?.to_vec()).unwrap()));
    keys.iter().filter_map(row).collect()
}

fn one(key: &str, row: &str) -> (String, String) {
    (key.to_owned(), row.to_owned())
}

#[test]
fn a_file_of_each_format_becomes_rows_by_key() {
    let folder = Folder::new();
    let csv = folder.read("a.csv", "id,tier\n1,gold\n2,\"a,b\"\n", Some("id")).unwrap();
    assert_eq!(csv, [one("1", r#"{"id":"1","tier":"gold"}"#), one("2", r#"{"id":"2","tier":"a,b"}"#)]);
    let ndjson = "{\"id\":1,\"tier\":\"gold\"}\n\n{\"id\":\"x\",\"tier\":null}\n";
    let ndjson = folder.read("a.ndjson", ndjson, Some("id")).unwrap();
    assert_eq!(ndjson, [one("1", r#"{"id":1,"tier":"gold"}"#), one("x", r#"{"id":"x","tier":null}"#)]);
    let list = folder.read("a.json", r#"[{"id": 2, "n": [1]}]"#, Some("id")).unwrap();
    assert_eq!(list, [one("2", r#"{"id":2,"n":[1]}"#)]);
    let object = folder.read("b.json", r#"{"1": {"tier": "gold"}, "x": 7}"#, None).unwrap();
    assert_eq!(object, [one("1", r#"{"tier":"gold"}"#), one("x", "7")]);
}

#[test]
fn a_file_that_is_not_whole_is_no_table_and_says_where() {
    let folder = Folder::new();
    let wrong = |name: &str, content: &str, key: Option<&str>, expected: &str| {
        let error = folder.read(name, content, key).unwrap_err();
        assert!(error.contains(expected), "{error}");
        // Nobody's data gets into a log.
        assert!(!error.contains("secret"), "{error}");
    };
    wrong("a.csv", "", Some("id"), "is empty");
    wrong("a.csv", "name\nsecret\n", Some("id"), "has no column \"id\"; its columns: name");
    wrong("a.csv", "id,name\n1,a\n2,secret,b\n", Some("id"), "line 3 has 3 values for 2 columns");
    wrong("a.csv", "id,name\n1,a\n1,secret\n", Some("id"), "line 3: two rows have the same key");
    wrong("a.csv", "id,name\n1,\"secret", Some("id"), "line 2: a quote is never closed");
    wrong("a.ndjson", "{\"id\":1}\n{\"id\":\"secret", Some("id"), "line 2: this is not JSON");
    wrong("a.ndjson", "{\"name\":\"secret\"}\n", Some("id"), "line 1: a row has no \"id\"");
    wrong("a.ndjson", "{\"id\":[\"secret\"]}\n", Some("id"), "is neither a text nor a number");
    wrong("a.json", r#"[{"id":1},{"id":1}]"#, Some("id"), "row 2: two rows have the same key");
    wrong("a.json", r#"[{"id":1}"#, Some("id"), "this is not JSON");
    wrong("a.json", r#""secret""#, Some("id"), "it is no list of objects");
    wrong("a.json", r#"{"a":1,"a":2}"#, None, "value 2: two rows have the same key");
    wrong("a.json", r#"["secret"]"#, None, "it is no object of values by key");
}

#[test]
fn a_table_has_a_limit_whatever_its_file_says() {
    let folder = Folder::new();
    let huge = folder.0.path().join("huge.csv");
    std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let before = Instant::now();
    let error = Lookup::open(file(&huge, Some("id"), MAX)).unwrap_err();
    assert!(error.what.contains("more bytes than the 1048576"), "{error}");
    assert!(before.elapsed() < Duration::from_secs(5));
    // A small file that makes a large table: every row repeats the names of its columns.
    let names: String = (0..100).map(|it| format!(",column-with-a-long-name-{it}")).collect();
    let lines: String = (0..100).map(|it| format!("{it}{}\n", ",".repeat(100))).collect();
    let wide = folder.write("wide.csv", format!("id{names}\n{lines}").as_bytes());
    let error = Lookup::open(file(&wide, Some("id"), 100 << 10)).unwrap_err();
    assert!(error.what.contains("more than the 102400 bytes"), "{error}");
    let missing = Lookup::open(file(Path::new("no/such.csv"), Some("id"), MAX)).unwrap_err();
    assert!(missing.what.contains("no/such.csv can't be read"), "{missing}");
    let bytes = folder.write("bytes.csv", b"id\n\xff\n");
    let error = Lookup::open(file(&bytes, Some("id"), MAX)).unwrap_err();
    assert!(error.what.contains("is not UTF-8 at byte 3"), "{error}");
}

#[tokio::test]
async fn the_last_good_version_stays_while_the_next_can_not_be_read() {
    let folder = Folder::new();
    let path = folder.write("a.csv", b"id,tier\n1,gold\n");
    let lookup = Lookup::open(file(&path, Some("id"), MAX)).unwrap();
    let seen = lookup.table();
    let now = Instant::now();
    assert!(!lookup.take_due(now), "it was read just now");
    assert!(lookup.take_due(now + Duration::from_secs(2)));
    assert!(!lookup.take_due(now + Duration::from_secs(2)), "it is being read");
    folder.write("a.csv", b"id,tier\n1,\"silver\n");
    lookup.refresh().await;
    assert!(lookup.is_failing());
    assert_eq!(rows(&lookup.table(), &["1"]), [one("1", r#"{"id":"1","tier":"gold"}"#)]);
    assert!(lookup.take_due(Instant::now() + Duration::from_secs(2)), "it is tried again");
    folder.write("a.csv", b"id,tier\n1,silver\n");
    lookup.refresh().await;
    assert!(!lookup.is_failing());
    assert_eq!(rows(&lookup.table(), &["1"]), [one("1", r#"{"id":"1","tier":"silver"}"#)]);
    // Whoever reads an older version goes on with it.
    assert_eq!(rows(&seen, &["1"]), [one("1", r#"{"id":"1","tier":"gold"}"#)]);
}

#[tokio::test]
async fn tables_are_read_again_by_themselves_once_for_all_and_forgotten_with_the_last_reader() {
    let folder = Folder::new();
    let path = folder.write("a.csv", b"id\n1\n");
    let all = std::sync::Arc::new(Lookups::default());
    let lookup = all.open(&file(&path, Some("id"), MAX)).unwrap();
    let same = all.open(&file(&path, Some("id"), MAX)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&lookup, &same));
    let other = all.open(&file(&path, Some("id"), 2 * MAX)).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&lookup, &other));
    let stop = tokio_util::sync::CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(std::sync::Arc::clone(&all).keep(stop.clone()));
    folder.write("a.csv", b"id\n1\n2\n");
    let deadline = Instant::now() + Duration::from_secs(30);
    while lookup.table().rows() != 2 {
        assert!(Instant::now() < deadline, "it was not read again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    tasks.join_all().await;
    let gone = std::sync::Arc::downgrade(&other);
    drop(other);
    assert!(gone.upgrade().is_none());
}

#[cfg(feature = "sqlite")]
#[test]
fn a_query_of_sqlite_becomes_rows_by_key() {
    use std::str::FromStr;

    use sqlx::{ConnectOptions, Connection};

    let folder = Folder::new();
    let path = folder.0.path().join("shop.db");
    let write = async {
        let url = format!("sqlite:{}", path.display());
        let options = sqlx::sqlite::SqliteConnectOptions::from_str(&url).unwrap().create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let script = "CREATE TABLE customer (id INTEGER, tier TEXT, credit REAL, photo BLOB);
            INSERT INTO customer VALUES (1, 'gold', 1.5, NULL), (2, NULL, NULL, NULL), (3, 'x', NULL, x'00')";
        sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(write);
    let ask = |query: &str, key: &str| {
        let database = DatabaseConfig::Sqlite(path.clone());
        let origin = OriginConfig::Query { database, query: query.to_owned(), key: key.to_owned() };
        let config = LookupConfig { origin, ..file(&path, None, MAX) };
        Lookup::open(config).map(|it| rows(&it.table(), &["1", "2"])).map_err(|error| error.to_string())
    };
    let good = ask("SELECT * FROM customer WHERE id < 3;", "id").unwrap();
    let first = r#"{"credit":1.5,"id":1,"photo":null,"tier":"gold"}"#;
    assert_eq!(good, [one("1", first), one("2", r#"{"credit":null,"id":2,"photo":null,"tier":null}"#)]);
    assert!(ask("SELECT * FROM customer", "id").unwrap_err().contains("bytes in the column \"photo\""));
    assert!(ask("SELECT id, tier FROM customer", "tier").unwrap_err().contains("row 2 has no \"tier\""));
    assert!(ask("SELECT tier FROM customer", "id").unwrap_err().contains("its columns: tier"));
    assert!(
        ask("SELECT 1 AS id UNION ALL SELECT 1", "id").unwrap_err().contains("two rows have the same key")
    );
    let error = ask("SELECT * FROM nobody", "id").unwrap_err();
    assert!(error.contains("no such table"), "{error}");
    assert!(ask("DELETE FROM customer", "id").is_err());
}
