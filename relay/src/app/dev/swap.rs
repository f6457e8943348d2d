//! A build on its way into the running relay, and where the time went.

use std::time::Instant;

use super::news::Parts;

/// What is known of a build on its way. The relay may be faster than what is done with the build here, so that its parts
/// come in any order.
#[derive(Debug, Default)]
pub(super) struct Swap {
    /// Without it nobody saved: the relay went back to an earlier build by itself.
    pub(super) built: Option<Saved>,
    loaded: Option<(Instant, String)>,
    taken: Option<Instant>,
}

/// A build that ended well.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saved {
    /// When its source was saved.
    pub(super) saved: Instant,
    /// When there was a component.
    pub(super) component: Instant,
    /// When that was in its place.
    pub(super) in_place: Instant,
}

/// A swap that nothing is missing of but a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done<'a> {
    built: Saved,
    loaded: Instant,
    pub(super) taken: Instant,
    /// The build's digest.
    pub(super) to: &'a str,
}

impl Swap {
    /// Whether the relay loaded this build.
    pub(super) fn is_to(&self, digest: &str) -> bool {
        self.loaded.as_ref().is_some_and(|(_, loaded)| loaded == digest)
    }

    /// The relay loaded a build. A lane may have told that it took it before.
    pub(super) fn loaded(&mut self, digest: String, at: Instant) {
        if !self.is_to(&digest) {
            self.loaded = Some((at, digest));
            self.taken = None;
        }
    }

    /// A lane took the build that was loaded last. Returns whether it was the first one.
    pub(super) fn taken(&mut self, at: Instant) -> bool {
        let is_first = self.taken.is_none();
        self.taken.get_or_insert(at);
        is_first
    }

    /// The whole of it, once a lane took what was saved.
    pub(super) fn done(&self) -> Option<Done<'_>> {
        let (loaded, to) = self.loaded.as_ref()?;
        Some(Done { built: self.built?, loaded: *loaded, taken: self.taken?, to })
    }
}

impl Done<'_> {
    /// Where the time went, up to a message at `output`.
    pub(super) fn parts(&self, output: Option<Instant>) -> Parts {
        let Saved { saved, component, in_place } = self.built;
        let since = |later: Instant, earlier: Instant| later.saturating_duration_since(earlier);
        Parts {
            build: since(component, saved),
            compile: since(in_place, component),
            load: since(self.loaded, in_place),
            swap: since(self.taken, self.loaded),
            first_output: output.map(|at| since(at, self.taken)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_relay_did_by_itself_is_no_swap_of_a_save() {
        let at = Instant::now();
        let later = |milliseconds| at + Duration::from_millis(milliseconds);
        let mut swap = Swap::default();
        swap.loaded("old".to_owned(), at);
        assert!(swap.taken(at) && !swap.taken(at));
        assert!(swap.done().is_none());

        swap.built = Some(Saved { saved: at, component: later(400), in_place: later(500) });
        swap.loaded("new".to_owned(), later(600));
        assert!(swap.done().is_none(), "no lane took it yet");
        assert!(swap.taken(later(601)));
        // Told again, after the lane.
        swap.loaded("new".to_owned(), later(700));
        let parts = swap.done().unwrap().parts(Some(later(611)));
        let milliseconds = [parts.build, parts.compile, parts.load, parts.swap].map(|it| it.as_millis());
        assert_eq!(milliseconds, [400, 100, 100, 1]);
        assert_eq!((parts.total(), swap.is_to("new")), (Duration::from_millis(611), true));
    }
}
