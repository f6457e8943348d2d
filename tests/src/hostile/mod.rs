//! Components that mean harm, made from WebAssembly text.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = include_str!("../../../wit/0.1.0/plugin.wit");
const GUEST: &str = include_str!("guest.wat");
const INTERFACES: &str = include_str!("interfaces.wat");

/// What one component does to the events it is hostile to, and what becomes of them.
#[derive(Debug, Clone, Copy)]
pub struct Hostility {
    /// Its name, as a name of a pipeline.
    pub name: &'static str,
    /// The code of its dead letters.
    pub code: &'static str,
    /// WebAssembly text: the body of `$hostile`.
    does: &'static str,
    /// WebAssembly text beside its functions.
    more: &'static str,
    /// WebAssembly text: what it imports beside the log.
    imports: &'static str,
}

const HEADERS_OF: &str =
    "(import \"relay:plugin/batch@0.1.0\" \"headers-of\" (func $headers_of (param i32 i32)))";
const GET: &str = "(import \"relay:plugin/kv@0.1.0\" \"get\" (func $get (param i32 i32 i32 i32 i32)))";
const GET_MANY: &str =
    "(import \"relay:plugin/kv@0.1.0\" \"get-many\" (func $get_many (param i32 i32 i32 i32 i32)))";
const COUNT: &str =
    "(import \"relay:plugin/metrics@0.1.0\" \"add-counter\" (func $count_one (param i32 i32 i64 i32 i32)))";

/// Counts one more under a name of eight letters, another one for each number.
const COUNT_NAMED: &str = "(func $count_named (param $place i32) (param $number i32) (local $name i64)
  (local.set $name (i64.extend_i32_u (local.get $number)))
  (local.set $name (i64.and (i64.const 0x0000ffff0000ffff)
    (i64.or (local.get $name) (i64.shl (local.get $name) (i64.const 16)))))
  (local.set $name (i64.and (i64.const 0x00ff00ff00ff00ff)
    (i64.or (local.get $name) (i64.shl (local.get $name) (i64.const 8)))))
  (local.set $name (i64.and (i64.const 0x0f0f0f0f0f0f0f0f)
    (i64.or (local.get $name) (i64.shl (local.get $name) (i64.const 4)))))
  (i64.store (local.get $place) (i64.add (local.get $name) (i64.const 0x6161616161616161)))
  (call $count_one (local.get $place) (i32.const 8) (i64.const 1) (i32.const 0) (i32.const 0)))";

