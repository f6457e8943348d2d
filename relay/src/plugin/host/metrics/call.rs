//! What one instance counts during a call. It takes effect once the relay took the call's verdicts; with an instance
//! that faulted it is dropped.

use std::collections::HashMap;

use super::registry::{GuestMetrics, Handle, Series};

/// Labels of one series beside the plugin's name: each multiplies what a monitoring system has to keep.
const LABELS: usize = 8;

/// Bytes of a metric's or a label's name.
const LONGEST_NAME: usize = 64;

/// Bytes of a label's value.
const LONGEST_VALUE: usize = 128;

/// Values of histograms that one call may record: ten for each event of a large batch.
const RECORDINGS: usize = 10_000;

/// Labels that the relay, or Prometheus, gives itself.
const RESERVED: &[&str] = &["plugin", "quantile", "le"];

/// What a guest says of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::plugin::host) enum Update {
    Add(u64),
    Set(f64),
    Record(f64),
}

/// The kind of a metric, which all of its series share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::plugin::host) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Update {
    fn kind(self) -> Kind {
        match self {
            Self::Add(_) => Kind::Counter,
            Self::Set(_) => Kind::Gauge,
            Self::Record(_) => Kind::Histogram,
        }
    }
}

/// What was said of one series during the call.
#[derive(Debug)]
enum Pending {
    Nothing,
    Add(u64),
    Set(f64),
    Record(Vec<f64>),
}

#[derive(Debug)]
struct Known {
    series: Series,
    handle: Option<Handle>,
    pending: Pending,
}

/// The metrics of one instance.
#[derive(Debug, Default)]
pub(in crate::plugin::host) struct CallMetrics {
    /// Places in `known`, by name and labels as one text.
    places: HashMap<Box<str>, usize>,
    known: Vec<Known>,
    touched: Vec<usize>,
    recordings: usize,
    /// Updates that broke a rule, and the first rule.
    refused: u64,
    reason: Option<String>,
    /// Room for the text of a series.
    text: String,
    /// Whether a call about events runs: while it is described or configured a plugin counts nothing.
    is_open: bool,
}

impl CallMetrics {
    /// A call about events begins; what a call before it left is forgotten.
    pub(in crate::plugin::host) fn begin(&mut self) {
        self.forget();
        self.is_open = true;
    }

    /// Notes an update, at most `most` series.
    pub(in crate::plugin::host) fn note(
        &mut self,
        name: &str,
        labels: &[(impl AsRef<str>, impl AsRef<str>)],
        update: Update,
        most: usize,
    ) {
        if !self.is_open {
            return;
        }
        if let Err(reason) = self.noted(name, labels, update, most) {
            self.refuse(reason);
        }
    }

    /// Counts an update that breaks a rule.
    pub(in crate::plugin::host) fn refuse(&mut self, reason: String) {
        self.refused += 1;
        self.reason.get_or_insert(reason);
    }

    fn noted(
        &mut self,
        name: &str,
        labels: &[(impl AsRef<str>, impl AsRef<str>)],
        update: Update,
        most: usize,
    ) -> Result<(), String> {
        let is_long =
            |(label, value): &(_, _)| is_longer(label, LONGEST_NAME) || is_longer(value, LONGEST_VALUE);
        if is_longer(&name, LONGEST_NAME) || labels.iter().any(is_long) {
            // Which rule it breaks, without a copy of what may be megabytes.
            return checked(name, labels, update.kind()).map(|_| ());
        }
        self.text.clear();
        self.text.push_str(name);
        for (label, value) in labels {
            // Neither may hold it, which is checked before a series is kept under this text.
            self.text.push('\0');
            self.text.push_str(label.as_ref());
            self.text.push('\0');
            self.text.push_str(value.as_ref());
        }
        let place = match self.places.get(self.text.as_str()) {
            Some(place) => *place,
            None => {
                let series = checked(name, labels, update.kind())?;
                if self.known.len() >= most {
                    return Err(format!("it has more than {most} series"));
                }
                self.places.insert(self.text.as_str().into(), self.known.len());
                self.known.push(Known { series, handle: None, pending: Pending::Nothing });
                self.known.len() - 1
            }
        };
        let known = &mut self.known[place];
        if known.series.kind != update.kind() {
            return Err(format!("{name:?} is a metric of several kinds"));
        }
        if matches!(known.pending, Pending::Nothing) {
            self.touched.push(place);
        }
        match update {
            Update::Set(value) | Update::Record(value) if !value.is_finite() => {
                return Err(format!("{name:?} is set to what is no number"));
            }
            Update::Add(delta) => match &mut known.pending {
                Pending::Add(sum) => *sum = sum.saturating_add(delta),
                other => *other = Pending::Add(delta),
            },
            Update::Set(value) => known.pending = Pending::Set(value),
            Update::Record(_) if self.recordings >= RECORDINGS => {
                return Err(format!("it records more than {RECORDINGS} values in one call"));
            }
            Update::Record(value) => {
                self.recordings += 1;
                match &mut known.pending {
                    Pending::Record(values) => values.push(value),
                    other => *other = Pending::Record(vec![value]),
                }
            }
        }
        Ok(())
    }

