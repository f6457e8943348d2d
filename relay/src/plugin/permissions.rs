//! What a build of a plugin may use of the relay, and what of that an operator accepts.

use std::collections::BTreeSet;
use std::fmt;

/// Every permission that there is: an interface that the host offers, and a function of it.
pub const PERMISSIONS: &[&str] = &[
    "clock.now",
    "kv.get",
    "kv.get-many",
    "log.write",
    "metrics.add-counter",
    "metrics.record-histogram",
    "metrics.set-gauge",
];

/// The interface that tells of the events a plugin is asked about: all of that is for the plugin, so it needs no
/// permission.
const OF_EVENTS: &str = "batch";

/// In a list of accepted permissions: all of them, also those of later versions.
pub const ALL: &str = "*";

/// What a build may use, read from its types: it can reach nothing else, whatever its code says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions(BTreeSet<String>);

impl Permissions {
    /// What a build may use that imports the function of each of these pairs from the interface before it. Versions
    /// of interfaces do not count: a plugin that was built for another one may do the same. What it asks about its own
    /// events is left out.
    pub fn of_imports<'a>(imports: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let short = |interface: &'a str| {
            let name = interface.rsplit('/').next().unwrap_or(interface);
            name.split('@').next().unwrap_or(name)
        };
        Self(
            imports
                .into_iter()
                .map(|(interface, function)| (short(interface), function))
                .filter(|(interface, _)| *interface != OF_EVENTS)
                .map(|(interface, function)| format!("{interface}.{function}"))
                .collect(),
        )
    }

    /// What a build may use that had these names.
    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// `log.write`, in the order of the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What this build may use beyond `before` and what is `accepted`: permissions, interfaces (`log`) or [`ALL`].
    #[must_use]
    pub fn beyond<'a>(&'a self, before: &'a Self, accepted: &[String]) -> Vec<&'a str> {
        let is_accepted = |name: &str| {
            let interface = name.split('.').next().unwrap_or(name);
            accepted.iter().any(|it| it == ALL || it == name || it == interface)
        };
        self.0.difference(&before.0).map(String::as_str).filter(|name| !is_accepted(name)).collect()
    }

    /// What changed since `before`: `+ clock.now - log.write`; empty where nothing did.
    #[must_use]
    pub fn changes(&self, before: &Self) -> String {
        let added = self.0.difference(&before.0).map(|name| format!("+ {name}"));
        let removed = before.0.difference(&self.0).map(|name| format!("- {name}"));
        added.chain(removed).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&self.names().collect::<Vec<_>>().join(", "))
    }
}

/// Whether `text` may stand in a list of accepted permissions.
#[must_use]
pub fn can_be_accepted(text: &str) -> bool {
    let is_interface = |name: &str| name.split('.').next() == Some(text);
    text == ALL || PERMISSIONS.iter().any(|name| *name == text || is_interface(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Permissions {
        Permissions::named(names.iter().map(|it| (*it).to_owned()))
    }

    #[test]
    fn a_permission_is_an_interface_and_a_function_of_any_version() {
        let found = Permissions::of_imports([
            ("relay:plugin/log@0.1.0", "write"),
            ("relay:plugin/log@0.2.0", "write"),
            ("relay:plugin/clock@0.1.0", "now"),
        ]);
        assert_eq!(found.to_string(), "clock.now, log.write");
        assert_eq!(Permissions::default().to_string(), "nothing");
    }

    #[test]
    fn what_goes_beyond_the_build_before_is_told_unless_it_is_accepted() {
        let (wide, narrow) = (named(&["clock.now", "log.write"]), named(&["log.write"]));
        let beyond = |accepted: &[&str]| {
            let accepted: Vec<_> = accepted.iter().map(|it| (*it).to_owned()).collect();
            !wide.beyond(&narrow, &accepted).is_empty()
        };
        assert!(beyond(&[]) && beyond(&["log"]));
        assert!(!beyond(&["clock"]) && !beyond(&["clock.now"]) && !beyond(&[ALL]));
        assert!(narrow.beyond(&wide, &[]).is_empty(), "fewer are always taken");
        assert_eq!(wide.changes(&narrow), "+ clock.now");
        assert_eq!(named(&["clock.now"]).changes(&narrow), "+ clock.now - log.write");
    }

    #[test]
    fn interfaces_functions_and_all_can_be_accepted() {
        assert!(["log", "log.write", "clock", "*"].into_iter().all(can_be_accepted));
        assert!(!["", "lo", "log.", "wasi", "log.read"].into_iter().any(can_be_accepted));
    }
}
