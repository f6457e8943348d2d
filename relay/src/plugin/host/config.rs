//! Settings of a plugin.

use std::path::PathBuf;
use std::time::Duration;

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
            log_lines: 100,
            log_line: 4 << 10,
            instance_per_batch: false,
        }
    }
}

/// Where compiled components are kept, so that the next start need not compile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CompileCacheConfig {
    /// In the folder that the system has for it.
    #[default]
    Standard,
    /// In this folder.
    At(PathBuf),
    /// Nowhere.
    Off,
}

impl CompileCacheConfig {
    /// The folder, if there is to be one: for [`CompileCacheConfig::Standard`] the first that the environment
    /// names of systemd's `CACHE_DIRECTORY`, `XDG_CACHE_HOME` and `HOME`.
    #[must_use]
    pub fn folder(&self, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        match self {
            Self::At(folder) => Some(folder.clone()),
            Self::Off => None,
            Self::Standard => {
                let absolute = |name: &str| {
                    let folder = PathBuf::from(env(name)?);
                    folder.is_absolute().then_some(folder)
                };
                // The service's own folder, made and owned as its unit says.
                let service = env("CACHE_DIRECTORY")
                    .and_then(|it| it.split(':').next().map(PathBuf::from))
                    .filter(|it| it.is_absolute());
                let user = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
                service.or_else(|| Some(user?.join("relay")))
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
}

/// The arguments of the relay's own program that make it a compiler.
pub const COMPILE: &[&str] = &["plugin", "compile"];

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(env: &[(&str, &str)]) -> Option<PathBuf> {
        let value = |name: &str| env.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        CompileCacheConfig::Standard.folder(&value)
    }

    #[test]
    fn the_standard_folder_is_the_services_then_the_users_and_never_a_relative_one() {
        let at = |path: &str| Some(PathBuf::from(path));
        let home = ("HOME", "/home/relay");
        let xdg = ("XDG_CACHE_HOME", "/var/tmp/xdg");
        assert_eq!(standard(&[home]), at("/home/relay/.cache/relay"));
        assert_eq!(standard(&[home, xdg]), at("/var/tmp/xdg/relay"));
        let service = ("CACHE_DIRECTORY", "/var/cache/relay:/var/cache/other");
        assert_eq!(standard(&[home, xdg, service]), at("/var/cache/relay"));
        assert_eq!(standard(&[("HOME", ""), ("XDG_CACHE_HOME", "cache")]), None);
        assert_eq!(standard(&[]), None);
    }

    #[test]
    fn a_folder_that_was_named_is_taken_and_off_means_none() {
        let env = |_: &str| Some("/elsewhere".to_owned());
        let at = CompileCacheConfig::At(PathBuf::from("/cache"));
        assert_eq!(at.folder(&env), Some(PathBuf::from("/cache")));
        assert_eq!(CompileCacheConfig::Off.folder(&env), None);
    }
}
