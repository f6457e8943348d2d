//! The real relay, as a process of its own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::setup::{Setup, unusable};
use super::stamp::stamp;
use crate::app::AppError;

/// How long the relay may take to start, to swap and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often its state is asked for.
const ASK_EVERY: Duration = Duration::from_millis(10);

pub(super) struct RelayProcess {
    child: Child,
    http: reqwest::Client,
    log: std::path::PathBuf,
}

impl RelayProcess {
    pub(super) async fn start(setup: &Setup) -> Result<Self, AppError> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let http = http.map_err(|error| unusable("an HTTP client", &error))?;
        let relay = Self { child: spawn(setup)?, http, log: setup.log() };
        relay.plugins(setup, |lanes| !lanes.is_empty()).await?;
        Ok(relay)
    }

    /// SIGKILL, and a new process on the same files.
    pub(super) async fn kill_and_start_again(&mut self, setup: &Setup) -> Result<(), AppError> {
        self.child.kill().await.map_err(|error| unusable("the relay's process", &error))?;
        self.child = spawn(setup)?;
        Ok(())
    }

    /// Puts a new build of `redact` in the place of the old one; returns both digests once the new one is live.
    pub(super) async fn swap(&self, setup: &Setup) -> Result<(String, String), AppError> {
        let old = self.plugins(setup, |lanes| !lanes.is_empty()).await?;
        let Some(redact) = setup.plugins.iter().find(|plugin| plugin.name == "redact") else {
            return Err(AppError::Disproved("the demo has no plugin to swap".to_owned()));
        };
        let file = |error: std::io::Error| unusable("the plugin's file", &error);
        let component = std::fs::read(&redact.component).map_err(file)?;
        let next = redact.component.with_extension("next");
        std::fs::write(&next, stamp(&component, "2")).map_err(file)?;
        std::fs::rename(&next, &redact.component).map_err(file)?;
        let new = self.plugins(setup, |now| !now.is_empty() && *now != old).await?;
        Ok((digest(&old), digest(&new)))
    }

    /// The plugins of the lane as the relay shows them, once they are as `expected`.
    async fn plugins(
        &self,
        setup: &Setup,
        expected: impl Fn(&[String]) -> bool,
    ) -> Result<Vec<String>, AppError> {
        let address = format!("http://127.0.0.1:{}/lanes", setup.admin_port);
        let deadline = Instant::now() + PATIENCE;
        let mut ticks = tokio::time::interval(ASK_EVERY);
        while Instant::now() < deadline {
            ticks.tick().await;
            let Ok(response) = self.http.get(&address).send().await else { continue };
            let Ok(body) = response.bytes().await else { continue };
            let lanes: Value = serde_json::from_slice(&body).unwrap_or_default();
            let plugins = lanes[0]["plugins"].as_array().cloned().unwrap_or_default();
            let plugins: Vec<_> = plugins.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
            if expected(&plugins) {
                return Ok(plugins);
            }
        }
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(5).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        Err(AppError::Disproved(format!(
            "the relay did not get ready; its log ends with:\n{}",
            tail.join("\n")
        )))
    }

    /// SIGTERM, and waits for its end.
    pub(super) async fn stop(&mut self) -> Result<(), AppError> {
        let Some(id) = self.child.id() else { return Ok(()) };
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().await;
        asked.map_err(|error| unusable("signals", &error))?;
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => {
                Err(AppError::Disproved(format!("the relay ended with {status} when asked to stop")))
            }
            Ok(Err(error)) => Err(unusable("the relay's process", &error)),
            Err(_) => Err(AppError::Disproved("the relay did not stop when asked to".to_owned())),
        }
    }
}

/// The first plugin's digest, of `name digest`.
fn digest(plugins: &[String]) -> String {
    plugins.first().and_then(|it| it.split_once(' ')).map(|(_, digest)| digest.to_owned()).unwrap_or_default()
}

fn spawn(setup: &Setup) -> Result<Child, AppError> {
    let process = |error: std::io::Error| unusable("the relay's process", &error);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(setup.log()).map_err(process)?;
    let errors = log.try_clone().map_err(process)?;
    Command::new(std::env::current_exe().map_err(process)?)
        .arg("run")
        .arg("--config")
        .arg(&setup.config)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .map_err(process)
}
