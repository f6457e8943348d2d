//! What reloading promises, on real files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::{PluginStatus, ReloadStatus, Reloader, Turn, watch};
use crate::plugin::host::testing::{OBEDIENT, WIT, component, config, events, obedient, obedient_version};
use crate::plugin::host::{PluginConfig, PluginHost, PluginLimits};
use crate::plugin::{Answer, LiveGeneration};

/// Far above what any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Reloading {
    pub(super) live: BTreeMap<String, LiveGeneration>,
    status: watch::Receiver<ReloadStatus>,
    pub(super) reloader: Reloader,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Reloading {
    pub(super) async fn start(plugins: &[(&str, &Path)]) -> Self {
        Self::start_with(plugins, None).await
    }

    /// Keeps the histories of builds in `histories`.
    pub(super) async fn start_with(plugins: &[(&str, &Path)], histories: Option<PathBuf>) -> Self {
        Self::start_configured(plugins.iter().map(|(name, path)| named(name, path)).collect(), histories)
            .await
    }

    async fn start_configured(configs: Vec<PluginConfig>, histories: Option<PathBuf>) -> Self {
        let cancel = CancellationToken::new();
        let host = Arc::new(PluginHost::new().unwrap());
        let (live, task) = watch(host, configs, histories, cancel.clone()).await.unwrap();
        let (status, reloader) = (task.status(), task.reloader());
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run());
        Self { live, status, reloader, cancel, tasks }
    }

    /// Ends it, as the end of a relay does.
    pub(super) async fn stop(mut self) {
        self.cancel.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    pub(super) fn status(&self) -> PluginStatus {
        self.status.borrow().plugins["a"].clone()
    }

    pub(super) async fn until(
        &mut self,
        plugin: &str,
        holds: impl Fn(&PluginStatus) -> bool,
    ) -> PluginStatus {
        let status = timeout(PATIENCE, self.status.wait_for(|it| holds(&it.plugins[plugin]))).await;
        status.expect("it happens in time").unwrap().plugins[plugin].clone()
    }

    pub(super) async fn until_version(&mut self, plugin: &str, version: &str) -> PluginStatus {
        let status = self.until(plugin, |it| it.identity.version == version).await;
        assert_eq!(self.version(plugin), version);
        status
    }

    pub(super) fn version(&self, plugin: &str) -> String {
        self.live[plugin].borrow().identity().version.clone()
    }
}

pub(super) fn named(name: &str, component: &Path) -> PluginConfig {
    PluginConfig { name: name.to_owned(), ..config(component) }
}

