//! PostgreSQL.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::error::StackError;
use super::process::{Program, ServerProcess, blocking, launcher, run};
use super::{folder, ports, tools};

/// Durable as in production, ready for logical replication and two-phase commit.
const SETTINGS: &[&str] = &[
    "fsync=on",
    "wal_level=logical",
    "max_prepared_transactions=64",
    "max_connections=100",
    "max_wal_senders=10",
    "max_replication_slots=10",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=128MB",
    "autovacuum_naptime=10s",
    "timezone=UTC",
];

/// What a server writes once clients may connect and write.
const READY: &str = "database system is ready to accept connections";
/// What a standby writes once clients may connect.
const READY_TO_READ: &str = "database system is ready to accept read";

/// A PostgreSQL server of its own.
#[derive(Debug)]
pub struct Postgres {
    process: ServerProcess,
    program: Program,
    port: u16,
    folder: TempDir,
}

/// The server that the tests of this process share; a database each keeps them apart.
///
/// # Errors
/// [`StackError`] when it cannot be started.
pub async fn shared_postgres() -> Result<&'static Postgres, StackError> {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED.get_or_try_init(Postgres::start).await
}

impl Postgres {
    /// Starts a server with an empty cluster; returns once it accepts connections.
    ///
    /// # Errors
    /// [`StackError`] when it is not installed or does not become ready.
    pub async fn start() -> Result<Self, StackError> {
        Self::start_with(&[]).await
    }

    /// Starts a server with further settings, each `name=value`.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn start_with(settings: &[&str]) -> Result<Self, StackError> {
        let settings: Vec<String> = settings.iter().map(|&it| it.to_owned()).collect();
        blocking(move || Self::start_blocking(&settings)).await
    }

    fn start_blocking(settings: &[String]) -> Result<Self, StackError> {
        let bin = tools::postgres()?;
        let folder = folder::create("postgres-")?;
        let data = folder.path().join("data");
        copy_template(&bin, folder.path(), &data)?;
        let settings: Vec<&str> =
            SETTINGS.iter().copied().chain(settings.iter().map(String::as_str)).collect();
        Self::launch(&bin, folder, &settings, READY)
    }

    fn launch(
        bin: &Path,
        folder: TempDir,
        settings: &[&str],
        ready: &'static str,
    ) -> Result<Self, StackError> {
        let port = ports::free_port()?;
        let data = folder.path().join("data");
        let mut arguments = vec!["-D".into(), data.into_os_string(), "-p".into(), port.to_string().into()];
        for setting in settings {
            arguments.extend(["-c".into(), setting.into()]);
        }
        let program = Program {
            server: "PostgreSQL",
            path: bin.join("postgres"),
            arguments,
            user: Some("postgres"),
            ready,
            stop_signal: "INT",
        };
        let process = ServerProcess::start(&program, folder.path())?;
        Ok(Self { process, program, port, folder })
    }

    /// Starts an asynchronous standby of the server at `address` (`host:port`; a proxy before it can hold its stream
    /// back), from a base backup; returns once it can be read.
    ///
    /// # Errors
    /// As [`Postgres::start`], or what `pg_basebackup` says.
    pub async fn standby_of(address: &str) -> Result<Self, StackError> {
        let primary = format!("postgres://postgres@{address}/postgres");
        blocking(move || {
            let bin = tools::postgres()?;
            let folder = folder::create("postgres-standby-")?;
            let mut backup = launcher(Some("postgres"));
            backup.arg(bin.join("pg_basebackup")).arg("-D").arg(folder.path().join("data"));
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "-d", &primary]);
            run(backup)?;
            Self::launch(&bin, folder, SETTINGS, READY_TO_READ)
        })
        .await
    }

    /// Makes a standby the primary of a new timeline; returns once it can be written to.
    ///
    /// # Errors
    /// [`StackError::Client`] when the server refuses.
    pub async fn promote(&mut self) -> Result<(), StackError> {
        self.program.ready = READY;
        let mut connection = self.connect("postgres").await?;
        connection.execute("SELECT pg_promote()").await.map_err(StackError::client("promoting a standby"))?;
        Ok(())
    }

    /// The URL of the database `postgres`, as superuser, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// The URL of the database `name`.
    #[must_use]
    pub fn database_url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// The port it listens on, the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its main process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The data folder, removed with the server.
    #[must_use]
    pub fn data_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Creates an empty database whose name begins with `name`, and returns its URL. Each call makes another.
    ///
    /// # Errors
    /// [`StackError::Client`] when the server refuses.
    pub async fn create_database(&self, name: &str) -> Result<String, StackError> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("{name}_{number}");
        let doing = format!("creating the database {name}");
        let mut connection = self.connect("postgres").await?;
        let statement = AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        connection.execute(statement).await.map_err(StackError::client(doing))?;
        Ok(self.database_url(&name))
    }

    /// A connection to the database `name`.
    ///
    /// # Errors
    /// [`StackError::Client`] when the server refuses or is not there.
    pub async fn connect(&self, name: &str) -> Result<PgConnection, StackError> {
        PgConnection::connect(&self.database_url(name))
            .await
            .map_err(StackError::client("connecting to Postgres"))
    }

    /// Ends it and all its children with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it in order ("fast": open transactions are rolled back).
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Freezes it: connections stay open and nothing answers.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on after a pause.
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// Starts it again on the same data and port; kills it first if it runs.
    ///
    /// # Errors
    /// [`StackError::NotReady`].
    pub async fn restart(&mut self) -> Result<(), StackError> {
        self.process.kill();
        let (program, folder) = (self.program.clone(), self.folder.path().to_owned());
        self.process = blocking(move || ServerProcess::start(&program, &folder)).await?;
        Ok(())
    }
}

/// `initdb` takes seconds, a copy of what it made takes milliseconds; the template stays for the next runs.
fn copy_template(bin: &Path, scratch: &Path, data: &Path) -> Result<(), StackError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let version = bin.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let user = if super::process::is_root() { "postgres" } else { "self" };
    let template = tools::folder().join(format!("postgres-template-{version}-{user}"));
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !template.exists() {
        let made = scratch.join("template");
        let mut initdb = launcher(Some("postgres"));
        initdb.arg(bin.join("initdb")).arg("-D").arg(&made).current_dir(scratch);
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"]);
        run(initdb)?;
        keep_template(&made, &template)?;
    }
    drop(guard);
    copy(&template, data)
}

/// Puts the template in its place in one step, so that another test process never sees half of it.
fn keep_template(made: &Path, template: &Path) -> Result<(), StackError> {
    let parent = template.parent().unwrap_or(template);
    std::fs::create_dir_all(parent).map_err(StackError::io(format!("creating {parent:?}")))?;
    let nearly = template.with_extension(format!("new-{}", std::process::id()));
    copy(made, &nearly)?;
    match std::fs::rename(&nearly, template) {
        // Another process was faster: its template is as good.
        Err(_) if template.exists() => {
            std::fs::remove_dir_all(&nearly).map_err(StackError::io(format!("removing {nearly:?}")))
        }
        other => other.map_err(StackError::io(format!("renaming {nearly:?}"))),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), StackError> {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(from).arg(to);
    run(copy)
}
