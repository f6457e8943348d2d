//! The loop: saves, builds, swaps and what is seen of them.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::author::Author;
use super::building::{Build, Built, Failure};
use super::children::Children;
use super::embedded::{Embedded, SOURCE};
use super::files::{Files, Hints};
use super::news::{Differing, Fate, Live, News};
use super::process::{self, RelayProcess, Seen, What};
use super::project::Project;
use super::replay::Judged;
use super::swap::{Saved, Swap};
use super::watched::Watched;
use super::{DevOptions, Subject};
use crate::app::signals::Signals;
use crate::app::{AppError, compiler};
use crate::config::{Config, SourceAdapter};
use crate::plugin::Generation;
use crate::plugin::host::{HostConfig, PluginConfig, PluginHost};

/// How often files are looked at without a hint.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An editor writes several files in one save; the pause gathers them.
const GATHER: Duration = Duration::from_millis(15);

/// The embedded outbox gets an event this often: enough for a swap to be seen at once, slow enough for a log.
const PACE: Duration = Duration::from_millis(100);

/// What comes of a build, in this order.
enum Step {
    /// A line of cargo, of a plugin that nothing runs of yet.
    Line(String),
    Ended(Ended),
}

/// A build that ended.
struct Ended {
    plugin: usize,
    saved: Instant,
    built: Result<Built, Failure>,
}

struct Session<'n> {
    host: Arc<PluginHost>,
    /// The configuration of the running relay.
    file: PathBuf,
    /// The process group of whatever this command starts.
    group: i32,
    plugins: Vec<Watched>,
    embedded: Option<Embedded>,
    sources: BTreeMap<String, SourceAdapter>,
    last: usize,
    author: Option<Author>,
    /// The running relay reads: what is written now has to wait for nothing.
    reading: bool,
    builds: JoinSet<()>,
    steps: UnboundedSender<Step>,
    /// What was told of the relay since the last build: each line once.
    told: HashSet<String>,
    news: &'n mut dyn FnMut(News),
}

/// Builds, runs and watches until a signal, telling `news` what an author wants to see.
///
/// The relay starts once every plugin was built; until then a build that fails waits for the next save, as it does later.
///
/// # Errors
/// When a part can't start: a first build that no save can mend, a configuration without a plugin whose source is at
/// hand, or a relay that ends by itself.
pub async fn dev(options: DevOptions, news: &mut dyn FnMut(News)) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let captured = process::capture();
    let children = Children::guarded()?;
    let (file, projects, config, author, embedded) = match options.subject {
        Subject::Crate(dir) => {
            let (embedded, author) = Embedded::prepare(&dir).await?;
            let config =
                crate::config::load(&embedded.config, &|_| None).map_err(|found| own_mistake(&found))?;
            let projects = vec![embedded.project.clone()];
            (embedded.config.clone(), projects, Box::new(config), Some(author), Some(embedded))
        }
        Subject::Configuration { file, config } => {
            let projects = Project::all(&config);
            if projects.is_empty() {
                return Err(no_sources(&file));
            }
            (file, projects, config, None, None)
        }
    };
    let (steps, taken) = unbounded_channel();
    let mut session = Session {
        host: Arc::new(PluginHost::with(&host_config(&config))?),
        file,
        group: children.group(),
        plugins: projects.into_iter().map(Watched::of).collect(),
        embedded,
        sources: adapters(&config),
        last: options.last,
        author,
        reading: false,
        builds: JoinSet::new(),
        steps,
        told: HashSet::new(),
        news,
    };
    session.begin().await?;
    let ended = session.run(captured, taken, &mut signals).await;
    // Before the temporary folder goes: nothing writes there any more.
    drop(children);
    ended
}

