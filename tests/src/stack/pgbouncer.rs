//! PgBouncer in transaction mode, before a Postgres server.

use std::path::Path;

use tempfile::TempDir;

use super::error::StackError;
use super::process::{Program, ServerProcess, blocking};
use super::{Postgres, folder, ports, tools};

/// Sessions with the server per database: fewer than a relay has clients, so that they change hands all the time.
const POOL: usize = 3;

/// A pooler that hands each transaction to whichever session is free.
#[derive(Debug)]
pub struct PgBouncer {
    #[expect(dead_code, reason = "ends with this")]
    process: ServerProcess,
    port: u16,
    #[expect(dead_code, reason = "removed with this")]
    folder: TempDir,
}

impl PgBouncer {
    /// Starts one before all databases of `server`.
    ///
    /// # Errors
    /// [`StackError`] when it is not installed or does not become ready.
    pub async fn start(server: &Postgres) -> Result<Self, StackError> {
        let server = server.port();
        blocking(move || Self::start_blocking(server)).await
    }

    fn start_blocking(server: u16) -> Result<Self, StackError> {
        let folder = folder::create("pgbouncer-")?;
        let port = ports::free_port()?;
        let file = write_settings(folder.path(), port, server)?;
        let program = Program {
            server: "PgBouncer",
            path: tools::pgbouncer()?,
            arguments: vec![file.into_os_string()],
            user: Some("postgres"),
            ready: "process up",
            stop_signal: "INT",
        };
        let process = ServerProcess::start(&program, folder.path())?;
        Ok(Self { process, port, folder })
    }

    /// The URL through which a database of the server is reached, given its own.
    #[must_use]
    pub fn url_of(&self, url: &str) -> String {
        let name = url.rsplit('/').next().unwrap_or_default();
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

fn write_settings(folder: &Path, port: u16, server: u16) -> Result<std::path::PathBuf, StackError> {
    let users = folder.join("users.txt");
    let file = folder.join("pgbouncer.ini");
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={server}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = {POOL}\n\
         max_client_conn = 200\n",
        users.display()
    );
    std::fs::write(&users, "\"postgres\" \"\"\n").map_err(StackError::io(format!("writing {users:?}")))?;
    std::fs::write(&file, text).map_err(StackError::io(format!("writing {file:?}")))?;
    Ok(file)
}
