//! What is checked before the first row.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::SqliteSourceConfig;
use super::ddl::{ddl, identifier};
use super::failure::{COLUMNS, NO_TABLE, REUSED, classify, refused};
use crate::source::SourceError;

const DOING: &str = "checking the outbox table";

/// Checks the table and returns the highest sequence it ever gave out.
pub(super) async fn inspect(
    connection: &mut SqliteConnection,
    config: &SqliteSourceConfig,
) -> Result<u64, SourceError> {
    let declaration = declaration(connection, &config.table).await?;
    let columns = columns(connection, &config.table).await?;
    all_there(&columns, config)?;
    never_reused(&declaration, &columns, config)?;
    highest(connection, &config.table).await
}

async fn declaration(connection: &mut SqliteConnection, table: &str) -> Result<String, SourceError> {
    let found = sqlx::query(
        "SELECT type, coalesce(sql, '') FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')",
    )
    .bind(table)
    .fetch_optional(connection)
    .await
    .map_err(|error| classify(DOING, error))?;
    let missing = |what: &str| {
        refused(
            NO_TABLE,
            format!("{what} {table:?}"),
            format!("name the right one, or create it:\n{}", ddl(table)),
        )
    };
    let Some(row) = found else { return Err(missing("this database has no table")) };
    match get::<String>(&row, 0)?.as_str() {
        "table" => get(&row, 1),
        _ => Err(missing("a view has no order of its own:")),
    }
}

/// Names of columns, with whether each is the whole primary key and an INTEGER.
async fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<(String, bool)>, SourceError> {
    let sql = "SELECT name, pk = 1 AND upper(type) = 'INTEGER' AND (SELECT max(pk) FROM pragma_table_info(?1)) = 1 \
               FROM pragma_table_info(?1)";
    let rows = sqlx::query(sql).bind(table).fetch_all(connection).await;
    let rows = rows.map_err(|error| classify(DOING, error))?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

fn all_there(columns: &[(String, bool)], config: &SqliteSourceConfig) -> Result<(), SourceError> {
    let names = &config.columns;
    let required = [
        &names.id,
        &names.sequence,
        &names.aggregate_type,
        &names.aggregate_id,
        &names.event_type,
        &names.payload,
    ];
    let optional = names.headers.iter().chain(&names.occurred_at).chain(&names.attributes);
    let missing: Vec<&str> = required
        .into_iter()
        .chain(optional)
        .filter(|name| !columns.iter().any(|(found, _)| found.eq_ignore_ascii_case(name)))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let table = identifier(&config.table);
    let fixes: Vec<String> =
        missing.iter().map(|name| format!("ALTER TABLE {table} ADD COLUMN {};", identifier(name))).collect();
    Err(refused(
        COLUMNS,
        format!("table {table} has no column {}", missing.join(", ")),
        format!("name the right ones under `columns`, or run: {}", fixes.join(" ")),
    ))
}

/// Without AUTOINCREMENT a new row may get the number of a deleted one, which the cursor has passed already.
fn never_reused(
    declaration: &str,
    columns: &[(String, bool)],
    config: &SqliteSourceConfig,
) -> Result<(), SourceError> {
    let sequence = &config.columns.sequence;
    let is_key = columns.iter().any(|(name, key)| name.eq_ignore_ascii_case(sequence) && *key);
    if is_key && declares_autoincrement(declaration) {
        return Ok(());
    }
    let (table, sequence) = (identifier(&config.table), identifier(sequence));
    let copy = identifier(&format!("{}_new", config.table));
    Err(refused(
        REUSED,
        format!(
            "{sequence} of {table} is not INTEGER PRIMARY KEY AUTOINCREMENT, so SQLite gives the numbers of deleted rows out again"
        ),
        format!(
            "create {copy} with the same columns and {sequence} INTEGER PRIMARY KEY AUTOINCREMENT, then in one \
             transaction: INSERT INTO {copy} SELECT * FROM {table} ORDER BY {sequence}; DROP TABLE {table}; \
             ALTER TABLE {copy} RENAME TO {table};"
        ),
    ))
}

/// Whether the word stands in a declaration outside of comments and quotes, which SQLite keeps as written.
fn declares_autoincrement(declaration: &str) -> bool {
    let mut code = String::new();
    let mut rest = declaration;
    while let Some(start) = rest.find(['-', '/', '\'', '"', '`', '[']) {
        let (before, quoted) = rest.split_at(start);
        code.push_str(before);
        let (open, close) = match quoted.as_bytes() {
            [b'-', b'-', ..] => (2, "\n"),
            [b'/', b'*', ..] => (2, "*/"),
            [b'[', ..] => (1, "]"),
            [b'-' | b'/', ..] => (1, ""),
            _ => (1, &quoted[..1]),
        };
        code.push(' ');
        let inside = &quoted[open..];
        rest = inside.find(close).map_or("", |end| &inside[end + close.len()..]);
    }
    code.push_str(rest);
    code.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("autoincrement"))
}

