//! A plugin whose runtime imports WASI loads, and finds nothing there that reaches outside.

use std::io;
use std::sync::{Arc, Mutex};

use relay_engine::verdict::Verdict;
use serde_json::json;

use crate::plugin::host::testing::{OBEDIENT, WIT, component, config, events};
use crate::plugin::host::wasi::seed::{self, Seed};
use crate::plugin::host::{Build, PluginConfig, PluginHost};
use crate::plugin::{Answer, Generation, Plugin};

const WASI: &str = "
package wasi:io@0.2.9 {
  interface error { resource error; }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream {
      blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
    }
  }
}
package wasi:cli@0.2.9 {
  interface stdout { use wasi:io/streams@0.2.9.{output-stream}; get-stdout: func() -> output-stream; }
}
package wasi:clocks@0.2.9 {
  interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
}
package wasi:random@0.2.9 { interface random { get-random-u64: func() -> u64; } }
";

const IMPORTS: &str = r#"
(import "wasi:cli/stdout@0.2.9" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.9" "[method]output-stream.blocking-write-and-flush"
  (func $print (param i32 i32 i32 i32)))
(import "wasi:clocks/wall-clock@0.2.9" "now" (func $wall (param i32)))
(import "wasi:random/random@0.2.9" "get-random-u64" (func $random (result i64)))
(memory (export"#;

/// The time of the wall clock in microseconds.
const WALL: &str = "(call $wall (i32.const 64000))
    (local.set $micros (i64.add
      (i64.mul (i64.load (i32.const 64000)) (i64.const 1000000))
      (i64.div_u (i64.extend_i32_u (i32.load (i32.const 64008))) (i64.const 1000))))";

/// The obedient guest, which asks WASI for the time and for randomness, and prints.
fn wasi_guest() -> Vec<u8> {
    let wat = OBEDIENT
        .replacen("(memory (export", IMPORTS, 1)
        .replace("(local.set $micros (call $now))", WALL)
        .replace("(func $configure_traps unreachable)", "(func $configure_traps (drop (call $random)))")
        .replace("(func $trap_as_asked unreachable)", "(func $trap_as_asked (drop (call $random)))")
        .replace(
            "(call $log (i32.const 2) (i32.const 100) (i32.const 4))",
            // "test", one time without the end of a line.
            "(call $print (call $stdout) (i32.const 100) (i32.const 4) (i32.const 64000))
             (i32.store8 (i32.const 64020) (i32.const 10))
             (if (i32.eq (local.get $left) (i32.const 100))
               (then (call $print (call $stdout) (i32.const 64020) (i32.const 1) (i32.const 64000))))",
        );
    let imports = "  import log;\n  import wasi:cli/stdout@0.2.9;\n  import wasi:io/streams@0.2.9;\n  \
                   import wasi:clocks/wall-clock@0.2.9;\n  import wasi:random/random@0.2.9;";
    component(&wat, &(WIT.replace("  import log;", imports) + WASI))
}

fn loaded() -> Arc<dyn Generation> {
    let config = config("wasi.wasm");
    PluginHost::new().unwrap().load_build(&config, &Build::new(wasi_guest(), &config.config)).unwrap()
}

fn answer(plugin: &mut dyn Plugin, id: &str) -> Answer {
    let mut answers = Vec::new();
    plugin.run("shop", &events(&[id]), &mut answers);
    answers.pop().unwrap()
}

#[test]
fn wasi_is_no_permission_and_its_clock_is_the_frozen_one() {
    let generation = loaded();
    let names: Vec<_> = generation.permissions().names().map(str::to_owned).collect();
    assert!(
        names.contains(&"clock.now".to_owned()) && names.iter().all(|it| !it.contains("wasi")),
        "{names:?}"
    );
    let mut plugin = generation.instantiate().unwrap();
    plugin.freeze_clock(3_094_288_207_667_809);
    assert_eq!(answer(&mut *plugin, "c"), Answer::Verdict(Verdict::Discard("3094288207667809".to_owned())));
}

#[test]
fn a_call_without_power_is_a_fault_that_names_the_function_and_the_way_out() {
    let mut plugin = loaded().instantiate().unwrap();
    let Answer::Fault(fault) = answer(&mut *plugin, "t") else { panic!("it went through") };
    assert_eq!(fault.code, "P129");
    let said = &fault.detail;
    assert!(said.starts_with("it called wasi:random/random@0.2.9#get-random-u64: "), "{said}");
    assert!(said.contains("derive what must be unique from the event's id"), "{said}");
    assert_eq!(answer(&mut *plugin, "a"), Answer::Verdict(Verdict::Discard("test".to_owned())));
}

#[test]
fn until_its_first_event_an_instance_gets_the_same_seeds_as_every_other() {
    let (mut one, mut other) = (Seed::default(), Seed::default());
    let bytes = one.bytes(20);
    assert_eq!((bytes.len(), &bytes), (20, &other.bytes(20)));
    assert_ne!(one.bytes(20), bytes, "a generator that gives the same again is no seed");
    assert_eq!(one.bytes(u64::MAX).len() as u64, seed::MOST);
    // The guest asks while it is configured, and again in an event.
    let config = PluginConfig { config: json!("trap"), ..config("wasi.wasm") };
    let build = Build::new(wasi_guest(), &config.config);
    let loaded = PluginHost::new().unwrap().load_build(&config, &build);
    let mut plugin = loaded.unwrap_or_else(|error| panic!("{error}")).instantiate().unwrap();
    assert!(matches!(answer(&mut *plugin, "t"), Answer::Fault(fault) if fault.code == "P129"));
}

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_printed_is_logged_line_by_line_also_without_an_end() {
    let mut plugin = loaded().instantiate().unwrap();
    let screen = Screen::default();
    let writer = screen.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let verdict = tracing::subscriber::with_default(subscriber, || answer(&mut *plugin, "g"));
    assert_eq!(verdict, Answer::Verdict(Verdict::Discard("test".to_owned())));
    let log = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("INFO relay::plugin::guest: test plugin=\"test\""), "{log}");
    assert!(lines[1].contains(&format!("guest: {} plugin=", "test".repeat(99))), "{log}");
}

#[test]
fn other_versions_of_wasi_and_other_packages_are_not_served() {
    let refusal = |interface: &str, package: &str| {
        let wat = OBEDIENT.replacen(
            "(memory (export",
            &format!("(import \"{interface}\" \"look\" (func)) (memory (export"),
            1,
        );
        let wit = WIT.replace("  import log;", &format!("  import log;\n  import {interface};")) + package;
        let config = config("other.wasm");
        let build = Build::new(component(&wat, &wit), &json!({}));
        let Err(error) = PluginHost::new().unwrap().load_build(&config, &build) else {
            panic!("it was taken")
        };
        error
    };
    let later = refusal(
        "wasi:cli/environment@0.3.0",
        "package wasi:cli@0.3.0 { interface environment { look: func(); } }",
    );
    assert_eq!(later.code, "P104");
    assert!(later.what.contains("wasi:cli/environment@0.3.0"), "{later}");
    let other =
        refusal("acme:disk/files@0.2.0", "package acme:disk@0.2.0 { interface files { look: func(); } }");
    assert_eq!(other.code, "P104");
}
