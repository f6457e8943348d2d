//! `relay dev` is killed: nothing that it started goes on.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::author::{assert_ends, work_folder};
use crate::author_dev::{Dev, new_plugin, save};

/// A build that goes on for ten minutes, and holds one end of the pipe FIFO as long as it does.
const BUILD_SCRIPT: &str = r#"fn main() {
    let held = std::fs::OpenOptions::new().write(true).open("FIFO").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(600));
    drop(held);
}
"#;

/// Gives the plugin a build script that does not end, and waits until it runs. The file ends with it.
fn endless_build(plugin: &Path) -> fs::File {
    let fifo = plugin.with_file_name("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    save(&plugin.join("build.rs"), &BUILD_SCRIPT.replace("FIFO", &fifo.display().to_string()));
    // Opens once the build script has opened the other end.
    fs::File::open(&fifo).unwrap()
}

/// The processes that `id` started, and those that they started.
fn descendants(id: u32) -> Vec<(u32, String)> {
    let listed = Command::new("ps").args(["-e", "-o", "pid=,ppid=,comm="]).output().unwrap();
    let (listed, _) = assert_ends(&listed, 0);
    let all: Vec<(u32, u32, String)> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (id, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some((id, parent, words.collect::<Vec<_>>().join(" ")))
        })
        .collect();
    let mut found = vec![(id, String::new())];
    let mut next = 0;
    while let Some((current, _)) = found.get(next).cloned() {
        found.extend(all.iter().filter(|it| it.1 == current).map(|it| (it.0, it.2.clone())));
        next += 1;
    }
    found.split_off(1)
}

/// The folders that `relay dev` has in `temporary`.
fn folders_in(temporary: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(temporary).unwrap().map(|it| it.unwrap().path());
    all.filter(|it| it.file_name().unwrap().to_str().unwrap().starts_with("relay-dev-")).collect()
}

/// Waits for the end of a process that is not ours.
fn ends(id: u32) -> bool {
    // `tail` looks at it until it is gone.
    let command = ["30", "tail", "--pid", &id.to_string(), "-f", "/dev/null"].map(str::to_owned);
    Command::new("timeout").args(command).status().unwrap().success()
}

#[test]
fn nothing_that_dev_started_outlives_it() {
    let folder = work_folder("killed");
    let hello = new_plugin(&folder);
    let temporary = folder.join("tmp");
    let mut dev = Dev::start_in(&hello, &[], &temporary);
    dev.wait_for("started");
    // A message says that the relay runs.
    let source = hello.join("src/lib.rs");
    save(&source, &fs::read_to_string(&source).unwrap().replace("not an order", "no order"));
    dev.wait_for("live");

    let mut held = endless_build(&hello);
    let started = descendants(dev.id());
    let has = |name: &str| started.iter().any(|(_, it)| it.starts_with(name));
    assert!(has("relay") && has("cargo") && has("build-script"), "{started:?}");

    dev.kill();
    let mut nothing = Vec::new();
    held.read_to_end(&mut nothing).unwrap();
    for (id, name) in started {
        assert!(ends(id), "{name} ({id}) goes on without the command that started it");
    }
    let left = folders_in(&temporary);
    assert_eq!(left.len(), 1, "{left:?}");
    // What stands on disk is as good as before, and what was left in passing goes.
    fs::remove_file(hello.join("build.rs")).unwrap();
    let mut dev = Dev::start_in(&hello, &[], &temporary);
    dev.wait_for("started");
    assert!(!folders_in(&temporary).contains(&left[0]), "{} stays", left[0].display());
    assert_eq!(dev.stop(), Some(0));
    assert_eq!(folders_in(&temporary), [] as [PathBuf; 0]);
}

#[test]
fn an_interrupt_ends_dev_at_once_while_it_builds_for_the_first_time_or_waits_for_a_save() {
    const AT_ONCE: Duration = Duration::from_secs(30);
    let hello = new_plugin(&work_folder("interrupted"));
    let source = hello.join("src/lib.rs");
    fs::write(&source, "it is no Rust yet").unwrap();
    let mut dev = Dev::start(&hello);
    dev.wait_for("failed");
    let ended = dev.interrupt(AT_ONCE);
    assert_eq!(ended, Some(0), "it goes on while it waits");

    let temporary = hello.with_file_name("tmp");
    let mut dev = Dev::start_in(&hello, &[], &temporary);
    dev.wait_for("failed");
    let mut held = endless_build(&hello);
    let started = descendants(dev.id());
    let ended = dev.interrupt(AT_ONCE);
    assert_eq!(ended, Some(0), "it goes on while it builds");
    let mut nothing = Vec::new();
    held.read_to_end(&mut nothing).unwrap();
    for (id, name) in started {
        assert!(ends(id), "{name} ({id}) goes on without the command that started it");
    }
    assert_eq!(folders_in(&temporary), [] as [PathBuf; 0]);
}
