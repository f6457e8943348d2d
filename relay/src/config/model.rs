//! Validated settings.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use relay_engine::route::SinkKind;

use super::Diagnostic;
use crate::plugin::host::{FolderConfig, PluginConfig};
#[cfg(feature = "http")]
use crate::sink::http::HttpSinkConfig;
#[cfg(feature = "kafka")]
use crate::sink::kafka::KafkaSinkConfig;
#[cfg(feature = "nats")]
use crate::sink::nats::NatsSinkConfig;
#[cfg(feature = "postgres")]
use crate::source::postgres::PostgresSourceConfig;
#[cfg(feature = "sqlite")]
use crate::source::sqlite::SqliteSourceConfig;
use crate::source::{BatchLimit, Start};

/// Everything a relay runs with; each name that one part uses for another exists.
#[derive(Debug, Clone)]
pub struct Config {
    /// By name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// By name.
    pub sinks: BTreeMap<String, SinkConfig>,
    /// By name.
    pub plugins: BTreeMap<String, GrantedPlugin>,
    /// By name; never empty.
    pub pipelines: BTreeMap<String, PipelineConfig>,
    /// Metrics and health.
    pub admin: AdminConfig,
    /// The relay itself.
    pub relay: RelayConfig,
    /// What was hardly meant, and works.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// The plugins that a pipeline runs, by name: a relay loads no others.
    pub fn used_plugins(&self) -> impl Iterator<Item = &GrantedPlugin> {
        let is_used = |name: &String| self.pipelines.values().any(|it| it.plugins.contains(name));
        self.plugins.iter().filter(move |(name, _)| is_used(name)).map(|(_, plugin)| plugin)
    }
}

/// One outbox.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Where the first run begins; later runs go on where they settled.
    pub start: FirstStart,
    /// The adapter's own settings.
    pub adapter: SourceAdapter,
}

/// Where the first run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstStart {
    /// With what commits from then on.
    Now,
    /// With the oldest row.
    Beginning,
}

impl From<FirstStart> for Start {
    fn from(start: FirstStart) -> Self {
        match start {
            FirstStart::Now => Self::Now,
            FirstStart::Beginning => Self::Beginning,
        }
    }
}

/// Settings of a source, by its type.
#[derive(Clone)]
pub enum SourceAdapter {
    /// `type = "postgres"`
    #[cfg(feature = "postgres")]
    Postgres(PostgresSourceConfig),
    /// `type = "sqlite"`
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteSourceConfig),
}

impl SourceAdapter {
    /// Its type as the configuration names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "postgres",
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => "sqlite",
        }
    }
}

impl fmt::Debug for SourceAdapter {
    /// Names the type alone: the settings may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(…)", self.kind())
    }
}

/// Settings of a sink, by its type.
#[derive(Clone)]
pub enum SinkConfig {
    /// `type = "http"`
    #[cfg(feature = "http")]
    Http(HttpSinkConfig),
    /// `type = "kafka"`
    #[cfg(feature = "kafka")]
    Kafka(KafkaSinkConfig),
    /// `type = "nats"`
    #[cfg(feature = "nats")]
    Nats(NatsSinkConfig),
    /// `type = "stdout"`
    Stdout {
        /// The kind whose messages it takes; `Stdout` where it stands for itself.
        stands_for: SinkKind,
    },
}

impl SinkConfig {
    /// Its type as the configuration names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match *self {
            #[cfg(feature = "http")]
            Self::Http(_) => "http",
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => "kafka",
            #[cfg(feature = "nats")]
            Self::Nats(_) => "nats",
            Self::Stdout { .. } => "stdout",
        }
    }
}

impl SinkConfig {
    /// Names of the credentials that messages may name; none but for `type = "http"`.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        let credentials = match self {
            #[cfg(feature = "http")]
            Self::Http(config) => config.credential_names(),
            _ => Vec::new(),
        };
        credentials.into_iter()
    }
}

impl fmt::Debug for SinkConfig {
    /// Names the type alone: the settings may hold passwords, tokens and signing secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(…)", self.kind())
    }
}

/// One plugin and what it may address.
#[derive(Debug, Clone)]
pub struct GrantedPlugin {
    /// What to load, its configuration and its limits.
    pub plugin: PluginConfig,
    /// Patterns of places by the sink's name; a sink that is not in it may not be addressed.
    pub grant: BTreeMap<String, Vec<String>>,
    /// Names of sinks' credentials that its messages may name.
    pub credentials: Vec<String>,
}

/// One source, a chain of plugins and one lane per sink.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// The name in the configuration; part of every idempotency key.
    pub name: String,
    /// The source's name.
    pub source: String,
    /// Names of plugins, in the order they run; may be empty.
    pub plugins: Vec<String>,
    /// Names of sinks, in the order they were given; never empty.
    pub sinks: Vec<String>,
    /// The route of each sink, for messages that no plugin addresses: text with the placeholders
    /// `{aggregatetype}`, `{aggregateid}`, `{type}` and `{id}`; empty stands for the sink's own place.
    pub routes: BTreeMap<String, String>,
    /// How many lanes the keys of each sink are divided into.
    pub shards: u32,
    /// When to try an event again.
    pub retry: RetryConfig,
    /// What a dead letter does to its key.
    pub on_dead: OnDead,
    /// When failures of events are taken for a storm; `None`: never.
    pub storm: Option<StormConfig>,
    /// How much each lane may have parked and dead.
    pub held: HeldConfig,
    /// How much one read brings.
    pub batch: BatchLimit,
    /// How much of one lane may be unsettled.
    pub window: WindowLimit,
    /// The shortest time between two settlements that only move a cursor.
    pub settle_interval: Duration,
    /// How long a shutdown waits for what is in flight.
    pub grace: Duration,
}

/// When to try an event again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryConfig {
    /// The pause before the second attempt; doubles from one to the next.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
    /// Attempts before an event becomes a dead letter, the first included.
    pub attempts: u32,
}

/// What a dead letter does to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDead {
    /// Later events of the key wait for an operator.
    Block,
    /// Later events of the key become dead letters with it.
    ParkKey,
    /// Later events of the key pass.
    SkipAfterDeadLetter,
}

/// When failures of events are taken for a fault of their receiver or plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StormConfig {
    /// Failed among the last, in percent.
    pub percent: u32,
    /// How many of the last are looked at.
    pub last: u32,
}

/// How much one lane may have parked and dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldConfig {
    /// Parked and blocked events at most.
    pub parked: usize,
    /// Bytes of them.
    pub parked_bytes: usize,
    /// Dead letters at most.
    pub dead: usize,
    /// Bytes of them.
    pub dead_bytes: usize,
}

/// How much of one lane may be unsettled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimit {
    /// Events at most.
    pub events: usize,
    /// Bytes of events and messages at most.
    pub bytes: usize,
}

/// Metrics and health over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where to listen; `None` turns it off.
    pub listen: Option<SocketAddr>,
    /// Whether people on this machine may watch events pass, payloads included.
    pub tap: bool,
    /// Whether operators on this machine may ask for changes: to reload a plugin, or to roll it back.
    pub control: bool,
}

/// The relay itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayConfig {
    /// Where compiled plugins are kept.
    pub cache: FolderConfig,
    /// Where it is kept which builds of plugins ran.
    pub state: FolderConfig,
    /// How long a lane stays with a relay that does not renew its lease; `None`: as its database suggests.
    pub lease: Option<Duration>,
}
