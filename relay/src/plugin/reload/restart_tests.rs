//! What a plugin's history makes of a restart and of an operator's wishes, on real files.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::tests::{Reloading, folder_with_plugin, named, run, trapping};
use super::{PluginErrors, Turn, watch};
use crate::plugin::history::Left;
use crate::plugin::host::PluginHost;
use crate::plugin::host::testing::{OBEDIENT, WIT, component, obedient_version};

/// A relay that keeps histories.
struct Site {
    _folder: TempDir,
    file: PathBuf,
    histories: PathBuf,
}

impl Site {
    fn new() -> Self {
        let (folder, file) = folder_with_plugin();
        Self { histories: folder.path().join("state"), file, _folder: folder }
    }

    async fn start(&self) -> Reloading {
        Reloading::start_with(&[("a", &self.file)], Some(self.histories.clone())).await
    }

    /// Starts it where that has to fail.
    async fn fail(&self) -> PluginErrors {
        let host = std::sync::Arc::new(PluginHost::new().unwrap());
        let (configs, histories) = (vec![named("a", &self.file)], Some(self.histories.clone()));
        watch(host, configs, histories, CancellationToken::new()).await.err().expect("it does not start")
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(&self.file, bytes).unwrap();
    }

    /// Runs with 0.9.1, and rolls the build that always traps back.
    async fn after_a_roll_back(&self) -> Reloading {
        let mut reloading = self.start().await;
        self.put(&trapping());
        reloading.until_version("a", "0.9.6").await;
        run(&reloading, &["a"; 8]);
        reloading.until("a", |it| it.rollbacks == 1).await;
        reloading
    }
}

async fn the_trapping_build_fails_its_probation(reloading: &mut Reloading) {
    assert!(reloading.status().on_probation && reloading.version("a") == "0.9.6");
    run(reloading, &["a"; 8]);
    reloading.until("a", |it| it.rollbacks == 1).await;
    assert_eq!(reloading.version("a"), "0.9.1");
}

fn version(turn: &Turn) -> &str {
    match turn {
        Turn::Swapped { to, .. } => &to.version,
        other => panic!("not swapped: {other:?}"),
    }
}

