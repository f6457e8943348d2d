//! `relay plugin compile`: the relay's own compiler, which it starts as a process of its own.

use super::Exit;
use crate::app;

/// Compiles standard input to standard output. The relay that started it reads the words of an error as they
/// are, so they are not framed as a screen.
pub(super) fn run(source_lines: bool) -> Exit {
    match app::compile(source_lines) {
        Ok(()) => Exit::Done,
        Err(why) => {
            eprintln!("{why}");
            Exit::Failed
        }
    }
}
