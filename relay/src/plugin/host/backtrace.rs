//! Where in a guest's code a call ended.
//!
//! A build for development carries line tables, and an engine that was told to read them knows file, line and the
//! functions that were inlined. Such a fault names the author's own places alone. Other builds carry function names:
//! their faults list those, innermost first.

use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

use super::log::printable;

/// Frames of a guest's backtrace that a person gets to see.
const FRAMES: usize = 8;

/// Bytes of one function's name or file that are kept. The guest chose it, and it goes into logs, dead letters and
/// screens.
const LONGEST_NAME: usize = 200;

/// What stands between a function and the one that called it.
const CALLED_FROM: &str = " < ";

/// Where the sources of others lie: the standard library, crates of registries and repositories.
const OTHERS: [&str; 4] = ["/rustc/", "/rustlib/src/", "/registry/src/", "/git/checkouts/"];

/// The file of the SDK that calls the author's code. The folder that it lies in is the SDK's, wherever that is: a clone, a
/// copy beside the plugin, a registry.
const ENTRY: &str = "/export.rs";

/// What the names of functions that the SDK generates have in them: they stand where `export!` stands.
const GENERATED: [&str; 2] = ["relay:plugin/", "::_::"];

/// One function that was running, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    function: String,
    /// File and line, where they are known.
    source: Option<(String, u32)>,
}

/// ` at FILE:LINE, in FUNCTION < …`, where the guest's source is known; otherwise ` at INNER < OUTER < …`, or nothing
/// where no guest code was running.
pub(super) fn of(error: &wasmtime::Error) -> String {
    error.downcast_ref::<WasmBacktrace>().map(|it| shown(&places(it))).unwrap_or_default()
}

/// Whether the place in the author's own source is known.
pub(super) fn knows_source(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<WasmBacktrace>().is_some_and(|it| !own(&places(it)).is_empty())
}

fn places(backtrace: &WasmBacktrace) -> Vec<Place> {
    let mut places = Vec::new();
    for frame in backtrace.frames() {
        match frame.symbols() {
            [] => places.push(Place { function: name_of(frame), source: None }),
            // With what was inlined, innermost first. The last one is the function itself, whose whole name the module has.
            [inlined @ .., itself] => {
                places
                    .extend(inlined.iter().map(|it| Place { function: short_name(it), source: source(it) }));
                places.push(Place { function: name_of(frame), source: source(itself) });
            }
        }
    }
    places
}

/// The places in the author's own source, in words.
fn own(places: &[Place]) -> Vec<String> {
    let files = || places.iter().filter_map(|it| it.source.as_ref().map(|(file, _)| file.as_str()));
    // The outermost one: an author may have a file of that name too.
    let sdk = files().filter_map(|file| file.strip_suffix(ENTRY)).next_back();
    let is_others = |file: &str| {
        OTHERS.iter().any(|it| file.contains(it)) || sdk.is_some_and(|sdk| file.starts_with(sdk))
    };
    let mut lines = Vec::new();
    for Place { function, source } in places {
        let Some((file, line)) = source else { continue };
        if !is_others(file) && !GENERATED.iter().any(|it| function.contains(it)) {
            let (file, function) = (printable(file, LONGEST_NAME), printable(function, LONGEST_NAME));
            lines.push(format!("{file}:{line}, in {function}"));
        }
    }
    // A function that calls itself without end.
    lines.dedup();
    lines
}

fn shown(places: &[Place]) -> String {
    let mut lines = own(places);
    if lines.is_empty() {
        let names = places.iter().map(|it| it.function.as_str()).skip_while(|name| is_of_panics(name));
        lines = names.map(|name| printable(name, LONGEST_NAME)).collect();
    }
    lines.truncate(FRAMES);
    if lines.is_empty() { String::new() } else { format!(" at {}", lines.join(CALLED_FROM)) }
}

fn source(symbol: &FrameSymbol) -> Option<(String, u32)> {
    symbol.file().zip(symbol.line()).map(|(file, line)| (file.to_owned(), line))
}

fn short_name(symbol: &FrameSymbol) -> String {
    symbol.name().map_or_else(|| "an unnamed function".to_owned(), readable)
}

fn name_of(frame: &FrameInfo) -> String {
    frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), readable)
}

/// Without the hash that Rust ends its own names with; other names stay as they are.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// How Rust panics takes up to ten frames, and says nothing of where.
fn is_of_panics(name: &str) -> bool {
    let panics =
        ["core::panicking::", "std::panicking::", "std::sys::", "rust_panic", "panic_unwind", "__rust"];
    panics.iter().any(|it| name.contains(it)) || name.contains("panic_handler")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: &str, source: Option<(&str, u32)>) -> Place {
        let source = source.map(|(file, line)| (file.to_owned(), line));
        Place { function: function.to_owned(), source }
    }

    #[test]
    fn the_authors_own_places_stand_alone_where_they_are_known() {
        let places = [
            place("panic_fmt", Some(("/rustc/1/library/core/src/panicking.rs", 80))),
            place("hello::mask", Some(("/home/me/hello/src/mask.rs", 41))),
            place("hello::mask", Some(("/home/me/hello/src/mask.rs", 41))),
            place("from_str", Some(("/home/me/.cargo/registry/src/a/serde_json/src/de.rs", 9))),
            place("transform", Some(("/home/me/hello/src/lib.rs", 70))),
            place("transform<hello::Hello>", Some(("/home/me/hello/sdk/src/export.rs", 62))),
            place("json", Some(("/home/me/hello/sdk/src/event.rs", 7))),
            place("<hello::_::Component as Guest>::transform", Some(("/home/me/hello/src/lib.rs", 90))),
            place("relay:plugin/transform#transform", Some(("/home/me/hello/src/lib.rs", 90))),
        ];
        let expected =
            " at /home/me/hello/src/mask.rs:41, in hello::mask < /home/me/hello/src/lib.rs:70, in transform";
        assert_eq!(shown(&places), expected);
    }

    #[test]
    fn without_sources_there_are_the_functions_behind_the_panic() {
        let names = ["rust_panic", "core::panicking::panic_fmt", "hello::mask", "hello::transform"];
        assert_eq!(shown(&names.map(|it| place(it, None))), " at hello::mask < hello::transform");
        assert_eq!(shown(&[]), "");
        // A name may hold anything.
        assert_eq!(shown(&[place("a\u{1b}[2J", None)]), " at a\u{fffd}[2J");
    }
}