fn narrow(version: &str) -> Vec<u8> {
    let import = "(import \"relay:plugin/clock@0.1.0\" \"now\" (func $now (result i64)))";
    let text = OBEDIENT.replace(import, "(func $now (result i64) (i64.const 0))");
    component(&text.replace("0.9.1", version), WIT)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_rolled_back_stays_out_after_a_restart_until_it_is_replaced() {
    let site = Site::new();
    site.after_a_roll_back().await.stop().await;
    let mut reloading = site.start().await;
    assert_eq!(reloading.version("a"), "0.9.1");
    let refused = reloading.status().refused.unwrap();
    assert_eq!(refused.error.code, "P130");
    assert!(refused.error.what.contains("P115"), "{}", refused.error);
    site.put(&obedient_version("0.9.2"));
    reloading.until_version("a", "0.9.2").await;
    reloading.stop().await;
    assert_eq!(site.start().await.version("a"), "0.9.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_have_a_build_that_was_rolled_back_tried_again() {
    let site = Site::new();
    site.after_a_roll_back().await.stop().await;
    let reloading = site.start().await;
    let turn = reloading.reloader.reload_one("a", None, false).await.unwrap().unwrap();
    assert_eq!(version(&turn), "0.9.6");
    assert!(reloading.status().on_probation);
    let unchanged = reloading.reloader.reload_one("a", None, false).await.unwrap().unwrap();
    assert!(matches!(unchanged, Turn::Unchanged(identity) if identity.version == "0.9.6"));
    assert!(reloading.reloader.reload_one("b", None, false).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probation_goes_on_after_a_restart() {
    let site = Site::new();
    let mut reloading = site.start().await;
    site.put(&trapping());
    reloading.until_version("a", "0.9.6").await;
    reloading.stop().await;
    let mut reloading = site.start().await;
    the_trapping_build_fails_its_probation(&mut reloading).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_put_in_place_while_the_relay_was_stopped_has_to_prove_itself() {
    let site = Site::new();
    site.start().await.stop().await;
    site.put(&trapping());
    let mut reloading = site.start().await;
    the_trapping_build_fails_its_probation(&mut reloading).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_no_way_around_permissions() {
    let site = Site::new();
    site.put(&narrow("0.9.2"));
    site.start().await.stop().await;
    site.put(&obedient_version("0.9.3"));
    for code in ["P118", "P130"] {
        let reloading = site.start().await;
        assert_eq!(reloading.version("a"), "0.9.2");
        assert_eq!(reloading.status().refused.unwrap().error.code, code);
        reloading.stop().await;
    }
    let reloading = site.start().await;
    let turn = reloading.reloader.reload_one("a", None, true).await.unwrap().unwrap();
    let Turn::Swapped { permissions, .. } = &turn else { panic!("{turn:?}") };
    assert_eq!(permissions, "+ clock.now");
    // What was accepted once need not be accepted at the next start.
    reloading.stop().await;
    assert_eq!(site.start().await.version("a"), "0.9.3");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_back_to_the_build_before_and_the_file_stays_out_over_restarts() {
    let site = Site::new();
    let mut reloading = site.start().await;
    for next in ["0.9.2", "0.9.3"] {
        site.put(&obedient_version(next));
        reloading.until_version("a", next).await;
    }
    let turn = reloading.reloader.roll_back("a", None).await.unwrap().unwrap().unwrap();
    assert_eq!(version(&turn), "0.9.2");
    let status = reloading.status();
    assert_eq!((status.refused.unwrap().error.code, status.on_probation), ("P130", false));
    reloading.stop().await;
    let reloading = site.start().await;
    assert_eq!(reloading.version("a"), "0.9.2");
    // The one that was left is not gone back to unless it is named.
    let turn = reloading.reloader.roll_back("a", None).await.unwrap().unwrap().unwrap();
    assert_eq!(version(&turn), "0.9.1");
    let rows = reloading.reloader.history("a").await.unwrap().unwrap();
    let third = rows.iter().find(|it| it.version.as_deref() == Some("0.9.3")).unwrap();
    assert_eq!((third.left, third.kept), (Some(Left::RolledBackByHand), true));
    let turn = reloading.reloader.roll_back("a", Some(third.digest[..8].to_owned())).await;
    assert_eq!(version(&turn.unwrap().unwrap().unwrap()), "0.9.3");
    assert!(reloading.status().refused.is_none(), "what runs is what lies there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_is_not_there_is_told() {
    let site = Site::new();
    let reloading = site.start().await;
    let running = reloading.status().identity.digest;
    let back = async |to: Option<&str>| {
        let turn = reloading.reloader.roll_back("a", to.map(str::to_owned)).await.unwrap().unwrap();
        turn.unwrap_err()
    };
    for (asked, told) in [
        (None, "no earlier build"),
        (Some("0123456789"), "no build ran"),
        (Some("xyz1"), "hexadecimal"),
        (Some("01"), "4 hexadecimal digits"),
        (Some(&running[..6]), "runs already"),
    ] {
        let error = back(asked).await;
        assert!(error.code == "P131" && error.what.contains(told), "{asked:?}: {error}");
    }
    let (_folder, file) = folder_with_plugin();
    let nowhere = Reloading::start(&[("a", &file)]).await;
    let digest = nowhere.status().identity.digest;
    fs::write(&file, obedient_version("0.9.2")).unwrap();
    let mut nowhere = nowhere;
    nowhere.until_version("a", "0.9.2").await;
    let error = nowhere.reloader.roll_back("a", Some(digest)).await.unwrap().unwrap().unwrap_err();
    assert!(error.what.contains("[relay] state"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_does_not_start_with_a_refused_build_when_no_other_is_left() {
    let site = Site::new();
    site.after_a_roll_back().await.stop().await;
    fs::remove_dir_all(site.histories.join("a/builds")).unwrap();
    let errors = site.fail().await;
    assert_eq!(errors.0[0].code, "P133");
    fs::remove_dir_all(&site.histories).unwrap();
    assert_eq!(site.start().await.version("a"), "0.9.6", "the operator began anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_killed_in_the_middle_goes_on_with_what_ran() {
    let site = Site::new();
    let mut reloading = site.start().await;
    site.put(&obedient_version("0.9.2"));
    reloading.until_version("a", "0.9.2").await;
    reloading.stop().await;
    // As if the last entry had only been written in part.
    let path = Path::new(&site.histories).join("a/history.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    let reloading = site.start().await;
    assert_eq!(reloading.version("a"), "0.9.2");
    assert!(reloading.status().on_probation, "it is new to this relay");
}