/// Everything that a component may do to the relay while it runs.
pub const HOSTILITIES: &[Hostility] = &[
    hostility("loop", "P121", "(loop $ever (br $ever))"),
    hostility("trap", "P120", "unreachable"),
    hostility("memory", "P122", "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable"),
    Hostility {
        more: "(memory $second 0) (memory $third 0)",
        ..hostility(
            "memories",
            "P122",
            "(loop $more
               (br_if $more (i32.ne (memory.grow $second (i32.const 16)) (i32.const -1)))
               (br_if $more (i32.ne (memory.grow $third (i32.const 16)) (i32.const -1))))
             unreachable",
        )
    },
    hostility(
        "table",
        "P120",
        "(loop $more (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable",
    ),
    Hostility {
        more: "(func $deeper (param i32) (call $deeper (i32.add (local.get 0) (i32.const 1))) (drop (call $zeroed (local.get 0))))",
        ..hostility("recursion", "P120", "(call $deeper (i32.const 0))")
    },
    hostility(
        "body",
        "P124",
        "(local.set $place (call $publish (local.get $verdict) (i32.const 1)))
         (i32.store offset=84 (local.get $place) (i32.const 2))
         (call $list (i32.add (local.get $place) (i32.const 88)) (i32.const 0) (i32.const 8388608))
         (drop (call $zeroed (i32.const 8388608)))",
    ),
    hostility("outputs", "P124", "(drop (call $publish (local.get $verdict) (i32.const 60000)))"),
    hostility(
        "million",
        "P120",
        "(i32.store offset=12 (local.get $verdict) (i32.const 1000000))
         (call $list (i32.add (local.get $verdict) (i32.const 8)) (i32.const 1024) (i32.const 1000000))",
    ),
    hostility(
        "headers",
        "P124",
        "(local.set $place (call $publish (local.get $verdict) (i32.const 1)))
         (call $list (i32.add (local.get $place) (i32.const 100)) (call $zeroed (i32.const 160000)) (i32.const 10000))",
    ),
    hostility(
        "header",
        "P125",
        "(local.set $place (call $publish (local.get $verdict) (i32.const 1)))
         (call $list (i32.add (local.get $place) (i32.const 100)) (call $zeroed (i32.const 16)) (i32.const 1))
         (call $list (i32.load offset=100 (local.get $place)) (i32.const 140) (i32.const 11))",
    ),
    hostility("utf8", "P120", "(call $discard (local.get $verdict) (i32.const 130) (i32.const 2))"),
    hostility("outside", "P120", "(call $discard (local.get $verdict) (i32.const -16) (i32.const 64))"),
    hostility("fewer", "P123", "(global.set $count (i32.sub (global.get $count) (i32.const 1)))"),
    hostility("more", "P123", "(global.set $count (i32.add (global.get $count) (i32.const 1)))"),
    hostility(
        "log",
        "P121",
        "(local.set $place (call $zeroed (i32.const 4194304)))
         (loop $ever (call $log (i32.const 4) (local.get $place) (i32.const 4194304)) (br $ever))",
    ),
    hostility(
        "grant",
        "R401",
        "(local.set $place (call $publish (local.get $verdict) (i32.const 1)))
         (i32.store8 offset=24 (local.get $place) (i32.const 1))
         (i32.store8 offset=32 (local.get $place) (i32.const 2))
         (call $list (i32.add (local.get $place) (i32.const 40)) (i32.const 160) (i32.const 6))",
    ),
    hostility(
        "reject",
        "P161",
        "(i32.store (local.get $verdict) (i32.const 3))
         (call $list (i32.add (local.get $verdict) (i32.const 8)) (i32.const 100) (i32.const 4))
         (call $list (i32.add (local.get $verdict) (i32.const 16)) (i32.const 100) (i32.const 4))",
    ),
    hostility(
        "never",
        "P160",
        "(i32.store (local.get $verdict) (i32.const 2))
         (call $list (i32.add (local.get $verdict) (i32.const 8)) (i32.const 100) (i32.const 4))
         (i32.store8 offset=16 (local.get $verdict) (i32.const 1))
         (i64.store offset=24 (local.get $verdict) (i64.const -1))",
    ),
    Hostility {
        imports: GET,
        ..hostility(
            "rows",
            "P128",
            "(local.set $place (call $zeroed (i32.const 24)))
             (loop $ever
               (call $get (i32.const 100) (i32.const 4) (i32.const 100) (i32.const 4) (local.get $place))
               ;; The row that came is forgotten: its own memory is not what stops it.
               (global.set $top (i32.add (local.get $place) (i32.const 24)))
               (br $ever))",
        )
    },
    Hostility {
        imports: HEADERS_OF,
        ..hostility(
            "asking",
            "P121",
            "(local.set $place (call $zeroed (i32.const 8)))
             (loop $ever
               (call $headers_of (i32.const 0) (local.get $place))
               (global.set $top (i32.add (local.get $place) (i32.const 8)))
               (br $ever))",
        )
    },
    Hostility {
        imports: HEADERS_OF,
        ..hostility("beyond", "P120", "(call $headers_of (i32.const -1) (call $zeroed (i32.const 8)))")
    },
    Hostility {
        imports: GET_MANY,
        ..hostility(
            "keys",
            "P128",
            "(local.set $place (call $zeroed (i32.const 800024)))
             (loop $ever
               (call $get_many (i32.const 100) (i32.const 4)
                 (i32.add (local.get $place) (i32.const 24)) (i32.const 100000) (local.get $place))
               (global.set $top (i32.add (local.get $place) (i32.const 800024)))
               (br $ever))",
        )
    },
    Hostility {
        imports: COUNT,
        more: COUNT_NAMED,
        ..hostility(
            "series",
            "P121",
            "(local.set $place (call $zeroed (i32.const 8)))
             (loop $ever
               (call $count_named (local.get $place) (local.get $left))
               (local.set $left (i32.add (local.get $left) (i32.const 1)))
               (br $ever))",
        )
    },
    Hostility {
        imports: COUNT,
        ..hostility(
            "names",
            "P121",
            "(local.set $place (call $zeroed (i32.const 4194304)))
             (loop $ever
               (call $count_one (local.get $place) (i32.const 4194304) (i64.const 1) (i32.const 0) (i32.const 0))
               (br $ever))",
        )
    },
];