    /// The call's verdicts were taken: what it counted takes effect.
    pub(in crate::plugin::host) fn publish(&mut self, metrics: &GuestMetrics) {
        for place in self.touched.drain(..) {
            let known = &mut self.known[place];
            let pending = std::mem::replace(&mut known.pending, Pending::Nothing);
            let handle = match &known.handle {
                Some(handle) => handle.clone(),
                None => match metrics.handle(&known.series) {
                    Ok(handle) => known.handle.insert(handle).clone(),
                    Err(reason) => {
                        self.refused += 1;
                        self.reason.get_or_insert(reason);
                        continue;
                    }
                },
            };
            match (handle, pending) {
                (Handle::Counter(counter), Pending::Add(delta)) => {
                    #[cfg(test)]
                    metrics.note_counted(&known.series.name, delta);
                    counter.increment(delta);
                }
                (Handle::Gauge(gauge), Pending::Set(value)) => gauge.set(value),
                (Handle::Histogram(histogram), Pending::Record(values)) => {
                    values.into_iter().for_each(|value| histogram.record(value));
                }
                // A series has one kind, and its handle has that.
                _ => {}
            }
        }
        if self.refused > 0 {
            metrics.tell_refused(self.refused, self.reason.as_deref().unwrap_or_default());
        }
        self.forget();
    }

    /// What the call counted is nobody's.
    pub(in crate::plugin::host) fn forget(&mut self) {
        for place in self.touched.drain(..) {
            self.known[place].pending = Pending::Nothing;
        }
        (self.recordings, self.refused, self.reason, self.is_open) = (0, 0, None, false);
    }
}

fn checked(name: &str, labels: &[(impl AsRef<str>, impl AsRef<str>)], kind: Kind) -> Result<Series, String> {
    check_name("metric", name)?;
    if labels.len() > LABELS {
        return Err(format!("{name:?} has more than {LABELS} labels"));
    }
    let mut kept: Vec<(String, String)> = Vec::with_capacity(labels.len());
    for (label, value) in labels {
        let (label, value) = (label.as_ref(), value.as_ref());
        check_name("label", label)?;
        if RESERVED.contains(&label) || label.starts_with("__") {
            return Err(format!("the label {label:?} of {name:?} is the relay's own"));
        }
        if kept.iter().any(|(other, _)| other == label) {
            return Err(format!("{name:?} has the label {label:?} twice"));
        }
        if value.len() > LONGEST_VALUE || value.chars().any(char::is_control) {
            return Err(format!(
                "the label {label:?} of {name:?} has control characters or more than {LONGEST_VALUE} bytes"
            ));
        }
        kept.push((label.to_owned(), value.to_owned()));
    }
    Ok(Series { name: name.to_owned(), labels: kept, kind })
}

