//! Where histories are kept.

use std::path::PathBuf;

/// Where the relay keeps what it must know of its plugins after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HistoryConfig {
    /// In the folder that the system has for it.
    #[default]
    Standard,
    /// In this folder.
    At(PathBuf),
    /// Nowhere.
    Off,
}

impl HistoryConfig {
    /// The folder, if there is to be one: for [`HistoryConfig::Standard`] the first that the environment names of
    /// systemd's `STATE_DIRECTORY`, `XDG_STATE_HOME` and `HOME`.
    #[must_use]
    pub fn folder(&self, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        match self {
            Self::At(folder) => Some(folder.clone()),
            Self::Off => None,
            Self::Standard => {
                let absolute = |path: &str| Some(PathBuf::from(path)).filter(|it| it.is_absolute());
                let named = |name: &str| env(name).and_then(|it| absolute(&it));
                let service = env("STATE_DIRECTORY").and_then(|it| absolute(it.split(':').next()?));
                let user = || named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")));
                service.or_else(|| Some(user()?.join("relay")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_folder_is_the_services_then_the_users_and_never_a_relative_one() {
        let standard = |env: &[(&str, &str)]| {
            let value = |name: &str| env.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
            HistoryConfig::Standard.folder(&value).map(|it| it.display().to_string())
        };
        let (home, xdg) = (("HOME", "/home/relay"), ("XDG_STATE_HOME", "/var/xdg"));
        assert_eq!(standard(&[home]).as_deref(), Some("/home/relay/.local/state/relay"));
        assert_eq!(standard(&[home, xdg]).as_deref(), Some("/var/xdg/relay"));
        let service = ("STATE_DIRECTORY", "/var/lib/relay:/var/lib/other");
        assert_eq!(standard(&[home, xdg, service]).as_deref(), Some("/var/lib/relay"));
        assert_eq!(standard(&[("HOME", "home")]), None);
        assert_eq!(HistoryConfig::Off.folder(&|_| Some("/x".to_owned())), None);
    }
}