const fn hostility(name: &'static str, code: &'static str, does: &'static str) -> Hostility {
    Hostility { name, code, does, more: "", imports: "" }
}

impl Hostility {
    /// The component.
    ///
    /// # Errors
    /// What is wrong with its text.
    pub fn component(&self) -> Result<Vec<u8>, String> {
        made_of(&importing(self.imports, &text(self.does, "", self.more)))
    }
}

/// A component that counts under `names` names on every event that others are hostile to, and once under one that is no
/// name, and then publishes the event unchanged.
///
/// # Errors
/// What is wrong with its text.
pub fn counting(names: u32) -> Result<Vec<u8>, String> {
    let does = format!(
        "(local.set $place (call $zeroed (i32.const 8)))
         (loop $next
           (call $count_named (local.get $place) (local.get $left))
           (local.set $left (i32.add (local.get $left) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $left) (i32.const {names}))))
         (call $count_one (i32.const 140) (i32.const 11) (i64.const 1) (i32.const 0) (i32.const 0))
         (drop (call $publish (local.get $verdict) (i32.const 1)))"
    );
    made_of(&importing(COUNT, &text(&does, "", COUNT_NAMED)))
}

/// A component that harms nobody.
///
/// # Errors
/// What is wrong with its text.
pub fn harmless() -> Result<Vec<u8>, String> {
    component("", "", "")
}

/// A component that harms nobody, and may read the relay's clock.
///
/// # Errors
/// What is wrong with its text.
pub fn with_clock() -> Result<Vec<u8>, String> {
    made_of(&importing("(import \"relay:plugin/clock@0.1.0\" \"now\" (func $now (result i64)))", GUEST))
}

/// A component that uses every interface that the relay offers, and harms nobody.
///
/// # Errors
/// What is wrong with its text.
pub fn interfaces() -> Result<Vec<u8>, String> {
    made_of(INTERFACES)
}

/// A component that publishes the events that others are hostile to, unchanged like the rest.
///
/// # Errors
/// What is wrong with its text.
pub fn obliging() -> Result<Vec<u8>, String> {
    component("(drop (call $publish (local.get $verdict) (i32.const 1)))", "", "")
}

/// A component that takes any configuration and traps on every event.
///
/// # Errors
/// What is wrong with its text.
pub fn trapping() -> Result<Vec<u8>, String> {
    made_of(&GUEST.replace("(drop (call $publish (local.get $verdict) (i32.const 1)))", "unreachable"))
}

/// A component that does this when it is configured.
///
/// # Errors
/// What is wrong with the text.
pub fn in_configure(does: &str) -> Result<Vec<u8>, String> {
    component("", does, "")
}

/// A component that does this when it is instantiated.
///
/// # Errors
/// What is wrong with the text.
pub fn at_start(does: &str) -> Result<Vec<u8>, String> {
    component("", "", &format!("(func $begin {does}) (start $begin)"))
}

fn component(hostile: &str, configure: &str, more: &str) -> Result<Vec<u8>, String> {
    made_of(&text(hostile, configure, more))
}

fn text(hostile: &str, configure: &str, more: &str) -> String {
    GUEST.replace(";; HOSTILE", hostile).replace(";; CONFIGURE", configure).replace(";; MORE", more)
}

/// `text` with `imports`, which come before everything else of a module.
fn importing(imports: &str, text: &str) -> String {
    let memory = "(memory $memory";
    text.replacen(memory, &format!("{imports}\n  {memory}"), 1)
}

fn made_of(text: &str) -> Result<Vec<u8>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{error}");
    let mut module = wat::parse_str(text).map_err(|error| told(&error))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_str("plugin.wit", WIT).map_err(|error| told(&error))?;
    let world = resolve.select_world(&[package], Some("transformer")).map_err(|error| told(&error))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .map_err(|error| told(&error))?;
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).and_then(|it| it.validate(true).encode()).map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_makes_a_component() {
        for hostility in HOSTILITIES {
            let made = hostility.component();
            assert!(made.is_ok(), "{}: {made:?}", hostility.name);
        }
    }
}
