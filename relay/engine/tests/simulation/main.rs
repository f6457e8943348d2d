//! Seeded simulation: the real engine in up to three relays, between a model outbox, sink and store that fail,
//! delay, reorder, repeat and lose, and relays that die, stop, stand still and overtake each other.
//!
//! - `RELAY_SEEDS=10000` runs that many seeds; each is one run with faults of its own choice.
//! - A failing seed is shrunk; the test prints the smallest case with its trace, and the command that runs it again:
//!   `RELAY_CASE='seed=… …' cargo test -p relay-engine --test simulation replay -- --nocapture`.
//!   `RELAY_PLANTED=NoTermCheck` plants a bug in it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a model that breaks its own bounds must stop the test"
)]

mod case;
mod checker;
mod faults;
mod outbox;
mod planted;
mod random;
mod relay;
mod shell;
mod shrink;
mod sink;
mod store;
mod world;
mod writing;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use case::Case;
use checker::Violation;
use planted::Planted;
use shrink::shrink;
use world::World;

/// Enough to meet every planted bug many times over; `./tests/run` asks for more.
const SEEDS: u64 = 3_000;
/// Lines of a trace that are printed, the newest.
const TRACE: usize = 150;

fn seeds() -> u64 {
    std::env::var("RELAY_SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(SEEDS)
}

/// The lowest seed that breaks a promise, as far as it was looked for.
fn first_failure(planted: Planted) -> Option<(Case, Violation)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, last) = (AtomicU64::new(0), AtomicU64::new(seeds()));
    let found: Mutex<Option<(Case, Violation)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last.load(Ordering::Relaxed) {
                        return;
                    }
                    let case = Case::of(seed);
                    if let (Err(violation), _) = World::new(case, planted, false).run() {
                        last.fetch_min(seed, Ordering::Relaxed);
                        let mut found = found.lock().unwrap();
                        if found.as_ref().is_none_or(|(it, _)| it.seed > seed) {
                            *found = Some((case, violation));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

fn report(case: Case, planted: Planted, violation: Violation) -> String {
    let first = case;
    let (case, violation) = shrink(case, planted, violation);
    let (_, trace) = World::new(case, planted, true).run();
    let skipped = trace.len().saturating_sub(TRACE);
    format!(
        "{}: {}\nfirst seen with {first}\n\n{}\n\nreplay: RELAY_CASE='{case}' \
         cargo test -p relay-engine --test simulation replay -- --nocapture",
        violation.promise,
        violation.what,
        trace[skipped..].join("\n")
    )
}

#[test]
fn nothing_is_lost_reordered_repeated_or_invented_under_any_schedule_of_faults() {
    if let Some((case, violation)) = first_failure(Planted::None) {
        panic!("{}", report(case, Planted::None, violation));
    }
}

/// Runs the case in `RELAY_CASE` and prints its trace; without one, checks that a case survives its text form.
#[test]
fn replay() {
    let Ok(text) = std::env::var("RELAY_CASE") else {
        for seed in 0..100 {
            let case = Case::of(seed);
            assert_eq!(case.to_string().parse::<Case>(), Ok(case));
        }
        return;
    };
    let planted = std::env::var("RELAY_PLANTED").unwrap_or_default();
    let planted = Planted::ALL.into_iter().find(|it| format!("{it:?}") == planted).unwrap_or(Planted::None);
    let (checked, trace) = World::new(text.parse().unwrap(), planted, true).run();
    println!("{}", trace.join("\n"));
    if let Err(violation) = checked {
        panic!("{}: {}", violation.promise, violation.what);
    }
}

/// Each planted bug must be found, or the checker proves nothing.
fn assert_found(planted: Planted) {
    let (case, violation) = first_failure(planted).unwrap_or_else(|| panic!("{planted:?} was not found"));
    println!("{planted:?}: seed {}, {}: {}", case.seed, violation.promise, violation.what);
}

macro_rules! found {
    ($($test:ident: $planted:ident),+ $(,)?) => {
        $(#[test] fn $test() { assert_found(Planted::$planted); })+
        impl Planted {
            const ALL: [Self; [$(Planted::$planted),+].len()] = [$(Planted::$planted),+];
        }
    };
}

found! {
    settling_before_the_acknowledgement_is_found: SettleBeforeAcknowledgement,
    moving_progress_over_an_unrecorded_parked_event_is_found: CursorOverParked,
    a_store_that_does_not_compare_terms_is_found: NoTermCheck,
    charging_attempts_for_an_outage_is_found: ChargeOutage,
    charging_attempts_for_a_shutdown_is_found: ChargeShutdown,
    sending_an_event_past_a_held_one_of_its_key_is_found: ForgetHeldKeys,
    sending_a_delivered_message_of_a_parked_event_again_is_found: ForgetDeliveredSlots,
    taking_a_lost_answer_for_an_acknowledgement_is_found: AcknowledgeUnknown,
    numbering_batches_anew_in_each_session_is_found: ReuseBatchNumbers,
    taking_a_settlement_of_unknown_outcome_for_recorded_is_found: TrustLostSettlement,
    leaving_the_next_event_of_a_key_blocked_is_found: NoPromotion,
    pipelining_a_key_into_a_sink_without_order_is_found: WrongSinkTrait,
    events_that_wait_behind_a_parked_key_are_found: NoBurial,
    a_storm_of_dead_letters_is_found: NoStorms,
    a_side_table_without_limits_is_found: NoLimits,
    forgetting_when_the_next_retry_is_due_is_found: NoNextDue,
}