/// The highest sequence `table` ever gave out, also when its row has been deleted.
async fn highest(connection: &mut SqliteConnection, table: &str) -> Result<u64, SourceError> {
    // A name is compared without regard to case everywhere else, so here too.
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ? COLLATE NOCASE";
    let row = sqlx::query(sql).bind(table).fetch_one(connection).await;
    let highest: i64 = get(&row.map_err(|error| classify(DOING, error))?, 0)?;
    Ok(u64::try_from(highest).unwrap_or_default())
}

fn get<'r, T>(row: &'r SqliteRow, index: usize) -> Result<T, SourceError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(index).map_err(|error| classify(DOING, error))
}

/// The statement that reads the rows behind a sequence.
pub(super) fn page_statement(config: &SqliteSourceConfig) -> AssertSqlSafe<String> {
    AssertSqlSafe(columns_of(config, include_str!("page.sql")))
}

/// `statement` with the names of this table.
pub(super) fn columns_of(config: &SqliteSourceConfig, statement: &str) -> String {
    let names = &config.columns;
    let required =
        [&names.sequence, &names.id, &names.aggregate_type, &names.aggregate_id, &names.event_type];
    let mut columns: Vec<String> = required.into_iter().map(|name| identifier(name)).collect();
    let payload = identifier(&names.payload);
    // The length stands in front of the row: no page of a large value is read for it.
    let large = format!("octet_length({payload}) > {}", config.max_payload);
    columns.push(format!("CASE WHEN {large} THEN NULL ELSE {payload} END"));
    columns.push(format!("CASE WHEN {large} THEN octet_length({payload}) END"));
    let optional = names.headers.iter().chain(&names.occurred_at).chain(&names.attributes);
    columns.extend(optional.map(|name| identifier(name)));
    statement
        .replace("{columns}", &columns.join(", "))
        .replace("{sequence}", &identifier(&names.sequence))
        .replace("{table}", &identifier(&config.table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autoincrement_counts_only_where_it_is_a_keyword() {
        for declaration in [
            "CREATE TABLE t (seq INTEGER PRIMARY KEY AUTOINCREMENT)",
            "create table t (a text default 'it''s', /* key */ seq integer primary key autoincrement, b)",
            "CREATE TABLE t (\n-- the key's order\nseq INTEGER PRIMARY KEY AUTOINCREMENT, n DEFAULT (1 - 2 / 1))",
        ] {
            assert!(declares_autoincrement(declaration), "{declaration}");
        }
        for declaration in [
            "CREATE TABLE t (seq INTEGER PRIMARY KEY -- no AUTOINCREMENT\n)",
            "CREATE TABLE t (seq INTEGER PRIMARY KEY /* AUTOINCREMENT */, \"autoincrement\" TEXT)",
            "CREATE TABLE t (seq INTEGER PRIMARY KEY, [autoincrement] TEXT DEFAULT 'autoincrement')",
        ] {
            assert!(!declares_autoincrement(declaration), "{declaration}");
        }
    }
}
