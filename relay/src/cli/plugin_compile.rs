//! `relay plugin compile`: the relay's own compiler, which it starts as a process of its own.

use super::Exit;
use crate::app::{self, CompileOptions};

/// Compiles standard input to standard output. The relay that started it reads the words of an error as they
/// are, so they are not framed as a screen.
pub(super) fn run(options: CompileOptions) -> Exit {
    match app::compile(options) {
        Ok(()) => Exit::Done,
        Err(why) => {
            eprintln!("{why}");
            Exit::Failed
        }
    }
}