impl Session<'_> {
    /// Says what is watched, and begins to build it.
    async fn begin(&mut self) -> Result<(), AppError> {
        if let Some(author) = &mut self.author {
            author.round().await?;
            author.forget();
        }
        let outbox = match &self.author {
            Some(_) => "SQLite in a temporary folder, written from the golden cases".to_owned(),
            None => self
                .sources
                .iter()
                .map(|(name, it)| format!("{name} ({})", it.kind()))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let plugins = self.plugins.iter().map(|it| (it.project.plugin.name.clone(), it.project.dir.clone()));
        (self.news)(News::Watching { plugins: plugins.collect(), outbox, last: self.last });
        self.build_next();
        Ok(())
    }

    /// Begins the first build of the next plugin that had none, one after the other. What comes to a plugin is made by
    /// those before it, so they have to run.
    fn build_next(&mut self) {
        if self.plugins.iter().any(|it| it.building) {
            return;
        }
        let runs = |plugin: &PluginConfig| {
            let found = self.plugins.iter().find(|it| it.project.plugin.name == plugin.name);
            found.is_none_or(|it| it.running.is_some())
        };
        let next = self.plugins.iter().position(|it| !it.begun && it.project.earlier.iter().all(runs));
        if let Some(index) = next {
            self.plugins[index].files = Files::of(&self.plugins[index].project.dir);
            self.build(index, Instant::now());
        }
    }

    /// The next build of a plugin.
    fn build_of(&self, index: usize) -> Build {
        let Watched { project, running, .. } = &self.plugins[index];
        let source = project.source.as_ref();
        let source = source.and_then(|name| Some((name.clone(), self.sources.get(name)?.clone())));
        let (project, old, host) = (project.clone(), running.clone(), Arc::clone(&self.host));
        Build { project, source, host, group: self.group, old, last: self.last }
    }

    async fn run(
        &mut self,
        mut captured: UnboundedReceiver<Seen>,
        mut steps: UnboundedReceiver<Step>,
        signals: &mut Signals,
    ) -> Result<(), AppError> {
        let mut relay = None;
        let mut hints = Hints::of(self.plugins.iter().map(|it| it.project.dir.as_path()));
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = signals.next() => {
                    if let Some(relay) = relay {
                        RelayProcess::stop(relay).await;
                    }
                    return Ok(());
                }
                () = hints.next() => {
                    tokio::time::sleep(GATHER).await;
                    self.look();
                }
                _ = look.tick() => self.look(),
                _ = pace.tick(), if self.reading && self.author.is_some() => {
                    if let Some(author) = &mut self.author {
                        author.next().await?;
                    }
                }
                Some(step) = steps.recv() => match step {
                    Step::Line(line) => (self.news)(News::Progress(line)),
                    Step::Ended(ended) => {
                        self.built(ended)?;
                        self.build_next();
                        if relay.is_none() && self.plugins.iter().all(|it| it.running.is_some()) {
                            relay = Some(RelayProcess::start(&self.file, self.group)?);
                        }
                    }
                },
                Some(seen) = captured.recv() => self.saw(seen).await?,
                Some(seen) = process::next_of(&mut relay) => {
                    if matches!(seen.what, What::Ended) {
                        return Err(AppError::Disproved("the relay ended by itself; its words stand above".to_owned()));
                    }
                    self.saw(seen).await?;
                }
            }
        }
    }

    /// Begins a build of every plugin whose files changed.
    fn look(&mut self) {
        for index in 0..self.plugins.len() {
            let watched = &mut self.plugins[index];
            if watched.building || !watched.begun {
                continue;
            }
            let files = Files::of(&watched.project.dir);
            let Some((file, modified)) = files.changed_since(&watched.files) else { continue };
            watched.files = files;
            let plugin = watched.project.plugin.name.clone();
            // A clock that was set meanwhile makes the save look instant, at worst.
            let age = SystemTime::now().duration_since(modified).unwrap_or_default().min(LOOK_EVERY);
            (self.news)(News::Saved { plugin, file: shortened(&watched.project.dir, file) });
            self.build(index, Instant::now().checked_sub(age).unwrap_or_else(Instant::now));
        }
    }

    fn build(&mut self, plugin: usize, saved: Instant) {
        self.reread_settings(plugin);
        let watched = &mut self.plugins[plugin];
        (watched.begun, watched.building) = (true, true);
        // What was built before is built again in a moment.
        let is_first = watched.running.is_none();
        let (build, steps) = (self.build_of(plugin), self.steps.clone());
        self.builds.spawn(async move {
            let lines = steps.clone();
            let progress = move |line: &str| {
                if is_first {
                    let _ = lines.send(Step::Line(line.to_owned()));
                }
            };
            let built = build.run(progress).await;
            // The session that listened may have ended.
            let _ = steps.send(Step::Ended(Ended { plugin, saved, built }));
        });
    }

    /// Takes over settings that were corrected in the golden cases while nothing runs with them.
    fn reread_settings(&mut self, plugin: usize) {
        let watched = &mut self.plugins[plugin];
        if let Some(embedded) = self.embedded.as_mut().filter(|_| watched.running.is_none()) {
            // Cases that can't be read are told of by the build.
            if let Ok(true) = embedded.reread() {
                watched.project = embedded.project.clone();
            }
        }
    }

    /// A build ended: tells what differs, and expects the relay to take it.
    ///
    /// # Errors
    /// That of a first build that no save can mend.
    fn built(&mut self, ended: Ended) -> Result<(), AppError> {
        let Ended { plugin: index, saved, built } = ended;
        let watched = &mut self.plugins[index];
        watched.building = false;
        let plugin = watched.project.plugin.name.clone();
        let running = watched.running.as_deref().map(digest_of);
        let Built { component, in_place, judged } = match built {
            Ok(built) => built,
            Err(failure) if running.is_none() && !failure.is_mended_by_a_save(&plugin) => {
                return Err(failure.into());
            }
            Err(failure) => {
                let (code, words) = (failure.code(), failure.words());
                (self.news)(News::Failed { plugin, running, code, words });
                return Ok(());
            }
        };
        let Some(from) = running else {
            let Judged { generation, fates, cases, .. } = judged;
            let digest = digest_of(&*generation);
            watched.running = Some(generation);
            (self.news)(News::Started { plugin, digest, fates, cases });
            return Ok(());
        };
        let differing = differing(&judged.before, &judged.fates);
        let to = digest_of(&*judged.generation);
        let (same, compared) = (from == to, judged.fates.len());
        watched.running = Some(judged.generation);
        if same && judged.cases.iter().all(|it| it.outcome.is_pass()) {
            (self.news)(News::Unchanged { plugin });
            return Ok(());
        }
        // The relay may have been faster than the comparison.
        let mut swap = watched.swap.take().filter(|it| it.is_to(&to)).unwrap_or_default();
        swap.built = Some(Saved { saved, component, in_place });
        watched.swap = (!same).then_some(swap);
        self.told.clear();
        let took = component.saturating_duration_since(saved);
        let cases = judged.cases;
        (self.news)(News::Built { plugin, from, to, took, compared, differing, cases });
        self.tell_swap(index, None);
        Ok(())
    }

    /// Something was seen of the running relay.
    async fn saw(&mut self, seen: Seen) -> Result<(), AppError> {
        let Seen { at, what } = seen;
        match what {
            What::Loaded { plugin, digest } => self.loaded(&plugin, digest, at),
            What::Taken(builds) => {
                for (plugin, digest) in builds {
                    self.taken(&plugin, digest, at).await?;
                }
            }
            What::Refused { plugin, words } => {
                let running = self.running(&plugin);
                self.line(
                    "error".to_owned(),
                    plugin,
                    format!("refused by the running relay: {words}; {running} goes on"),
                );
            }
            What::Message { event } => {
                if let Some(author) = &mut self.author {
                    author.arrived(&event, at);
                }
                for index in 0..self.plugins.len() {
                    self.tell_swap(index, Some(at));
                }
            }
            What::Unanswered { event, words, is_dead } => self.unanswered(event, &words, is_dead),
            What::Line { level, who, words } => self.line(level, who, words),
            What::Reading => self.reading = true,
            What::Ended => {}
        }
        Ok(())
    }

    /// The relay loaded a build.
    fn loaded(&mut self, plugin: &str, digest: String, at: Instant) {
        let Some(watched) = self.plugins.iter_mut().find(|it| it.project.plugin.name == plugin) else {
            return;
        };
        watched.swap.get_or_insert_default().loaded(digest, at);
    }

    /// A lane took a build.
    async fn taken(&mut self, plugin: &str, digest: String, at: Instant) -> Result<(), AppError> {
        let Some(index) = self.plugins.iter().position(|it| it.project.plugin.name == plugin) else {
            return Ok(());
        };
        self.loaded(plugin, digest, at);
        if !self.plugins[index].swap.as_mut().is_some_and(|it| it.taken(at)) {
            return Ok(());
        }
        // What the new build makes is seen at once.
        if let Some(author) = &mut self.author {
            author.round().await?;
        }
        self.tell_swap(index, None);
        Ok(())
    }

    /// Tells of a swap once all of it is known: the comparison is shown, a lane took it, and, where this command writes
    /// the events, its first message came at `output`.
    fn tell_swap(&mut self, index: usize, output: Option<Instant>) {
        let writes = self.author.is_some();
        let watched = &mut self.plugins[index];
        let shown = watched.running.as_deref().map(digest_of);
        let swap = watched.swap.as_ref().and_then(Swap::done).filter(|it| shown.as_deref() == Some(it.to));
        let Some(swap) = swap.filter(|it| !writes || output.is_some_and(|at| at >= it.taken)) else { return };
        let live = Live {
            plugin: watched.project.plugin.name.clone(),
            to: swap.to.to_owned(),
            parts: swap.parts(output),
            longest_wait: self.author.as_mut().map(Author::take_longest),
        };
        watched.swap = None;
        (self.news)(News::Live(live));
    }

    fn running(&self, plugin: &str) -> String {
        let found = self.plugins.iter().find(|it| it.project.plugin.name == plugin);
        found.and_then(|it| it.running.as_deref()).map_or_else(|| "the old build".to_owned(), digest_of)
    }

    /// An event got no answer. The same may happen to any number of events.
    fn unanswered(&mut self, event: String, words: &str, is_dead: bool) {
        let words = self.plugins.iter().fold(words.to_owned(), |words, it| it.project.shortened(&words));
        if self.told.insert(words.clone()) {
            let (code, words) = words.split_once(": ").unwrap_or(("", &words));
            let named = words.split_once("): ").filter(|(plugin, _)| plugin.contains(" ("));
            let plugin = named.map(|(plugin, _)| format!("{plugin})"));
            let words = named.map_or(words, |(_, words)| words).to_owned();
            (self.news)(News::Unanswered { event, code: code.to_owned(), plugin, words, is_dead });
        }
    }

    fn line(&mut self, level: String, who: String, words: String) {
        if self.told.insert(format!("{who}: {words}")) {
            (self.news)(News::Relay { level, who, words });
        }
    }
}

