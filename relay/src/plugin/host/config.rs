//! Settings of a plugin.

use std::path::PathBuf;
use std::time::Duration;

use crate::plugin::lookup::LookupConfig;

/// Settings of one plugin, already validated.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// The name in the configuration.
    pub name: String,
    /// The component file; a new build put in its place is loaded while the relay runs.
    pub component: PathBuf,
    /// The plugin's own configuration.
    pub config: serde_json::Value,
    /// How much it may use.
    pub limits: PluginLimits,
    /// What a new build may use beyond the one that it replaces: permissions, interfaces, or `*`.
    pub accept: Vec<String>,
    /// Another component that runs beside it on the same events; nothing of it is sent.
    pub shadow: Option<PathBuf>,
    /// The lookup tables that it may read.
    pub lookups: Vec<LookupConfig>,
}

impl PluginConfig {
    /// The plugin `name` at `component` with the standard limits and nothing granted.
    #[must_use]
    pub fn new(name: impl Into<String>, component: impl Into<PathBuf>, config: serde_json::Value) -> Self {
        Self {
            name: name.into(),
            component: component.into(),
            config,
            limits: PluginLimits::default(),
            accept: Vec::new(),
            shadow: None,
            lookups: Vec::new(),
        }
    }
}

/// What one plugin may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// Bytes of linear memory and tables, summed over the instance.
    pub memory: usize,
    /// CPU time of one event; a batch has this once per event, up to `batch_time`.
    pub time: Duration,
    /// CPU time of one batch.
    pub batch_time: Duration,
    /// Messages one event may make.
    pub messages: usize,
    /// Bytes of keys, bodies and headers one event may make.
    pub output: usize,
    /// Headers of one message, beside those it inherits.
    pub headers: usize,
    /// Bytes that lookup tables may hand over for one event.
    pub lookup: usize,
    /// Series of its own metrics, over all instances.
    pub series: usize,
    /// Log lines per second, over all instances.
    pub log_lines: usize,
    /// Bytes of one log line.
    pub log_line: usize,
    /// Whether an instance lives for one batch only; otherwise as long as its lane, unless it fails or is worn.
    pub instance_per_batch: bool,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            time: Duration::from_millis(20),
            batch_time: Duration::from_secs(1),
            messages: 64,
            output: 4 << 20,
            headers: 64,
            lookup: 1 << 20,
            series: 100,
            log_lines: 100,
            log_line: 4 << 10,
            instance_per_batch: false,
        }
    }
}

/// Where the relay keeps something of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FolderConfig {
    /// In the folder that the system has for it.
    #[default]
    Standard,
    /// In this folder.
    At(PathBuf),
    /// Nowhere.
    Off,
}

/// The folders that a system has for one kind of files.
#[derive(Debug, Clone, Copy)]
pub struct SystemFolders {
    /// The variable that systemd sets: the service's own, made and owned as its unit says.
    service: &'static str,
    /// The variable of the user's.
    user: &'static str,
    /// The user's where that is not set, below the home.
    home: &'static str,
}

/// For compiled components, so that the next start need not compile.
pub const CACHE: SystemFolders =
    SystemFolders { service: "CACHE_DIRECTORY", user: "XDG_CACHE_HOME", home: ".cache" };

/// For what the relay must know of its plugins after a restart.
pub const STATE: SystemFolders =
    SystemFolders { service: "STATE_DIRECTORY", user: "XDG_STATE_HOME", home: ".local/state" };

impl FolderConfig {
    /// The folder, if there is to be one: for [`FolderConfig::Standard`] the first that the environment names of
    /// `system`. Relative ones do not count.
    #[must_use]
    pub fn folder(&self, system: &SystemFolders, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        match self {
            Self::At(folder) => Some(folder.clone()),
            Self::Off => None,
            Self::Standard => {
                let absolute = |path: &str| Some(PathBuf::from(path)).filter(|it| it.is_absolute());
                let named = |name: &str| env(name).and_then(|it| absolute(&it));
                let service = env(system.service).and_then(|it| absolute(it.split(':').next()?));
                let user = || named(system.user).or_else(|| Some(named("HOME")?.join(system.home)));
                service.or_else(|| Some(user()?.join("relay")))
            }
        }
    }
}

