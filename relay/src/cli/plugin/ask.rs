//! Asking a running relay about a plugin.

use std::borrow::Cow;

use serde_json::Value;

use crate::admin::plugins::{AskError, PluginAsk, ask};
use crate::cli::admin_server::AdminServer;
use crate::cli::{Exit, Failure, block_on, failure::Report};

/// What the relay at `server` says to `asked` about `plugin`.
pub(super) fn relay(server: &AdminServer, plugin: &str, asked: &PluginAsk) -> Result<Value, Failure> {
    if !plugin.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_') {
        let remedy = "names have a-z, 0-9, \"-\" and \"_\"; relay check shows which plugins there are";
        return Err(Failure::usage(format!("{plugin:?} is no name of a plugin"), remedy));
    }
    let address = server.address()?;
    block_on(async { ask(address, plugin, asked).await.map_err(failed) })
}

fn failed(error: AskError) -> Failure {
    match error {
        AskError::Refused { code, what, remedy } => {
            let code = (!code.is_empty()).then_some(Cow::Owned(code));
            Failure::Other(Report { exit: Exit::Failed, code, what, causes: Vec::new(), remedy })
        }
        AskError::Unknown(what) => Failure::not_found(what, "relay check shows which plugins there are"),
        AskError::Unreachable { .. } | AskError::Forbidden(_) | AskError::Other(_) => {
            Failure::coded(Exit::Environment, "P132", error.to_string(), "").because(&error)
        }
    }
}

/// A line that says what the build may use otherwise than the one before; nothing where that is the same.
pub(super) fn permissions(done: &Value) -> String {
    let changes = done["permissions"].as_str().filter(|it| !it.is_empty());
    changes.map(|changes| format!("   it may use  {changes}\n")).unwrap_or_default()
}

/// `88fe10 (0.2.0)`.
pub(super) fn build(identity: &Value) -> String {
    let text = |key: &str| identity[key].as_str().unwrap_or_default();
    let digest = text("digest");
    format!("{} ({})", digest.get(..6).unwrap_or(digest), text("version"))
}
