//! What reloading promises, on real files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::{PluginStatus, ReloadStatus, watch};
use crate::plugin::LiveGeneration;
use crate::plugin::host::testing::{config, obedient, obedient_version};
use crate::plugin::host::{PluginConfig, PluginHost};

/// Far above what any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Reloading {
    live: BTreeMap<String, LiveGeneration>,
    status: watch::Receiver<ReloadStatus>,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Reloading {
    async fn start(plugins: &[(&str, &Path)]) -> Self {
        let configs = plugins.iter().map(|(name, path)| named(name, path)).collect();
        let cancel = CancellationToken::new();
        let host = Arc::new(PluginHost::new().unwrap());
        let (live, task) = watch(host, configs, cancel.clone()).await.unwrap();
        let status = task.status();
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run());
        Self { live, status, cancel, tasks }
    }

    async fn until(&mut self, plugin: &str, holds: impl Fn(&PluginStatus) -> bool) -> PluginStatus {
        let status = timeout(PATIENCE, self.status.wait_for(|it| holds(&it.plugins[plugin]))).await;
        status.expect("it happens in time").unwrap().plugins[plugin].clone()
    }

    async fn until_version(&mut self, plugin: &str, version: &str) -> PluginStatus {
        let status = self.until(plugin, |it| it.identity.version == version).await;
        assert_eq!(self.version(plugin), version);
        status
    }

    fn version(&self, plugin: &str) -> String {
        self.live[plugin].borrow().identity().version.clone()
    }
}

fn named(name: &str, component: &Path) -> PluginConfig {
    PluginConfig { name: name.to_owned(), ..config(component) }
}

fn folder_with_plugin() -> (TempDir, PathBuf) {
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
    let Err(errors) = watch(host, configs, CancellationToken::new()).await else { panic!("they loaded") };
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