/// What the running relay shows of a build, too.
fn digest_of(generation: &dyn Generation) -> String {
    generation.identity().short_digest().to_owned()
}

/// What comes out differently, of the events that went through both.
fn differing(before: &[Fate], after: &[Fate]) -> Vec<Differing> {
    let old = |fate: &Fate| before.iter().find(|it| it.event.id == fate.event.id);
    let pairs = after.iter().filter_map(|fate| old(fate).map(|it| (it, fate)));
    pairs
        .filter(|(before, after)| before.outcome != after.outcome)
        .map(|(before, after)| Differing { before: before.outcome.clone(), after: after.clone() })
        .collect()
}

fn adapters(config: &Config) -> BTreeMap<String, SourceAdapter> {
    config.sources.iter().map(|(name, it)| (name.clone(), it.adapter.clone())).collect()
}

/// As the running relay's, so that it finds the machine code that was made here. Compiled in this process: an author's
/// own component does it no harm.
fn host_config(config: &Config) -> HostConfig {
    HostConfig { compiler: None, ..compiler::host_config(config, true) }
}

fn shortened(dir: &std::path::Path, file: PathBuf) -> PathBuf {
    file.strip_prefix(dir).map(PathBuf::from).unwrap_or(file)
}

fn own_mistake(found: &[crate::config::Diagnostic]) -> AppError {
    let words: Vec<_> = found.iter().map(|it| it.message.clone()).collect();
    AppError::Disproved(format!("the configuration of the outbox {SOURCE} is wrong: {}", words.join("; ")))
}

fn no_sources(file: &std::path::Path) -> AppError {
    AppError::Refused {
        code: "P173",
        what: format!("no plugin of {} has its source beside its component", file.display()),
        remedy:
            "keep the crate of plugins/hello.wasm in plugins/hello, or point component at hello/hello.wasm; \
                 relay plugin new begins one"
                .to_owned(),
    }
}
