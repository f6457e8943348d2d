//! An author who edits while the application writes: nothing is lost, nothing comes twice, nothing waits for a build.

use std::fs;
use std::time::Duration;

use relay_tests::journal::{Observed, WriterPlan, Writers, check};

use crate::author::work_folder;
use crate::author_dev::{Dev, new_plugin, save};
use crate::http_shop::HttpShop;

/// Edits in a row, and in a campaign; before each of them comes one that does not compile.
const EDITS: usize = 3;
const EDITS_OF_CAMPAIGN: usize = 50;

/// Until the last event is there; the machine may run other tests beside this one.
const LIMIT: Duration = Duration::from_secs(120);

/// Says in each message which edit made it.
const PLUGIN: &str = r#"use relay_plugin_sdk::prelude::*;

struct Edited;

impl Plugin for Edited {
    type Config = ();

    fn new((): ()) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn transform(&mut self, _event: &Event) -> Result<Verdict, Fault> {
        Ok(Message::http("/orders").header("edit", "EDIT").into())
    }
}

export!(Edited);
"#;

fn edits() -> usize {
    if std::env::var_os("RELAY_TEST_LONG").is_some() { EDITS_OF_CAMPAIGN } else { EDITS }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_in_a_row_with_broken_builds_between_lose_repeat_and_stop_nothing() {
    let shop = HttpShop::open("edits").await;
    let folder = work_folder("edited");
    let plugin = new_plugin(&folder);
    fs::remove_dir_all(plugin.join("cases")).unwrap();
    let source = plugin.join("src/lib.rs");
    let edited = |edit: usize| PLUGIN.replace("EDIT", &edit.to_string());
    fs::write(&source, edited(0)).unwrap();
    let settings = shop.settings_with(&plugin.join("edited.wasm"), "");
    fs::write(folder.join("shop.toml"), settings).unwrap();
    let mut dev =
        tokio::task::block_in_place(|| Dev::start_with(&folder, &["--config", "shop.toml", "--last", "5"]));
    tokio::task::block_in_place(|| dev.wait_for("started"));
    let pause = Duration::from_millis(40);
    let plan = WriterPlan { events: u64::MAX, keys: 20, pause, ..WriterPlan::default() };
    let writers = Writers::start(&shop.url, &plan);
    shop.receiver.wait_for(10, LIMIT).await.unwrap();

    println!(
        "{:>5} {:>8} {:>8} {:>8} {:>8} {:>8}  (milliseconds)",
        "edit", "build", "compile", "load", "swap", "total"
    );
    for edit in 1..=edits() {
        tokio::task::block_in_place(|| {
            save(&source, &edited(edit).replace("(\"/orders\")", "(7)"));
            dev.wait_for("failed");
        });
        // The build that failed stops nothing.
        let before = shop.receiver.count();
        shop.receiver.wait_for(before + 10, LIMIT).await.unwrap();
        let live = tokio::task::block_in_place(|| {
            save(&source, &edited(edit));
            dev.wait_for("live")
        });
        let part = |name: &str| live[name].as_f64().unwrap();
        println!(
            "{edit:>5} {:>8.0} {:>8.0} {:>8.0} {:>8.1} {:>8.0}",
            part("build"),
            part("compile"),
            part("load"),
            part("swap"),
            part("total")
        );
        // What is read from now on goes through it.
        let before = shop.receiver.count();
        shop.receiver.wait_for(before + 50, LIMIT).await.unwrap();
        let last = shop.receiver.received().pop().unwrap();
        assert_eq!(last.header("edit"), Some(&*edit.to_string()), "{live}");
    }
    let journal = writers.stop().await;
    shop.receiver.wait_for(journal.committed(), LIMIT).await.unwrap();
    assert_eq!(tokio::task::block_in_place(|| dev.stop()), Some(0));
    let observed: Vec<Observed> = shop.receiver.received().iter().map(Into::into).collect();
    let report = check(&journal, &observed);
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!((report.arrived, report.duplicates), (journal.committed(), 0), "{report}");
}
