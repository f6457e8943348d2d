//! The model receiver and the network before it.

use std::collections::VecDeque;

use relay_engine::engine::BatchId;
use relay_engine::outcome::Failure;

use crate::outbox::DESTINATIONS;

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) relay: usize,
    pub(crate) session: u64,
    pub(crate) batch: BatchId,
    pub(crate) message: u32,
    pub(crate) event: usize,
    pub(crate) slot: u32,
    pub(crate) destination: usize,
}

/// An answer on its way back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) flight: Flight,
    pub(crate) result: Result<(), Failure>,
}

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) up: bool,
    pub(crate) destinations_up: Vec<bool>,
    pub(crate) flights: Vec<Flight>,
    pub(crate) answers: Vec<Answer>,
    /// Messages nobody waits for any more that may still arrive: each queue in its order, or be cut off.
    pub(crate) late: Vec<VecDeque<Flight>>,
}

impl Sink {
    pub(crate) fn new() -> Self {
        Self {
            up: true,
            destinations_up: (0..DESTINATIONS).map(|_| true).collect(),
            flights: Vec::new(),
            answers: Vec::new(),
            late: Vec::new(),
        }
    }

    pub(crate) fn is_up(&self, destination: usize) -> bool {
        self.up && self.destinations_up[destination]
    }

    /// The flight that arrives first on the connection of the one at `index`: with prefixes nothing overtakes.
    pub(crate) fn first_of_connection(&self, index: usize) -> usize {
        let chosen = &self.flights[index];
        let same = |it: &Flight| it.session == chosen.session && it.destination == chosen.destination;
        self.flights.iter().position(same).unwrap_or(index)
    }

    /// Takes all that is on the connection of `flight`, in order.
    pub(crate) fn cut_connection(&mut self, flight: &Flight) -> Vec<Flight> {
        let same = |it: &Flight| it.session == flight.session && it.destination == flight.destination;
        let (cut, rest) = std::mem::take(&mut self.flights).into_iter().partition(same);
        self.flights = rest;
        cut
    }

    /// The relay that sent these is gone: what it sent may still arrive.
    pub(crate) fn orphan(&mut self, session: u64, ordered_prefix: bool) {
        while let Some(first) = self.flights.iter().find(|it| it.session == session).cloned() {
            let connection = self.cut_connection(&first);
            if ordered_prefix {
                self.late.push(connection.into());
            } else {
                self.late.extend(connection.into_iter().map(|it| VecDeque::from([it])));
            }
        }
    }

    /// Events of the same key that are still on their way.
    pub(crate) fn on_their_way(&self) -> impl Iterator<Item = usize> {
        self.flights.iter().chain(self.late.iter().flatten()).map(|it| it.event)
    }
}
