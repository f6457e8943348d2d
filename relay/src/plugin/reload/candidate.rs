//! Decides from readings of a file when it holds a new build.

use std::io;

use tokio::time::{Duration, Instant};

use crate::plugin::host::{Build, Digest};

/// How far apart two equal readings must be. A writer that pauses for longer leaves half a component, which is
/// then refused; its last write leads to the next look.
pub(super) const STABLE_FOR: Duration = Duration::from_millis(100);

/// What one reading of a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A file with this digest.
    Found(Digest),
    /// No file that can be read.
    Unreadable(io::ErrorKind),
}

impl Reading {
    /// What `read` found.
    pub(super) fn of(read: &io::Result<Build>) -> Self {
        match read {
            Ok(build) => Self::Found(build.digest()),
            Err(error) => Self::Unreadable(error.kind()),
        }
    }
}

/// What to do after a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing new is there.
    Rest,
    /// Read again at this time.
    LookAt(Instant),
    /// The reading is new, and stable.
    Judge,
}

/// What is known of one file.
#[derive(Debug)]
pub(super) struct Candidate {
    current: Reading,
    refused: Option<Reading>,
    pending: Option<(Reading, Instant)>,
}

impl Candidate {
    /// The build with `digest` runs.
    pub(super) fn running(digest: Digest) -> Self {
        Self { current: Reading::Found(digest), refused: None, pending: None }
    }

    /// Nothing runs.
    pub(super) fn nothing() -> Self {
        Self { current: Reading::Unreadable(io::ErrorKind::NotFound), refused: None, pending: None }
    }

    /// When the file must be read again, whatever else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.map(|(_, since)| since + STABLE_FOR)
    }

    /// The file read as `reading` at `now`.
    pub(super) fn observe(&mut self, reading: Reading, now: Instant) -> Next {
        if reading == self.current || Some(reading) == self.refused {
            self.pending = None;
            return Next::Rest;
        }
        match self.pending {
            Some((pending, since)) if pending == reading => {
                if now < since + STABLE_FOR {
                    return Next::LookAt(since + STABLE_FOR);
                }
                self.pending = None;
                Next::Judge
            }
            _ => {
                self.pending = Some((reading, now));
                Next::LookAt(now + STABLE_FOR)
            }
        }
    }

    /// The build that runs.
    pub(super) fn current(&self) -> Reading {
        self.current
    }

    /// The running build is in its place again.
    pub(super) fn is_current(&self, reading: Reading) -> bool {
        reading == self.current
    }

    /// What was judged last was refused: it is not judged again until something else was there.
    pub(super) fn refuse(&mut self, reading: Reading) {
        self.refused = Some(reading);
    }

    /// What was refused no longer counts.
    pub(super) fn forget_refusal(&mut self) {
        self.refused = None;
    }

    /// The build with `digest` runs from now on.
    pub(super) fn accept(&mut self, digest: Digest) {
        *self = Self::running(digest);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plugin::host::Build;

    fn digest(bytes: &str) -> Digest {
        Build::new(bytes.as_bytes().to_vec(), &json!({})).digest()
    }

    fn found(bytes: &str) -> Reading {
        Reading::Found(digest(bytes))
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_counts_once_it_was_the_same_twice_some_time_apart() {
        let mut candidate = Candidate::running(digest("old"));
        let start = Instant::now();
        assert_eq!(candidate.observe(found("half"), start), Next::LookAt(start + STABLE_FOR));
        let later = start + STABLE_FOR;
        assert_eq!(candidate.observe(found("whole"), later), Next::LookAt(later + STABLE_FOR));
        assert_eq!(
            candidate.observe(found("whole"), later + STABLE_FOR / 2),
            Next::LookAt(later + STABLE_FOR)
        );
        assert_eq!(candidate.due(), Some(later + STABLE_FOR));
        assert_eq!(candidate.observe(found("whole"), later + STABLE_FOR), Next::Judge);
        assert_eq!(candidate.due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_not_judged_again() {
        let mut candidate = Candidate::running(digest("old"));
        let now = Instant::now();
        candidate.refuse(found("bad"));
        assert_eq!(candidate.observe(found("bad"), now), Next::Rest);
        assert_eq!(candidate.observe(found("old"), now), Next::Rest);
        candidate.forget_refusal();
        assert_eq!(candidate.observe(found("bad"), now), Next::LookAt(now + STABLE_FOR));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_comes_back_as_it_was_is_nothing_new() {
        let mut candidate = Candidate::running(digest("old"));
        let now = Instant::now();
        let gone = Reading::Unreadable(io::ErrorKind::NotFound);
        assert_eq!(candidate.observe(gone, now), Next::LookAt(now + STABLE_FOR));
        assert_eq!(candidate.observe(found("old"), now), Next::Rest);
        assert_eq!(candidate.due(), None);
    }
}
