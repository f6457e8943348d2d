//! What people see: screens, errors and exit codes of the real binary.

#![expect(clippy::unwrap_used, reason = "what tests share panics as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use relay_tests::stack::shared_postgres;
use sqlx::Connection as _;
use tempfile::TempDir;

const RIGHT: &str = r#"
[source.shop]
type  = "sqlite"
path  = "shop.db"
start = "now"
[sink.out]
type = "stdout"
[pipeline.orders]
source = "shop"
sinks  = ["out"]
"#;

/// The relay that was built beside this test.
fn relay() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let relay = test.parent().and_then(Path::parent).unwrap().join("relay");
    assert!(relay.is_file(), "{} is not there: run cargo build first", relay.display());
    relay
}

/// Runs the relay in `folder`, without the environment of whoever runs the tests.
fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    Command::new(relay()).args(arguments).current_dir(folder.path()).env_clear().output().unwrap()
}

#[track_caller]
fn assert_ends(output: &Output, exit: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "stdout:\n{out}\nstderr:\n{err}");
    (out, err)
}

fn folder_with(configuration: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("relay.toml"), configuration).unwrap();
    folder
}

#[test]
fn a_right_configuration_ends_with_0_and_says_what_runs() {
    let (out, err) = assert_ends(&run(&folder_with(RIGHT), &["check"]), 0);
    let runs = "relay.toml is ok: 1 pipeline, 1 lane\n   orders: shop (sqlite) → no plugin → out (stdout)\n";
    assert!(out.starts_with(runs) && out[runs.len()..].starts_with("   memory: at most"), "{out}");
    assert_eq!(err, "");
}

#[test]
fn a_wrong_configuration_ends_with_3_and_names_every_place_without_colours() {
    let wrong = RIGHT.replace("stdout", "stdot").replace("\"shop\"", "\"shp\"");
    let folder = folder_with(&wrong);
    for command in ["check", "run", "status"] {
        let (out, err) = assert_ends(&run(&folder, &[command]), 3);
        assert_eq!(out, "");
        assert!(err.contains("relay.toml:7:8") && err.contains("relay.toml:9:10"), "{err}");
        assert!(err.ends_with("2 errors; relay explain C012 tells more\n"), "{err}");
        assert!(!err.contains('\x1b'), "{err}");
    }
    let (_, err) = assert_ends(&run(&folder, &["check", "--config", "none.toml"]), 3);
    assert!(err.contains("error[C001]: none.toml: "), "{err}");
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = folder_with(RIGHT);
    for arguments in [
        &["chekc"][..],
        &["run", "--outbox", "sqlite:a"],
        &["run", "--to", "stdout:"],
        &["run", "--outbox", "sqlite:a", "--to", "stdout:", "--config", "relay.toml"],
        &["run", "--log", "relay=loud"],
        &["init", "--apply"],
        &["init", "--print", "--table", "a.b.c"],
        &["dead", "retry"],
        &["dead", "retry", "--all", "--error", "S214"],
        &["dead", "list", "--lane", "orders"],
        &["demo", "--events", "0"],
        &["explain", "C999"],
    ] {
        let (_, err) = assert_ends(&run(&folder, arguments), 2);
        assert!(err.starts_with("error: "), "{arguments:?}: {err}");
    }
}

#[test]
fn wrong_flags_of_run_end_with_3_and_name_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let (_, err) = assert_ends(&run(&folder, &["run", "--outbox", "sqlite:a.db", "--to", "stdout:"]), 3);
    assert!(err.starts_with("error[C017]: --start: "), "{err}");
}

#[test]
fn help_and_pages_end_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let (help, _) = assert_ends(&run(&folder, &["--help"]), 0);
    assert!(help.contains("130  ended by a second SIGINT"), "{help}");
    let (page, _) = assert_ends(&run(&folder, &["explain", "c017"]), 0);
    assert!(page.starts_with("C017  No start\n"), "{page}");
    let (list, _) = assert_ends(&run(&folder, &["explain"]), 0);
    assert!(list.lines().count() > 40, "{list}");
}

#[test]
fn init_writes_a_configuration_once_and_it_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let (sql, err) = assert_ends(&run(&folder, &["init", "--source", "sqlite", "--sink", "stdout"]), 0);
    assert!(sql.contains("CREATE TABLE IF NOT EXISTS \"outbox\""), "{sql}");
    assert!(err.starts_with("wrote relay.toml"), "{err}");
    assert_ends(&run(&folder, &["check"]), 0);

    fs::write(folder.path().join("relay.toml"), "mine").unwrap();
    let (_, err) = assert_ends(&run(&folder, &["init"]), 1);
    assert!(err.starts_with("error[C045]: relay.toml is there already"), "{err}");
    assert_eq!(fs::read_to_string(folder.path().join("relay.toml")).unwrap(), "mine");
    let (_, err) = assert_ends(&run(&folder, &["init", "--config", "no/relay.toml"]), 1);
    assert!(err.starts_with("error[C043]: "), "{err}");
}

#[tokio::test]
async fn init_makes_an_sqlite_outbox_that_takes_events() {
    let folder = tempfile::tempdir().unwrap();
    let apply = ["init", "--source", "sqlite", "--apply", "--url", "sqlite:shop.db"];
    for _ in 0..2 {
        let (out, _) = assert_ends(&run(&folder, &apply), 0);
        assert_eq!(out, "the outbox outbox is ready\n");
    }
    let url = format!("sqlite:{}", folder.path().join("shop.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let insert = "INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('order', '1', 'Placed')";
    sqlx::query(insert).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn init_makes_a_postgres_outbox_and_says_what_the_server_refused() {
    let server = shared_postgres().await.unwrap();
    let url = server.create_database("cli_init").await.unwrap();
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let apply = ["init", "--table", "shop.events", "--role", "cli_init_relay", "--apply", "--url", &url];
    let (_, err) = assert_ends(&run(&folder, &apply), 4);
    assert!(err.starts_with("error[C044]: the SQL could not be run\n   because "), "{err}");
    assert!(err.contains("role \"cli_init_relay\" does not exist"), "{err}");

    sqlx::query("CREATE ROLE cli_init_relay").execute(&mut connection).await.unwrap();
    let (out, _) = assert_ends(&run(&folder, &apply), 0);
    assert_eq!(out, "the outbox shop.events is ready, and the role cli_init_relay may read it\n");
    sqlx::query("SET ROLE cli_init_relay").execute(&mut connection).await.unwrap();
    sqlx::query("SELECT seq, txid FROM shop.events").fetch_all(&mut connection).await.unwrap();
}

#[test]
fn a_folder_without_a_crate_is_no_plugin_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let (_, err) = assert_ends(&run(&folder, &["plugin", "build", "."]), 1);
    assert!(err.starts_with("error[P150]: "), "{err}");
    assert!(!err.contains("P150: "), "{err}");
}
