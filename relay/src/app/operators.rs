//! What operators ask of plugins while the relay runs, on its way from the admin server to the reload task.

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::run::{RunOptions, accepting};
use crate::admin::plugins::{PluginAsk, PluginReply, PluginRequest};
use crate::config;
use crate::plugin::host::PluginConfig;
use crate::plugin::reload::{Reloader, Stopped, Turn};
use crate::plugin::{Identity, PluginError};

/// Answers `requests` until `stop`, one after the other: each changes what the next one finds.
pub(super) async fn answer(
    mut requests: mpsc::Receiver<PluginRequest>,
    options: RunOptions,
    reloader: Option<Reloader>,
    stop: CancellationToken,
) {
    while let Some(Some(request)) = stop.run_until_cancelled(requests.recv()).await {
        let PluginRequest { plugin, ask, answer } = request;
        let reply = match &reloader {
            Some(reloader) => reply(&plugin, ask, &options, reloader).await,
            None => Ok(None),
        };
        match reply {
            Ok(Some(reply)) => drop(answer.send(reply)),
            Ok(None) => {
                let what = format!("no pipeline of this relay uses a plugin {plugin:?}");
                drop(answer.send(PluginReply::Unknown(what)));
            }
            // Whoever asked is told so by the missing answer.
            Err(Stopped) => return,
        }
    }
}

/// `None`: no such plugin runs.
async fn reply(
    plugin: &str,
    ask: PluginAsk,
    options: &RunOptions,
    reloader: &Reloader,
) -> Result<Option<PluginReply>, Stopped> {
    Ok(match ask {
        PluginAsk::Reload { accept } => {
            let config = match configured(plugin, options) {
                Ok(config) => config,
                Err(refused) => return Ok(Some(refused)),
            };
            reloader.reload_one(plugin, config, accept).await?.map(told)
        }
        PluginAsk::RollBack { to } => {
            let turn = reloader.roll_back(plugin, to).await?;
            turn.map(|turn| turn.map_or_else(|error| refused(&error), told))
        }
        PluginAsk::History => {
            reloader.history(plugin).await?.map(|rows| PluginReply::Done(json!({ "builds": rows })))
        }
    })
}

/// The plugin as the configuration has it now; `None` where it is not in it any more.
fn configured(plugin: &str, options: &RunOptions) -> Result<Option<PluginConfig>, PluginReply> {
    let Some(file) = &options.file else { return Ok(None) };
    match config::load(file, &|name| std::env::var(name).ok()) {
        Ok(mut config) => Ok(config.plugins.remove(plugin).map(|it| accepting(it.plugin, options))),
        Err(found) => {
            let mistake = found.iter().find(|it| it.is_error());
            let (code, message) = mistake.map_or(("C001", ""), |it| (it.code, it.message.as_str()));
            Err(PluginReply::Refused {
                code: code.to_owned(),
                what: format!("the configuration {} is wrong: {message}", file.display()),
                remedy: "relay check shows every mistake".to_owned(),
            })
        }
    }
}

fn told(turn: Turn) -> PluginReply {
    match turn {
        Turn::Unchanged(running) => {
            PluginReply::Done(json!({ "outcome": "unchanged", "to": identity(&running) }))
        }
        Turn::Swapped { from, to, permissions, cases } => PluginReply::Done(json!({
            "outcome": "swapped", "from": identity(&from), "to": identity(&to),
            "permissions": permissions, "cases": cases,
        })),
        Turn::Refused(error) => refused(&error),
    }
}

fn refused(error: &PluginError) -> PluginReply {
    PluginReply::Refused {
        code: error.code.to_owned(),
        what: format!("plugin {:?}: {}", error.plugin, error.what),
        remedy: error.remedy.clone(),
    }
}

fn identity(it: &Identity) -> Value {
    json!({ "digest": it.digest, "version": it.version })
}
