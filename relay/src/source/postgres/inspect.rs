//! What is checked before the first row: the server, the table, its columns and indexes.

use std::time::Duration;

use sqlx::postgres::PgRow;

use super::PostgresSourceConfig;
use super::ddl::ddl;
use super::failure::{COLUMNS, FUTURE, INDEX, KIND, NO_TABLE, PRIVILEGE, VERSION, refused, standby};
use super::place::Incarnation;
use super::rows::PayloadType;
use super::script::{Part, Script, identifier, literal};
use super::session::{Probe, Session, field, text};
use crate::source::SourceError;

const SERVER: &str = include_str!("inspect_server.sql");
const TABLE: &str = include_str!("inspect_table.sql");
const COLUMN: &str = include_str!("inspect_columns.sql");
const INDEXES: &str = include_str!("inspect_indexes.sql");
const PROBE: &str = include_str!("probe.sql");

/// The first version with `pg_current_snapshot`.
const OLDEST_VERSION: u32 = 130_000;

const DOING: &str = "checking the outbox table";

/// What the checks found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) incarnation: Incarnation,
    pub(super) probe: Probe,
    pub(super) payload: PayloadType,
}

/// Checks everything that would lose, delay or repeat rows later.
pub(super) async fn inspect(
    session: &mut Session,
    config: &PostgresSourceConfig,
) -> Result<Found, SourceError> {
    let timeout = config.statement_timeout;
    let system = server(&session.query(DOING, timeout, SERVER).await?)?;
    table(&session.query(DOING, timeout, &of_table(TABLE, config)).await?, config)?;
    let payload = columns(&session.query(DOING, timeout, &of_table(COLUMN, config)).await?, config)?;
    indexes(&session.query(DOING, timeout, &of_table(INDEXES, config)).await?, config)?;
    let probe = newest_row(session, config, timeout).await?;
    Ok(Found { incarnation: Incarnation { system, timeline: probe.timeline }, probe, payload })
}

fn of_table(template: &str, config: &PostgresSourceConfig) -> String {
    template.replace("{schema}", &literal(&config.schema)).replace("{table}", &literal(&config.table))
}

fn table_name(config: &PostgresSourceConfig) -> String {
    format!("{}.{}", identifier(&config.schema), identifier(&config.table))
}

fn server(rows: &[PgRow]) -> Result<u64, SourceError> {
    let Some(row) = rows.first() else { return Err(standby()) };
    if text(row, 0)? == Some("true") {
        return Err(standby());
    }
    let version: u32 = field(row, 1)?;
    if version < OLDEST_VERSION {
        return Err(refused(
            VERSION,
            format!("the server is version {}, which has no snapshots to read by", version / 10_000),
            "upgrade it to Postgres 13 or later",
        ));
    }
    field(row, 2)
}

fn table(rows: &[PgRow], config: &PostgresSourceConfig) -> Result<(), SourceError> {
    let name = table_name(config);
    let Some(row) = rows.first() else {
        return Err(refused(
            NO_TABLE,
            format!("there is no table {name} in this database"),
            format!("name the right one, or create it:\n{}", ddl(&config.schema, &config.table)),
        ));
    };
    let kind = text(row, 0)?.unwrap_or_default();
    if !matches!(kind, "r" | "p") {
        let what = match kind {
            "v" | "m" => "a view, whose rows do not say which transaction wrote them",
            "f" => "a foreign table, whose rows belong to another server's transactions",
            _ => "not a table",
        };
        return Err(refused(KIND, format!("{name} is {what}"), "read the table behind it"));
    }
    if text(row, 1)? != Some("p") {
        return Err(refused(
            KIND,
            format!("{name} is unlogged or temporary: a crash of the server empties it"),
            format!("run: ALTER TABLE {name} SET LOGGED;"),
        ));
    }
    if text(row, 2)? != Some("true") {
        return Err(refused(
            PRIVILEGE,
            format!("the relay's role may not read {name}"),
            format!(
                "run as its owner: GRANT SELECT ON {name} TO {};",
                identifier(text(row, 4)?.unwrap_or_default())
            ),
        ));
    }
    if text(row, 3)? == Some("true") {
        return Err(refused(
            PRIVILEGE,
            format!("row-level security of {name} applies to the relay's role and would hide rows from it"),
            format!(
                "run: ALTER ROLE {} BYPASSRLS; or add a policy for it",
                identifier(text(row, 4)?.unwrap_or_default())
            ),
        ));
    }
    Ok(())
}

fn columns(rows: &[PgRow], config: &PostgresSourceConfig) -> Result<PayloadType, SourceError> {
    let mut missing = Vec::new();
    let mut fixes = Vec::new();
    let type_of = |name: &str| -> Result<Option<&str>, SourceError> {
        for row in rows {
            if text(row, 0)? == Some(name) {
                return text(row, 1);
            }
        }
        Ok(None)
    };
    for (name, declaration) in expected(config) {
        if type_of(&name)?.is_none() {
            fixes.push(format!("ADD COLUMN {} {declaration}", identifier(&name)));
            missing.push(name);
        }
    }
    if !missing.is_empty() {
        return Err(refused(
            COLUMNS,
            format!("{} has no column {}", table_name(config), missing.join(", ")),
            format!(
                "name the right ones under `columns`, or run: ALTER TABLE {} {};",
                table_name(config),
                fixes.join(", ")
            ),
        ));
    }
    wrong_type(config, &config.columns.sequence, type_of(&config.columns.sequence)?, &["bigint", "integer"])?;
    wrong_type(config, "txid", type_of("txid")?, &["bigint"])?;
    let times = ["timestamp with time zone", "timestamp without time zone"];
    if let Some(name) = &config.columns.occurred_at {
        wrong_type(config, name, type_of(name)?, &times)?;
    }
    transaction_id_is_given(rows, config)?;
    Ok(match type_of(&config.columns.payload)? {
        Some("json" | "jsonb") => PayloadType::Json,
        Some("bytea") => PayloadType::Bytes,
        _ => PayloadType::Text,
    })
}