/// How a [`PluginHost`](super::PluginHost) comes by machine code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostConfig {
    /// The folder of compiled components; none: nothing is kept.
    pub cache: Option<PathBuf>,
    /// A program that calls [`serve`](super::serve) when it is started with [`COMPILE`]; none: components are
    /// compiled in this process.
    pub compiler: Option<PathBuf>,
    /// Whether faults name file and line of the plugin's source, where its component has line tables. They are read
    /// in the lane that met the fault, so this is for a plugin's own author.
    pub source_lines: bool,
}

/// The arguments of the relay's own program that make it a compiler.
pub const COMPILE: &[&str] = &["plugin", "compile"];

/// The argument that follows [`COMPILE`] for [`HostConfig::source_lines`].
pub(super) const SOURCE_LINES: &str = "--source-lines";

/// The argument that follows [`COMPILE`] for [`CompileOptions::behind_lanes`].
pub(super) const BEHIND_LANES: &str = "--behind-lanes";

/// How a process of [`COMPILE`] works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// For a host that was given [`HostConfig::source_lines`].
    pub source_lines: bool,
    /// Events flow meanwhile, and they go first: it gets what the lanes leave, and no more than one core unless the
    /// component is small.
    pub behind_lanes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(system: &SystemFolders, env: &[(&str, &str)]) -> Option<PathBuf> {
        let value = |name: &str| env.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        FolderConfig::Standard.folder(system, &value)
    }

    fn at(path: &str) -> Option<PathBuf> {
        Some(PathBuf::from(path))
    }

    #[test]
    fn the_standard_folder_is_the_services_then_the_users_and_never_a_relative_one() {
        let home = ("HOME", "/home/relay");
        let xdg = ("XDG_CACHE_HOME", "/var/tmp/xdg");
        assert_eq!(standard(&CACHE, &[home]), at("/home/relay/.cache/relay"));
        assert_eq!(standard(&CACHE, &[home, xdg]), at("/var/tmp/xdg/relay"));
        let service = ("CACHE_DIRECTORY", "/var/cache/relay:/var/cache/other");
        assert_eq!(standard(&CACHE, &[home, xdg, service]), at("/var/cache/relay"));
        assert_eq!(standard(&CACHE, &[("HOME", ""), ("XDG_CACHE_HOME", "cache")]), None);
        assert_eq!(standard(&CACHE, &[]), None);
    }

    #[test]
    fn state_has_folders_of_its_own() {
        let (home, xdg) = (("HOME", "/home/relay"), ("XDG_STATE_HOME", "/var/xdg"));
        assert_eq!(standard(&STATE, &[home]), at("/home/relay/.local/state/relay"));
        assert_eq!(standard(&STATE, &[home, xdg]), at("/var/xdg/relay"));
        let service = ("STATE_DIRECTORY", "/var/lib/relay:/var/lib/other");
        assert_eq!(standard(&STATE, &[home, xdg, service]), at("/var/lib/relay"));
        assert_eq!(standard(&STATE, &[("HOME", "home")]), None);
    }

    #[test]
    fn a_folder_that_was_named_is_taken_and_off_means_none() {
        let env = |_: &str| Some("/elsewhere".to_owned());
        let named = FolderConfig::At(PathBuf::from("/cache"));
        assert_eq!(named.folder(&CACHE, &env), at("/cache"));
        assert_eq!(FolderConfig::Off.folder(&CACHE, &env), None);
        assert_eq!(FolderConfig::Off.folder(&STATE, &env), None);
    }
}