fn is_longer(text: &impl AsRef<str>, most: usize) -> bool {
    text.as_ref().len() > most
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let starts_well = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    if starts_well && name.len() <= LONGEST_NAME && name.chars().all(fits) {
        return Ok(());
    }
    // The guest chose it.
    let shown = crate::plugin::host::log::printable(name, LONGEST_NAME);
    Err(format!("{shown:?} is not the name of a {what}: a-z, A-Z, 0-9 and _, {LONGEST_NAME} at most"))
}

/// How many labels one question may bring.
pub(in crate::plugin::host) fn may_have(labels: usize) -> bool {
    labels <= LABELS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(&str, &str); 0] = [];

    type Said<'s> = (&'s str, &'s [(&'s str, &'s str)], Update);

    fn counted(updates: &[Said<'_>]) -> (Vec<String>, Option<String>) {
        let mut metrics = CallMetrics::default();
        metrics.begin();
        for (name, labels, update) in updates {
            metrics.note(name, labels, *update, 3);
        }
        let shown = |place: &usize| {
            let Known { series, pending, .. } = &metrics.known[*place];
            format!("{}{:?} {pending:?}", series.name, series.labels)
        };
        (metrics.touched.iter().map(shown).collect(), metrics.reason.clone())
    }

    #[test]
    fn updates_of_one_series_are_one() {
        let (found, refused) = counted(&[
            ("a", &[], Update::Add(1)),
            ("a", &[("kind", "x")], Update::Add(5)),
            ("a", &[], Update::Add(2)),
            ("b", &[], Update::Set(1.0)),
            ("b", &[], Update::Set(2.0)),
        ]);
        assert_eq!(found, ["a[] Add(3)", "a[(\"kind\", \"x\")] Add(5)", "b[] Set(2.0)"]);
        assert_eq!(refused, None);
    }

    #[test]
    fn names_labels_values_and_their_number_are_limited() {
        let long = "x".repeat(LONGEST_VALUE + 1);
        let refused = |name: &str, labels: &[(&str, &str)], update| {
            let (found, reason) = counted(&[(name, labels, update)]);
            assert!(found.is_empty() || !matches!(update, Update::Add(_)), "{found:?}");
            reason.unwrap()
        };
        let one = Update::Add(1);
        for name in ["", "1a", "a-b", "ä", "a\nb", &"x".repeat(LONGEST_NAME + 1)] {
            assert!(refused(name, &[], one).contains("is not the name of a metric"), "{name:?}");
        }
        assert!(refused("a", &[("a b", "")], one).contains("is not the name of a label"));
        assert!(refused("a", &[("plugin", "other")], one).contains("the relay's own"));
        assert!(refused("a", &[("__name__", "other")], one).contains("the relay's own"));
        assert!(refused("a", &[("b", "1"), ("b", "2")], one).contains("twice"));
        assert!(refused("a", &[("b", &long)], one).contains("128 bytes"));
        assert!(refused("a", &[("b", "x\0y")], one).contains("control characters"));
        assert!(refused("a", &[("b", "1"); 9], one).contains("more than 8 labels"));
        assert!(refused("a", &[], Update::Set(f64::NAN)).contains("no number"));
        let many = [("a", one), ("b", one), ("c", one), ("d", one)].map(|(name, it)| (name, &[][..], it));
        assert!(counted(&many).1.unwrap().contains("more than 3 series"));
        let kinds = [("a", &[][..], one), ("a", &[][..], Update::Set(1.0))];
        assert!(counted(&kinds).1.unwrap().contains("several kinds"));
    }

    #[test]
    fn recordings_of_one_call_are_bounded_and_nothing_counts_outside_of_calls() {
        let mut metrics = CallMetrics::default();
        metrics.note("a", &NONE, Update::Add(1), 3);
        assert!(metrics.touched.is_empty() && metrics.known.is_empty());
        metrics.begin();
        for _ in 0..=RECORDINGS {
            metrics.note("a", &NONE, Update::Record(1.0), 3);
        }
        assert!(metrics.reason.clone().unwrap().contains("more than 10000 values"));
        metrics.begin();
        assert!(metrics.touched.is_empty(), "a call that was not published leaves nothing");
    }
}
