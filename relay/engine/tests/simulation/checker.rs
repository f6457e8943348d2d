//! What must hold at every step and at the end.

use std::collections::HashMap;

/// What a receiver stored, event by event, in the order it stored them.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Every store, duplicates too.
    pub(crate) log: Vec<usize>,
    first_of_key: HashMap<u64, Vec<usize>>,
    count: HashMap<usize, usize>,
}

impl Observed {
    /// Notes that the receiver stored `event` of `key`, and checks that it does not come after a later event of
    /// its key for the first time. `may_overtake` are events that an operator or a policy let pass by.
    pub(crate) fn store(&mut self, key: u64, event: usize, overtaken: bool) -> Result<(), String> {
        self.log.push(event);
        let count = self.count.entry(event).or_default();
        *count += 1;
        if *count > 1 {
            return Ok(());
        }
        let order = self.first_of_key.entry(key).or_default();
        if let Some(last) = order.last()
            && *last > event
            && !overtaken
        {
            return Err(format!("order: event {event} of key {key} first arrived after event {last}"));
        }
        order.push(event);
        Ok(())
    }

    pub(crate) fn holds(&self, event: usize) -> bool {
        self.count.contains_key(&event)
    }
}
