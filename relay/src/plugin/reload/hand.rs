//! What an operator asks for by hand.

use std::sync::Arc;

use tokio::time::{Duration, Instant, sleep_until};

use crate::plugin::history::Row;
use crate::plugin::host::{Digest, PluginConfig, PluginHost};
use crate::plugin::{ALL, PluginError};

use super::begin::kept;
use super::candidate::Reading;
use super::judge::read;
use super::turn::Turn;
use super::watched::{Looked, Watched};

/// How long a file may change again and again before an operator is told so.
const UNSTABLE: Duration = Duration::from_secs(20);

/// Digits of a digest that may stand for the whole: as many as screens show, or some fewer.
const SHORTEST_DIGEST: usize = 4;

impl Watched {
    /// Looks at the file now, whatever was refused before, and with `config` where one is given. With `accept` the
    /// build may use more than the one that runs.
    pub(super) async fn reload(
        &mut self,
        host: &Arc<PluginHost>,
        config: Option<PluginConfig>,
        accept: bool,
    ) -> Turn {
        match config {
            Some(config) => self.reconfigure(config),
            None => self.candidate.forget_refusal(),
        }
        let mut config = Arc::clone(&self.config);
        if accept {
            Arc::make_mut(&mut config).accept = vec![ALL.to_owned()];
        }
        let until = Instant::now() + UNSTABLE;
        loop {
            match self.look_with(host, &config).await {
                Looked::Judged(turn) => return turn,
                Looked::Rests { .. } => return Turn::Unchanged(self.status.identity.clone()),
                Looked::Waits if Instant::now() < until => {
                    sleep_until(self.due().unwrap_or_else(Instant::now)).await;
                }
                Looked::Waits => return Turn::Refused(Arc::new(unstable(&self.config))),
            }
        }
    }

    /// Goes back to the build that `asked` is the beginning of the digest of, or to the last one that was neither
    /// rolled back nor runs.
    pub(super) async fn roll_back_by_hand(
        &mut self,
        host: &Arc<PluginHost>,
        asked: Option<&str>,
    ) -> Result<Turn, PluginError> {
        let running = self.status.identity.digest.clone();
        let no_such = |what: String| PluginError {
            code: "P131",
            plugin: self.config.name.clone(),
            what,
            remedy: format!("relay plugin history {} lists the builds that are kept", self.config.name),
        };
        let digest = target(&self.history.rows(), &running, asked).map_err(&no_such)?;
        let config = Arc::clone(&self.config);
        let generation = kept(host, &config, &self.history, digest).await.map_err(no_such)?;
        let generation = self.beside.shadowed(generation);
        let reading = Reading::of(&read(&config).await);
        Ok(self.go_back_to(&generation, digest, reading))
    }

    /// Every build that is known, the newest first.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.history.rows()
    }
}

/// The build to go back to among `rows`, the newest first; why there is none, in words.
fn target(rows: &[Row], running: &str, asked: Option<&str>) -> Result<Digest, String> {
    let ran = || rows.iter().filter(|it| it.since.is_some());
    let Some(asked) = asked else {
        let bad = |row: &Row| row.left.is_some_and(|it| it.is_roll_back());
        // What was rolled back once is bad, also where it ran before without being found out.
        let fits = |row: &&Row| {
            row.digest != running && !ran().any(|it| it.digest == row.digest && bad(it)) && row.kept
        };
        let found = ran().find(fits).and_then(|row| row.digest.parse().ok());
        return found.ok_or_else(|| "no earlier build that was not rolled back is kept".to_owned());
    };
    let is_digest = asked.len() >= SHORTEST_DIGEST && asked.bytes().all(|it| it.is_ascii_hexdigit());
    if !is_digest {
        return Err(format!(
            "{asked:?} is not the beginning of a digest: {SHORTEST_DIGEST} hexadecimal digits or more"
        ));
    }
    let asked = asked.to_ascii_lowercase();
    let mut found: Vec<&str> =
        ran().map(|it| it.digest.as_str()).filter(|it| it.starts_with(&asked)).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => Err(format!("no build ran whose digest begins with {asked}")),
        [one] if *one == running => Err(format!("build {asked} runs already")),
        [one] => one.parse().map_err(|error| format!("{one}: {error}")),
        [_, _, ..] => Err(format!("{} builds have a digest that begins with {asked}", found.len())),
    }
}

fn unstable(config: &PluginConfig) -> PluginError {
    PluginError {
        code: "P100",
        plugin: config.name.clone(),
        what: format!("{} changes all the time", config.component.display()),
        remedy: "wait until it is written, and put builds in place by renaming".to_owned(),
    }
}
