//! What a guest prints, as lines of the log.

use std::borrow::Cow;
use std::convert::Infallible;

use tracing::Level;

use crate::plugin::host::log::InstanceLog;

/// Bytes that are kept of a line that has no end yet. The log cuts lines to its own limit besides.
const LONGEST: usize = 16 << 10;

/// Where a guest prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// `stdout`
    Out,
    /// `stderr`
    Error,
}

impl Stream {
    /// How the guest's handle names it.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Out => 1,
            Self::Error => 2,
        }
    }

    pub(super) fn of_number(number: u32) -> Option<Self> {
        [Self::Out, Self::Error].into_iter().find(|it| it.number() == number)
    }

    fn level(self) -> Level {
        match self {
            Self::Out => Level::INFO,
            Self::Error => Level::WARN,
        }
    }
}

/// The beginnings of lines whose ends are not printed yet.
#[derive(Debug, Default)]
pub(in crate::plugin::host) struct Printed {
    out: Vec<u8>,
    error: Vec<u8>,
}

impl Printed {
    /// Writes each line that `bytes` ends, and keeps the beginning of the next one.
    pub(super) fn print(&mut self, stream: Stream, bytes: &[u8], log: &InstanceLog) {
        let begun = self.begun(stream);
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for part in &mut lines {
            let room = LONGEST.saturating_sub(begun.len());
            begun.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                write(stream, begun, log);
            }
        }
    }

    /// A call is over: what has no end by now gets none.
    pub(in crate::plugin::host) fn finish(&mut self, log: &InstanceLog) {
        for stream in [Stream::Out, Stream::Error] {
            let begun = self.begun(stream);
            if !begun.is_empty() {
                write(stream, begun, log);
            }
        }
    }

    fn begun(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Error => &mut self.error,
        }
    }
}

fn write(stream: Stream, line: &mut Vec<u8>, log: &InstanceLog) {
    let text = String::from_utf8_lossy(line.trim_ascii_end());
    let written: Result<(), Infallible> = log.write(stream.level(), || Ok(Cow::Borrowed(&*text)));
    // Its error is one that can't be.
    let Ok(()) = written;
    line.clear();
}
