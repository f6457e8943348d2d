//! From the engine's settlement, in numbers, to the store's, with the events themselves.

use relay_engine::engine::{
    HeldPlan, HeldState as EngineState, OnDead, RetriedPlan, RetryResult as EngineResult, SettlePlan,
    with_its_key,
};

use super::live::LiveBatches;
use crate::store::{HeldEvent, HeldState, Retried, RetryResult, Settlement};

/// Looks up what the plan names. `generation` is that of the lane now: no window spans two.
pub(super) fn settlement(
    plan: &SettlePlan,
    batches: &LiveBatches,
    generation: Vec<String>,
    on_dead: OnDead,
) -> Settlement {
    Settlement {
        position: plan
            .progress
            .and_then(|progress| batches.get(progress.through.batch)?.position_after(progress.through.event)),
        generation,
        held: plan.held.iter().filter_map(|held| held_event(held, batches)).collect(),
        retried: plan.retried.iter().filter_map(|retried| retried_event(retried, batches)).collect(),
        delivered: plan.delivered,
        discarded: plan.discarded,
        skip_dead: on_dead == OnDead::SkipAfterDeadLetter,
        buries: (on_dead == OnDead::ParkKey).then(with_its_key),
    }
}

fn held_event(held: &HeldPlan, batches: &LiveBatches) -> Option<HeldEvent> {
    let batch = batches.get(held.at.batch)?;
    let event = batch.event(held.at.event)?;
    Some(HeldEvent {
        event: event.into(),
        key: event.key_id(),
        state: state(held.state),
        messages: batch.rendered(held.at.event),
        delivered: batch.slots(&held.delivered),
        attempts: held.attempts,
        failure: held.failure.clone(),
        generation: batch.generation.to_vec(),
    })
}

fn retried_event(retried: &RetriedPlan, batches: &LiveBatches) -> Option<Retried> {
    let batch = batches.get(retried.at.batch)?;
    let event = batch.event(retried.at.event)?;
    let result = match &retried.result {
        EngineResult::Done => RetryResult::Done,
        EngineResult::Held { state: engine_state, attempts, failure, delivered } => RetryResult::Held {
            state: state(*engine_state),
            attempts: *attempts,
            failure: failure.clone(),
            messages: batch.newly_rendered(retried.at.event),
            delivered: batch.slots(delivered),
        },
    };
    Some(Retried { event_id: event.id().to_owned(), key: event.key_id(), result })
}

fn state(state: EngineState) -> HeldState {
    match state {
        EngineState::Parked { after } => HeldState::Parked { after },
        EngineState::Blocked => HeldState::Blocked,
        EngineState::Dead => HeldState::Dead,
    }
}