/// The columns that must exist, and how each is declared.
fn expected(config: &PostgresSourceConfig) -> Vec<(String, &'static str)> {
    let columns = &config.columns;
    let mut expected = vec![
        (columns.sequence.clone(), "bigint GENERATED ALWAYS AS IDENTITY UNIQUE"),
        ("txid".to_owned(), "bigint NOT NULL DEFAULT txid_current()"),
        (columns.id.clone(), "uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE"),
        (columns.aggregate_type.clone(), "text NOT NULL DEFAULT ''"),
        (columns.aggregate_id.clone(), "text NOT NULL DEFAULT ''"),
        (columns.event_type.clone(), "text NOT NULL DEFAULT ''"),
        (columns.payload.clone(), "text"),
    ];
    expected.extend(columns.headers.clone().map(|name| (name, "jsonb")));
    expected.extend(columns.occurred_at.clone().map(|name| (name, "timestamptz NOT NULL DEFAULT now()")));
    expected.extend(columns.attributes.iter().cloned().map(|name| (name, "text")));
    expected
}

fn wrong_type(
    config: &PostgresSourceConfig,
    column: &str,
    found: Option<&str>,
    allowed: &[&str],
) -> Result<(), SourceError> {
    let found = found.unwrap_or_default();
    if allowed.contains(&found) {
        return Ok(());
    }
    let (name, wanted) = (identifier(column), allowed.first().unwrap_or(&"text"));
    Err(refused(
        COLUMNS,
        format!("column {name} of {} is of type {found}, not {}", table_name(config), allowed.join(" or ")),
        format!(
            "run: ALTER TABLE {} ALTER COLUMN {name} TYPE {wanted} USING {name}::{wanted};",
            table_name(config)
        ),
    ))
}

/// A row without its transaction's id would never be seen, so the column has to fill itself.
fn transaction_id_is_given(rows: &[PgRow], config: &PostgresSourceConfig) -> Result<(), SourceError> {
    for row in rows {
        if text(row, 0)? != Some("txid") {
            continue;
        }
        let default = text(row, 3)?.unwrap_or_default();
        let given = default.contains("txid_current()") || default.contains("pg_current_xact_id()");
        if text(row, 2)? == Some("true") && given {
            return Ok(());
        }
    }
    Err(refused(
        COLUMNS,
        format!("column \"txid\" of {} is not filled by the server in every row", table_name(config)),
        format!(
            "run: ALTER TABLE {} ALTER COLUMN txid SET DEFAULT txid_current(), ALTER COLUMN txid SET NOT NULL; \
             rows without one get it with: UPDATE … SET txid = txid_current() WHERE txid IS NULL",
            table_name(config)
        ),
    ))
}

fn indexes(rows: &[PgRow], config: &PostgresSourceConfig) -> Result<(), SourceError> {
    for column in ["txid", &config.columns.sequence] {
        let mut found = false;
        for row in rows {
            found |= text(row, 0)? == Some(column);
        }
        if !found {
            let (table, column) = (table_name(config), identifier(column));
            return Err(refused(
                INDEX,
                format!(
                    "no valid index of {table} begins with {column}, so every poll would read the whole table"
                ),
                format!("run: CREATE INDEX CONCURRENTLY ON {table} ({column});"),
            ));
        }
    }
    Ok(())
}

/// Probes the server and checks that no row lies in its future, as after a restore into a new cluster: such
/// rows would be skipped until the cluster has counted that far.
async fn newest_row(
    session: &mut Session,
    config: &PostgresSourceConfig,
    timeout: Duration,
) -> Result<Probe, SourceError> {
    let script = Script::default()
        .then(Part::Silent, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .then(Part::Probe, &PROBE.replace("{statement_timeout}", &timeout.as_millis().to_string()))
        .then(Part::Fresh, &format!("SELECT max(txid) FROM {}", table_name(config)))
        .then(Part::Silent, "COMMIT");
    let (mut probe, mut newest) = (None, None);
    session
        .run(DOING, timeout, &script, |part, row| {
            match part {
                Part::Probe => probe = Some(Probe::of(&row)?),
                Part::Fresh => newest = text(&row, 0)?.and_then(|text| text.parse::<u64>().ok()),
                Part::Silent | Part::Late | Part::Flushed => {}
            }
            Ok(())
        })
        .await?;
    let Some(probe) = probe else { return Err(standby()) };
    if newest.is_some_and(|newest| newest >= probe.moment.snapshot.xmax) {
        return Err(refused(
            FUTURE,
            format!("{} holds rows of transactions that this server has not begun yet", table_name(config)),
            format!(
                "it was restored from another cluster: run UPDATE {} SET txid = txid_current(); and start with \
                 the position you want",
                table_name(config)
            ),
        ));
    }
    Ok(probe)
}