pub(super) fn folder_with_plugin() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.wasm");
    fs::write(&file, obedient()).unwrap();
    (folder, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_build_is_swapped_in() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    let old = reloading.live["a"].borrow().clone();
    fs::write(&file, obedient_version("0.9.2")).unwrap();
    let status = reloading.until_version("a", "0.9.2").await;
    assert_eq!((status.swaps, status.refused.is_none()), (1, true));
    assert_ne!(status.identity.digest, old.identity().digest);
    old.instantiate().expect("a lane may finish with the old build");
    reloading.live["a"].borrow().instantiate().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_build_is_refused_and_the_old_one_goes_on() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    let whole = obedient_version("0.9.2");
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let refused = reloading.until("a", |it| it.refused.is_some()).await.refused.unwrap();
    assert_eq!(refused.error.code, "P101");
    assert_eq!(reloading.version("a"), "0.9.1");
    fs::write(&file, whole).unwrap();
    let status = reloading.until_version("a", "0.9.2").await;
    assert_eq!((status.swaps, status.refused.is_none()), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_forgotten_when_the_running_build_is_put_back() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    fs::write(&file, b"nonsense").unwrap();
    reloading.until("a", |it| it.refused.is_some()).await;
    fs::write(&file, obedient()).unwrap();
    let status = reloading.until("a", |it| it.refused.is_none()).await;
    assert_eq!(status.swaps, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_renamed_into_place_is_swapped_in() {
    let (folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    for version in ["0.9.2", "0.9.3"] {
        let next = folder.path().join("next.wasm");
        fs::write(&next, obedient_version(version)).unwrap();
        fs::rename(&next, &file).unwrap();
        reloading.until_version("a", version).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_build_is_not_tried_again() {
    let (folder, file) = folder_with_plugin();
    let other = folder.path().join("other.wasm");
    fs::write(&other, obedient()).unwrap();
    let mut reloading = Reloading::start(&[("a", &file), ("b", &other)]).await;
    fs::write(&file, b"nonsense").unwrap();
    let refused = reloading.until("a", |it| it.refused.is_some()).await.refused.unwrap();
    fs::write(&file, b"nonsense").unwrap();
    // Files are looked at in order, so the other's swap shows that this one was looked at.
    fs::write(&other, obedient_version("0.9.2")).unwrap();
    reloading.until_version("b", "0.9.2").await;
    let status = reloading.until("a", |_| true).await;
    assert_eq!(status.refused.unwrap().at, refused.at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_said_and_its_folder_may_come_back() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("plugins");
    let file = folder.join("plugin.wasm");
    fs::create_dir(&folder).unwrap();
    fs::write(&file, obedient()).unwrap();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    fs::remove_dir_all(&folder).unwrap();
    let refused = reloading.until("a", |it| it.refused.is_some()).await.refused.unwrap();
    assert_eq!((refused.error.code, refused.digest), ("P100", None));
    fs::create_dir(&folder).unwrap();
    for version in ["0.9.2", "0.9.3"] {
        fs::write(&file, obedient_version(version)).unwrap();
        reloading.until_version("a", version).await;
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_symlink_to_a_folder_is_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for (data, component) in [("first", obedient()), ("second", obedient_version("0.9.2"))] {
        fs::create_dir(at(data)).unwrap();
        fs::write(at(data).join("plugin.wasm"), component).unwrap();
    }
    symlink("first", at("..data")).unwrap();
    symlink("..data/plugin.wasm", at("plugin.wasm")).unwrap();
    let mut reloading = Reloading::start(&[("a", &at("plugin.wasm"))]).await;
    symlink("second", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    reloading.until_version("a", "0.9.2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_plugin_is_named_at_the_start() {
    let (folder, file) = folder_with_plugin();
    let damaged = folder.path().join("damaged.wasm");
    fs::write(&damaged, b"nonsense").unwrap();
    let missing = folder.path().join("missing.wasm");
    let picky = PluginConfig { config: json!("problem"), ..named("picky", &file) };
    let configs = vec![named("damaged", &damaged), named("good", &file), picky, named("missing", &missing)];
    let host = Arc::new(PluginHost::new().unwrap());
    let Err(errors) = watch(host, configs, None, CancellationToken::new()).await else {
        panic!("they loaded")
    };
    let told: Vec<_> = errors.0.iter().map(|it| (it.plugin.as_str(), it.code)).collect();
    assert_eq!(told, [("damaged", "P101"), ("picky", "P107"), ("missing", "P100")]);
    assert_eq!(errors.to_string().lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_cancelling_the_last_build_stays() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    reloading.cancel.cancel();
    timeout(PATIENCE, reloading.tasks.join_next()).await.expect("the task ends").unwrap().unwrap();
    reloading.live["a"].borrow().instantiate().unwrap();
    assert!(reloading.live.get_mut("a").unwrap().changed().await.is_err());
}

/// A build that traps on every event.
pub(super) fn trapping() -> Vec<u8> {
    let discards = "(call $discard (local.get $verdict) (i32.const 100) (i32.const 4))\n";
    let text = OBEDIENT.replacen(discards, "(call $trap_as_asked)\n", 1).replace("0.9.1", "0.9.6");
    assert!(text.contains("(call $trap_as_asked)\n"));
    component(&text, WIT)
}

/// What a lane does with the build that is live: runs one event after the other.
pub(super) fn run(reloading: &Reloading, ids: &[&str]) -> Vec<Answer> {
    let mut plugin = reloading.live["a"].borrow().instantiate().unwrap();
    let mut answers = Vec::new();
    ids.iter().for_each(|id| plugin.run("shop", &events(&[id]), &mut answers));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_does_worse_than_the_one_before_is_rolled_back_and_not_tried_again() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    run(&reloading, &["a"; 100]);
    fs::write(&file, trapping()).unwrap();
    assert!(reloading.until_version("a", "0.9.6").await.on_probation);
    let answers = run(&reloading, &["a"; 8]);
    assert!(answers.iter().all(|it| matches!(it, Answer::Fault(_))), "{answers:?}");
    let status = reloading.until("a", |it| it.rollbacks == 1).await;
    assert_eq!((status.identity.version.as_str(), status.on_probation), ("0.9.1", false));
    assert_eq!(reloading.version("a"), "0.9.1");
    let error = status.refused.unwrap().error;
    assert_eq!(error.code, "P115");
    assert!(error.what.contains(" of its first ") && error.what.contains("trap_as_asked"), "{error}");
    // Another build in its place is tried, and the old one is what it would go back to.
    fs::write(&file, obedient_version("0.9.2")).unwrap();
    assert!(reloading.until_version("a", "0.9.2").await.on_probation);
    run(&reloading, &["t"; 6]);
    assert_eq!(reloading.until("a", |it| it.rollbacks == 2).await.identity.version, "0.9.1");
}

/// Has a bad build of `a` fail while a build of `looping` takes all the time that it may to be configured.
async fn rolled_back_beside(looping: &str) {
    let (_folder, file) = folder_with_plugin();
    let other = file.with_file_name("other.wasm");
    fs::write(&other, obedient()).unwrap();
    // Far longer than a busy machine takes over what happens meanwhile.
    let limits = PluginLimits { batch_time: Duration::from_secs(3), ..PluginLimits::default() };
    let patient = |name, place| PluginConfig { limits: limits.clone(), ..named(name, place) };
    let mut reloading =
        Reloading::start_configured(vec![patient("a", &file), patient("b", &other)], None).await;
    fs::write(&file, trapping()).unwrap();
    reloading.until_version("a", "0.9.6").await;
    let place = if looping == "a" { &file } else { &other };
    let configured = PluginConfig { config: json!("loop"), ..named(looping, place) };
    let reloader = reloading.reloader.clone();
    let mut judged = pin!(reloader.reload_one(looping, Some(configured), false));
    let rolled_back = async {
        // Until it is stable and its `configure` runs.
        tokio::time::sleep(Duration::from_millis(300)).await;
        run(&reloading, &["a"; 8]);
        let mut live = reloading.live["a"].clone();
        live.wait_for(|it| it.identity().version == "0.9.1").await.unwrap();
    };
    tokio::select! {
        biased;
        _ = &mut judged => panic!("the bad build stayed until the other one was judged"),
        done = timeout(PATIENCE, rolled_back) => done.unwrap(),
    }
    let turn = judged.await.unwrap().unwrap();
    assert!(matches!(&turn, Turn::Refused(error) if error.code == "P108"), "{turn:?}");
    assert_eq!(reloading.until("a", |it| it.rollbacks == 1).await.identity.version, "0.9.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_build_does_not_stay_while_the_next_one_is_judged() {
    rolled_back_beside("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_build_does_not_stay_while_one_of_another_plugin_is_judged() {
    rolled_back_beside("b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_replaces_one_on_probation_goes_back_to_the_last_that_was_trusted() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    fs::write(&file, obedient_version("0.9.2")).unwrap();
    reloading.until_version("a", "0.9.2").await;
    fs::write(&file, trapping()).unwrap();
    reloading.until_version("a", "0.9.6").await;
    run(&reloading, &["a"; 8]);
    assert_eq!(reloading.until("a", |it| it.rollbacks == 1).await.identity.version, "0.9.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_works_is_trusted_after_a_thousand_events_in_spite_of_some_bad_ones() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    fs::write(&file, obedient_version("0.9.2")).unwrap();
    reloading.until_version("a", "0.9.2").await;
    run(&reloading, &["t", "a", "t"]);
    let mut plugin = reloading.live["a"].borrow().instantiate().unwrap();
    plugin.run("shop", &events(&["a"; 1_000]), &mut Vec::new());
    let status = reloading.until("a", |it| !it.on_probation).await;
    assert_eq!((status.identity.version.as_str(), status.rollbacks), ("0.9.2", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_is_taken_over_when_asked_for_and_a_bad_one_is_refused() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    let before = reloading.live["a"].borrow().identity().digest.clone();
    let with = |config: serde_json::Value| PluginConfig { config, ..named("a", &file) };
    reloading.reloader.reload(vec![with(json!("problem")), named("unknown", &file)]);
    let refused = reloading.until("a", |it| it.refused.is_some()).await.refused.unwrap();
    assert_eq!(refused.error.code, "P107");
    reloading.reloader.reload(vec![with(json!({ "a": 1 }))]);
    let status = reloading.until("a", |it| it.swaps == 1).await;
    assert_ne!(status.identity.digest, before);
    assert!(status.refused.is_none() && status.on_probation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_may_use_more_is_refused_until_that_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.wasm");
    let import = "(import \"relay:plugin/clock@0.1.0\" \"now\" (func $now (result i64)))";
    let narrow = OBEDIENT.replace(import, "(func $now (result i64) (i64.const 0))");
    fs::write(&file, component(&narrow, WIT)).unwrap();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    fs::write(&file, obedient_version("0.9.2")).unwrap();
    let error = reloading.until("a", |it| it.refused.is_some()).await.refused.unwrap().error;
    assert_eq!(error.code, "P118");
    assert!(error.what.ends_with(": + clock.now"), "{error}");
    assert!(error.remedy.contains("accept = [\"clock.now\"] under [plugin.a]"), "{error}");
    let accept = vec!["clock".to_owned()];
    reloading.reloader.reload(vec![PluginConfig { accept, ..named("a", &file) }]);
    reloading.until_version("a", "0.9.2").await;
    // Fewer are always taken, and what was given up is new to the next build.
    fs::write(&file, component(&narrow.replace("0.9.1", "0.9.3"), WIT)).unwrap();
    reloading.until_version("a", "0.9.3").await;
    reloading.reloader.reload(vec![named("a", &file)]);
    fs::write(&file, obedient_version("0.9.4")).unwrap();
    let error = reloading.until("a", |it| it.refused.is_some()).await.refused.unwrap().error;
    assert_eq!(error.code, "P118");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_build_is_tried_again_when_asked_for() {
    let (_folder, file) = folder_with_plugin();
    let mut reloading = Reloading::start(&[("a", &file)]).await;
    fs::write(&file, b"nonsense").unwrap();
    let refused = reloading.until("a", |it| it.refused.is_some()).await.refused.unwrap();
    reloading.reloader.reload(vec![named("a", &file)]);
    let again = reloading.until("a", |it| it.refused.as_ref().is_some_and(|it| it.at != refused.at)).await;
    assert_eq!(again.swaps, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_neither_events_nor_metadata_show_is_found_by_reading() {
    let (_folder, file) = folder_with_plugin();
    let cancel = CancellationToken::new();
    let host = Arc::new(PluginHost::new().unwrap());
    let (_live, task) = watch(host, vec![named("a", &file)], None, cancel.clone()).await.unwrap();
    let mut status = task.status();
    let mut tasks = JoinSet::new();
    tasks.spawn(task.blind(Duration::from_millis(30)).run());
    fs::write(&file, obedient_version("0.9.2")).unwrap();
    let swapped = status.wait_for(|it| it.plugins["a"].identity.version == "0.9.2");
    timeout(PATIENCE, swapped).await.expect("it is found").unwrap();
    cancel.cancel();
}
