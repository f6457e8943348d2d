//! Makes a failing run small enough to be read.

use crate::case::Case;
use crate::checker::Violation;
use crate::planted::Planted;
use crate::world::World;

/// Runs spent on shrinking: some seconds.
const RUNS: usize = 3_000;
/// Seeds tried for each smaller case: what is left out changes the rest of the schedule.
const SEEDS: u64 = 25;

/// The smallest case found that breaks the same promise.
pub(crate) fn shrink(case: Case, planted: Planted, violation: Violation) -> (Case, Violation) {
    let mut smallest = (case, violation);
    let mut runs = 0;
    'smaller: loop {
        for candidate in smaller(smallest.0) {
            for offset in 0..SEEDS {
                runs += 1;
                if runs > RUNS {
                    return smallest;
                }
                let candidate = Case { seed: candidate.seed.wrapping_add(offset * 7_919), ..candidate };
                if let (Err(found), _) = World::new(candidate, planted, false).run()
                    && found.promise == smallest.1.promise
                {
                    smallest = (candidate, found);
                    continue 'smaller;
                }
            }
        }
        return smallest;
    }
}

/// Cases with less in them, those with much less first.
fn smaller(case: Case) -> Vec<Case> {
    let mut all = Vec::new();
    if case.events > 1 {
        all.push(Case { events: case.events / 2, ..case });
        all.push(Case { events: case.events - 1, ..case });
    }
    if case.budget > 0 {
        all.push(Case { budget: case.budget / 2, ..case });
        all.push(Case { budget: case.budget - 1, ..case });
    }
    all.extend(case.faults.iter().map(|fault| Case { faults: case.faults.without(fault), ..case }));
    if case.relays > 1 {
        all.push(Case { relays: case.relays - 1, ..case });
    }
    if case.keys > 1 {
        all.push(Case { keys: case.keys - 1, ..case });
    }
    all
}
