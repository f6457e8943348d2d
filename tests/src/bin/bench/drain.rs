//! The whole relay drains the backlog.

use std::time::{Duration, Instant};

use relay_tests::program::{Destinations, Profile, Relay, Window, component, settings};

use crate::Outcome;
use crate::arguments::SinkKind;
use crate::report::Stage;
use crate::site::{Site, Target};

/// How often the sink is counted: cheap beside what is measured, fine beside how long it takes.
const LOOK: Duration = Duration::from_millis(100);
/// Without a new message for so long, it is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Starts the release build of the relay on the loaded outbox and waits until the sink holds `events` messages.
///
/// The rate is taken from the first message seen at the sink; processor time and memory are those of the relay's
/// whole life, its start and the compilation of the plugin included.
pub(crate) async fn relay(site: &Site, sink: SinkKind, events: u64, round: u32) -> Outcome<Stage> {
    eprintln!("round {round}: relay to {}", sink.name());
    let name = format!("relay-{}-{round}", sink.name());
    let target = site.target(sink, &name).await?;
    site.forget_progress().await?;
    let text =
        settings(&site.url, &component("router").await?, destinations(&target, &name), Window::Standard);
    let mut relay = Relay::start_built(&text, Profile::Release).await?;
    let elapsed = wait_until_drained(&mut relay, &target, &name, events).await?;
    let usage = relay.usage();
    relay.stop(STUCK).await?;
    let arrived = target.count(&name).await?;
    if arrived != events {
        return Err(format!("{} holds {arrived} messages and not {events}", sink.name()).into());
    }
    Ok(Stage {
        name: format!("relay: postgres, router, {}", sink.name()),
        round,
        events: elapsed.events,
        seconds: elapsed.time.as_secs_f64(),
        processor_seconds_per_million: usage.processor.as_secs_f64() * 1e6 / events as f64,
        peak_memory_mib: Some(usage.peak_memory as f64 / 1024.0),
    })
}

fn destinations<'a>(target: &'a Target, name: &'a str) -> Destinations<'a> {
    let mut to = Destinations::default();
    match target {
        Target::Kafka { brokers, .. } => to.kafka = Some((brokers, name)),
        Target::Nats { url, .. } => to.nats = Some((url, name)),
        Target::Http { url, .. } => to.http = Some((url, "/orders")),
    }
    to
}

struct Elapsed {
    events: u64,
    time: Duration,
}

async fn wait_until_drained(relay: &mut Relay, target: &Target, name: &str, events: u64) -> Outcome<Elapsed> {
    let mut first: Option<(u64, Instant)> = None;
    let (mut last, mut moved) = (0, Instant::now());
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let count = target.count(name).await?;
        let now = Instant::now();
        if count > last {
            (last, moved) = (count, now);
        }
        if count >= events {
            let (seen, since) = first.unwrap_or((0, now - LOOK));
            return Ok(Elapsed { events: count - seen, time: now - since });
        }
        if count > 0 && first.is_none() {
            first = Some((count, now));
        }
        if now - moved > STUCK || relay.ended().is_some() {
            return Err(format!("the relay ended or is stuck at {count}; its log:\n{}", relay.log()).into());
        }
    }
}
