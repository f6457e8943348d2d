//! An outbox in a temporary folder, for a plugin that has none yet.

use std::path::{Path, PathBuf};

use super::author::Author;
use super::project::Project;
use super::unusable;
use crate::app::AppError;
use crate::app::outbox::{OutboxKind, OutboxScripts};
use crate::app::temporary::TemporaryFolder;
use crate::plugin::golden::{CaseError, Suite};

/// The name of the outbox's source.
pub(super) const SOURCE: &str = "shop";

/// How the name of the folder begins.
const PREFIX: &str = "relay-dev-";

/// A temporary folder with an outbox and a configuration; it goes with the command.
pub(super) struct Embedded {
    folder: TemporaryFolder,
    pub(super) config: PathBuf,
    pub(super) project: Project,
}

impl Embedded {
    /// Prepares everything for the crate in `dir`; its golden cases give the configuration and the events.
    pub(super) async fn prepare(dir: &Path) -> Result<(Self, Author), AppError> {
        crate::plugin::build::component_of(dir)?;
        let suites = Suite::load(&dir.join(crate::plugin::build::CASES)).map_err(no_events)?;
        let folder =
            TemporaryFolder::new(PREFIX).map_err(|error| unusable("the temporary folder", &error))?;
        let settings = suites.first().map(|it| it.config.clone()).unwrap_or_default();
        let project = Project::alone(dir, folder.path(), settings)?;
        let project = Project { source: Some(SOURCE.to_owned()), ..project };
        let embedded = Self { config: folder.path().join("relay.toml"), project, folder };
        embedded.write()?;
        let database = embedded.database();
        let scripts = OutboxScripts::new(OutboxKind::Sqlite, "outbox", "relay");
        let scripts = scripts.map_err(|error| unusable("an SQLite outbox", &error))?;
        let applied = scripts.apply(&database.display().to_string()).await;
        applied.map_err(|error| unusable("an SQLite outbox", &error))?;
        // Only the first file's: the others need a configuration that is not the running one's.
        let events = suites.into_iter().next().map(|it| it.cases).unwrap_or_default();
        let author = Author::open(&database, events.into_iter().map(|it| it.event).collect()).await?;
        Ok((embedded, author))
    }

    /// Reads the settings in the golden cases once more. Returns whether they differ from those that were written into
    /// the configuration, which are then replaced.
    ///
    /// # Errors
    /// When the cases can't be read, or the configuration can't be written.
    pub(super) fn reread(&mut self) -> Result<bool, AppError> {
        let suites = self.project.suites().map_err(no_events)?;
        let settings = suites.into_iter().next().map(|it| it.config).unwrap_or_default();
        if settings == self.project.plugin.config {
            return Ok(false);
        }
        let before = std::mem::replace(&mut self.project.plugin.config, settings);
        if let Err(error) = self.write() {
            // Not taken over: the next look finds the difference again.
            self.project.plugin.config = before;
            return Err(error);
        }
        Ok(true)
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    fn write(&self) -> Result<(), AppError> {
        std::fs::write(&self.config, self.configuration()?)
            .map_err(|error| unusable("the configuration", &error))
    }

    /// A sink that prints stands in for each kind, so that whatever the plugin addresses arrives.
    fn configuration(&self) -> Result<String, AppError> {
        let plugin = &self.project.plugin;
        let (name, database) = (&plugin.name, self.database());
        let wrong = |error: &dyn std::error::Error| unusable("the configuration of the cases", error);
        let config: toml::Value =
            serde_json::from_value(plugin.config.clone()).map_err(|error| wrong(&error))?;
        let grant = [("kafka", "*"), ("nats", ">"), ("http", "/")];
        let grant = grant.map(|(sink, all)| (sink.to_owned(), vec![toml::Value::from(all)].into()));
        let own = toml::Table::from_iter([
            ("component".to_owned(), plugin.component.display().to_string().into()),
            ("config".to_owned(), config),
            ("grant".to_owned(), toml::Table::from_iter(grant).into()),
        ]);
        let named = toml::Table::from_iter([(name.clone(), toml::Value::from(own))]);
        let plugins =
            toml::to_string(&toml::Table::from_iter([("plugin".to_owned(), toml::Value::from(named))]))
                .map_err(|error| wrong(&error))?;
        Ok(format!(
            r#"[source.{SOURCE}]
type      = "sqlite"
path      = {database:?}
start     = "beginning"
poll_idle = "50 ms"

[sink.kafka]
type = "stdout"
as   = "kafka"

[sink.nats]
type = "stdout"
as   = "nats"

[sink.http]
type = "stdout"
as   = "http"

{plugins}
[pipeline.dev]
source  = "{SOURCE}"
plugins = [{name:?}]
sinks   = ["kafka", "nats", "http"]
retry   = {{ attempts = 1 }}
on_dead = "skip_after_dead_letter"

[admin]
listen = "off"
"#
        ))
    }
}

fn no_events(error: CaseError) -> AppError {
    AppError::Refused {
        code: "P158",
        what: error.to_string(),
        remedy: "relay dev writes the events of the golden cases into an outbox of its own: write one into \
                 cases/events.toml, or name a configuration with --config"
            .to_owned(),
    }
}
