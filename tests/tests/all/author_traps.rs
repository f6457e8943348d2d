//! Every way in which a plugin can end a call is told with its place in the source, in `relay dev`.

use std::fs;

use crate::author::work_folder;
use crate::author_dev::{Dev, new_plugin};

const PLUGIN: &str = r#"mod fail;

use relay_plugin_sdk::prelude::*;

struct Traps;

impl Plugin for Traps {
    type Config = ();

    fn new((): ()) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
        fail::by(event.aggregate_id()); // outer
        Ok(Message::kafka("orders").into())
    }
}

export!(Traps);
"#;

/// Each function fails in the line that has its name behind two slashes.
const FAIL: &str = r#"use std::hint::black_box;

pub fn by(name: &str) {
    match name {
        "overflow" => overflow(name),
        "index" => index(name),
        "unwrap" => unwrap(name),
        "expect" => expect(name),
        "unreachable" => unreachable(),
        "memory" => memory(),
        "stack" => drop(black_box(stack(0, &[]))),
        _ => {}
    }
}

#[inline(never)]
fn overflow(name: &str) {
    let number = black_box(name.len() as u8);
    black_box(number * 100); // overflow
}

#[inline(never)]
fn index(name: &str) {
    let none: Vec<u8> = Vec::new();
    black_box(none[name.len()]); // index
}

#[inline(never)]
fn unwrap(name: &str) {
    black_box(name.find("not in it")).unwrap(); // unwrap
}

#[inline(never)]
fn expect(name: &str) {
    name.parse::<u32>()
        .expect("a number"); // expect
}

#[inline(never)]
fn unreachable() {
    core::arch::wasm32::unreachable() // unreachable
}

#[inline(never)]
fn memory() {
    unsafe { black_box(std::ptr::read_volatile(0x7fff_0000 as *const u8)) }; // memory
}

#[inline(never)]
fn stack(depth: usize, before: &[u8]) -> usize {
    let own = [depth as u8; 64];
    if depth == usize::MAX {
        return 0;
    }
    stack(depth + 1, black_box(&own)) + before.len() // stack
}
"#;

/// What each ends with.
const WORDS: [(&str, &str); 7] = [
    ("overflow", "attempt to multiply with overflow"),
    ("index", "index out of bounds: the len is 0 but the index is 5"),
    ("unwrap", "called `Option::unwrap()` on a `None` value"),
    ("expect", "a number: ParseIntError { kind: InvalidDigit }"),
    ("unreachable", "wasm trap: wasm `unreachable` instruction executed"),
    ("memory", "wasm trap: out of bounds memory access"),
    ("stack", "wasm trap: "),
];

fn line_of(text: &str, marker: &str) -> usize {
    1 + text.lines().position(|line| line.ends_with(&format!("// {marker}"))).unwrap()
}

#[test]
fn every_trap_is_told_with_its_place_in_the_source() {
    let folder = work_folder("traps");
    let plugin = new_plugin(&folder);
    fs::write(plugin.join("src/lib.rs"), PLUGIN).unwrap();
    fs::write(plugin.join("src/fail.rs"), FAIL).unwrap();
    let mut cases = String::new();
    for name in WORDS.iter().map(|it| it.0).chain(["nothing"]) {
        cases.push_str(&format!(
            "[[case]]\nname = \"{name}\"\n\
             event = {{ aggregate_type = \"a\", aggregate_id = \"{name}\", type = \"t\" }}\n"
        ));
    }
    fs::write(plugin.join("cases/orders.toml"), cases).unwrap();
    let mut dev = Dev::start(&plugin);
    let started = dev.wait_for("started");
    let outer = format!("src/lib.rs:{}, in ", line_of(PLUGIN, "outer"));
    for (index, (name, words)) in WORDS.iter().enumerate() {
        let fate = &started["events"][index];
        assert_eq!(fate["outcome"][0], "fault P120", "{name}: {fate}");
        let detail = fate["detail"].as_str().unwrap();
        let (told, frames) = detail.split_once(" at src/fail.rs:").unwrap();
        assert!(told.starts_with(words), "{name}: {detail}");
        let place = format!("{}, in traps::fail::{name}", line_of(FAIL, name));
        let frames: Vec<&str> = frames.split(" < ").collect();
        // It may fail on the line that enters the function.
        assert!(frames[0] == place || *name == "stack", "{name}: {detail}");
        assert!(frames[0].ends_with(&format!(", in traps::fail::{name}")), "{name}: {detail}");
        // The deepest stack shows its innermost functions alone.
        assert!(*name == "stack" || frames.iter().any(|it| it.starts_with(&outer)), "{name}: {detail}");
        assert!(!detail.contains("export.rs") && !detail.contains("/rustc/"), "{name}: {detail}");
    }
    assert!(started["events"][WORDS.len()]["detail"].is_null(), "{started}");
    // The running relay tells the same, with the build.
    let told = dev.wait_for("unanswered");
    assert!(told["words"].as_str().unwrap().contains(" at src/fail.rs:"), "{told}");
    assert_eq!(dev.stop(), Some(0));
}
