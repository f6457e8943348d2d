//! The relay is killed (SIGKILL) at each point of an event's way.
//!
//! Nothing in the program helps: the test holds back what has to come next (a lock, an answer, a server), sees from
//! outside that the relay waits just there, and kills it. So each test knows exactly what may arrive twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use relay_tests::hostile::{HOSTILITIES, obliging};
use relay_tests::journal::check;
use relay_tests::program::Relay;
use relay_tests::stack::{Answer, free_port};

use crate::http_shop::HttpShop;
use crate::keyed_shop::{count, dead};
use crate::kill_stage::{AT_ONCE, KillStage, LANES, LIMIT};
use crate::metrics;
use crate::relay_tables::{READING, RelayTables, WRITING};

/// The statement that moves a lane. It gives up after five seconds of waiting; a kill takes one.
pub(crate) const SETTLEMENT: &str = "%version = version + 1%";

fn each(count: u64) -> BTreeMap<&'static str, usize> {
    let count = usize::try_from(count).unwrap();
    ["http", "kafka", "nats"].map(|sink| (sink, count)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_claim_and_the_first_read_repeats_nothing() {
    let mut stage = KillStage::open("kill-claimed").await;
    let before = stage.tables.lanes().await;
    stage.relay.stop(LIMIT).await.unwrap();
    stage.write().await;
    let gate = stage.tables.lock("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE").await;
    for kill in 1..=2 {
        stage.relay.restart().unwrap();
        stage.tables.wait_for_waiting(READING, "%outbox%", LANES, &stage.relay, LIMIT).await;
        stage.relay.kill();
        let claimed = stage.tables.lanes().await;
        for (lane, before) in claimed.iter().zip(&before) {
            assert_eq!((lane.term, lane.sequence), (before.term + kill, before.sequence), "{lane:?}");
        }
    }
    gate.open().await;
    assert_eq!(stage.start_again().await, each(0));
    let after = stage.finish().await;
    assert!(after.iter().zip(&before).all(|(lane, before)| lane.term == before.term + 3), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_anything_was_sent_repeats_nothing_and_one_before_the_answers_repeats_what_was_sent() {
    let (mut stage, proxies) = KillStage::open_behind_proxies("kill-sending").await;
    let admin = format!("127.0.0.1:{}", free_port().unwrap());
    // The producer leaves at most five requests unanswered, so they all have to go in one.
    let in_one_request = "type = \"kafka\"\nproperties = { \"linger.ms\" = \"200\" }";
    let settings = stage.shop.settings.replace("\"off\"", &format!("\"{admin}\""));
    let settings = settings.replace("type = \"kafka\"", in_one_request);
    stage.relay.stop(LIMIT).await.unwrap();
    std::fs::write(stage.relay.folder().join("relay.toml"), settings).unwrap();
    stage.relay.restart().unwrap();
    stage.relay.wait_for_log("\"reading\"", 2 * LANES, LIMIT).await.unwrap();

    // The plugin has made the messages, and there is nobody to send them to.
    stage.shop.receiver.stop();
    proxies.kafka.cut();
    proxies.nats.cut();
    stage.write().await;
    metrics::wait_for(&admin, "relay_window_events", LANES, AT_ONCE, &stage.relay, LIMIT).await;
    stage.relay.kill();
    stage.shop.receiver.restart().unwrap();
    proxies.kafka.restore();
    proxies.nats.restore();
    assert_eq!(stage.start_again().await, each(0));
    stage.wait_until_settled().await;

    // All of them are there, and no answer comes back.
    stage.shop.receiver.answer(Answer::status(200).held());
    proxies.kafka.hold_answers();
    proxies.nats.hold_answers();
    stage.write().await;
    let sent = stage.committed();
    stage.wait_until_arrived(sent).await;
    metrics::wait_for(&admin, "relay_window_events", LANES, AT_ONCE, &stage.relay, LIMIT).await;
    stage.relay.kill();
    stage.shop.receiver.answer(Answer::status(200));
    stage.shop.receiver.release();
    proxies.kafka.restore();
    proxies.nats.restore();
    assert_eq!(stage.start_again().await, each(AT_ONCE));
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_acknowledgement_and_its_settlement_repeats_what_was_acknowledged() {
    let mut stage = KillStage::open("kill-acknowledged").await;
    let before_it_moves = "BEFORE UPDATE ON relay.lane FOR EACH ROW WHEN (OLD.version <> NEW.version)";
    let gate = stage.tables.hold_back(before_it_moves).await;
    stage.write().await;
    let sent = stage.committed();
    stage.wait_until_arrived(sent).await;
    stage.tables.wait_for_waiting(WRITING, SETTLEMENT, LANES, &stage.relay, LIMIT).await;
    stage.relay.kill();
    gate.open().await;
    assert_eq!(stage.start_again().await, each(AT_ONCE));
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_settlement_commits_repeats_nothing_of_what_it_settles() {
    let mut stage = KillStage::open("kill-settled").await;
    let before = stage.tables.lanes().await;
    let once_it_moved = "FOR EACH ROW WHEN (OLD.version <> NEW.version)";
    let gate = stage.tables.hold_back_commit("AFTER UPDATE ON relay.lane", once_it_moved).await;
    stage.write().await;
    let sent = stage.committed();
    stage.wait_until_arrived(sent).await;
    stage.tables.wait_for_waiting(WRITING, "COMMIT%", LANES, &stage.relay, LIMIT).await;
    stage.relay.kill();
    assert_eq!(stage.tables.lanes().await, before, "not settled yet");
    gate.open().await;
    // The database ends what the relay asked for, though nobody waits for the answer.
    let deadline = Instant::now() + LIMIT;
    while stage.tables.lanes().await.iter().zip(&before).any(|(lane, it)| lane.sequence == it.sequence) {
        assert!(Instant::now() < deadline, "{:?}", stage.tables.lanes().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let repeats = stage.start_again().await;
    assert!(repeats.values().all(|it| *it < usize::try_from(AT_ONCE).unwrap()), "{repeats:?}");
    stage.finish().await;
}

/// How long a plugin has computed when its relay is killed.
const COMPUTING: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_plugin_runs_costs_no_attempt_and_repeats_nothing() {
    let endless = HOSTILITIES.iter().find(|it| it.name == "loop").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("plugin.wasm");
    std::fs::write(&plugin, obliging().unwrap()).unwrap();
    let mut shop = HttpShop::open("kill-plugin").await;
    let admin = format!("127.0.0.1:{}", free_port().unwrap());
    let settings = shop.settings_with(&plugin, "time = \"60 s\", batch_time = \"60 s\"");
    let mut relay = Relay::start(&settings.replace("\"off\"", &format!("\"{admin}\""))).await.unwrap();
    let mut tables = RelayTables::of(&shop.url).await;
    shop.write(["order-1", "order-2"]).await;
    tables.wait_until_settled(1, &mut relay, LIMIT).await;
    tables.note_held().await;
    relay.stop(LIMIT).await.unwrap();

    // From the second of these events the plugin does not come back.
    std::fs::write(&plugin, endless.component().unwrap()).unwrap();
    shop.write(["order-1", "order-2", "order-3"]).await;
    tables.execute("UPDATE outbox SET type = 'h' WHERE seq > 2 AND aggregateid = 'order-2'").await;
    relay.restart().unwrap();
    metrics::wait_for(&admin, "relay_events_read_total", 1, 3, &relay, LIMIT).await;
    let began = relay.usage();
    while relay.usage().since(began).processor < COMPUTING {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        metrics::values(&admin, "relay_window_events").await,
        [0.0],
        "none has come out of the plugin"
    );
    relay.kill();
    assert_eq!(shop.receiver.count(), 2);

    std::fs::write(&plugin, obliging().unwrap()).unwrap();
    relay.restart().unwrap();
    tables.wait_until_settled(1, &mut relay, LIMIT).await;
    relay.stop(LIMIT).await.unwrap();
    let report = check(&shop.journal, &shop.accepted(&[]));
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!((report.arrived, report.duplicates), (5, 0), "{report}");
    assert_eq!(tables.were_held().await, [] as [String; 0], "a kill is no event's fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_dead_letter_is_written_leaves_exactly_one() {
    let (before, at_commit) = ("/orders/order-3", "/orders/order-4");
    let mut shop = HttpShop::open("kill-dead").await;
    let retry = "retry = { first = \"10 ms\", max = \"20 ms\", attempts = 3 }";
    let mut relay = Relay::start(&shop.settings(retry).await).await.unwrap();
    let mut tables = RelayTables::of(&shop.url).await;
    shop.write(["order-1", "order-2", "order-3", "order-4"]).await;
    tables.wait_until_settled(1, &mut relay, LIMIT).await;
    shop.receiver.answer_path(before, Answer::status(422));
    shop.receiver.answer_path(at_commit, Answer::status(422));

    // Before its row is written: the third attempt was made and is not recorded, so it is made again.
    let of_a_dead_letter = "FOR EACH ROW WHEN (NEW.state = 'dead')";
    let gate = tables.hold_back(&format!("BEFORE INSERT OR UPDATE ON relay.held {of_a_dead_letter}")).await;
    shop.write(["order-3"]).await;
    shop.write(["order-3"]).await;
    tables.wait_for_waiting(WRITING, "%UPDATE held%", 1, &relay, LIMIT).await;
    relay.kill();
    assert_eq!(shop.requests_for(before), 1 + 3);
    gate.open().await;
    tables.wait_for_held(&[("parked", 2), ("blocked", 0)], &relay, LIMIT).await;
    relay.restart().unwrap();
    tables.wait_for_held(&[("dead", 3), ("blocked", 0)], &relay, LIMIT).await;
    assert_eq!(shop.requests_for(before), 1 + 4);

    // While its row is committed: it is there, and nothing is tried again.
    let gate = tables.hold_back_commit("AFTER INSERT OR UPDATE ON relay.held", of_a_dead_letter).await;
    shop.write(["order-4"]).await;
    tables.wait_for_waiting(WRITING, "COMMIT%", 1, &relay, LIMIT).await;
    relay.kill();
    gate.open().await;
    tables.wait_for_held(&[("dead", 3), ("blocked", 0), ("dead", 3)], &relay, LIMIT).await;
    relay.restart().unwrap();
    shop.write(["order-1", "order-2"]).await;
    tables.wait_until_settled(1, &mut relay, LIMIT).await;
    assert_eq!((shop.requests_for(before), shop.requests_for(at_commit)), (1 + 4, 1 + 3));
    assert_eq!(count(&dead(&relay).await), 2, "exactly one for each");

    shop.receiver.answer_path(before, Answer::status(200));
    shop.receiver.answer_path(at_commit, Answer::status(200));
    relay.ask(&["dead", "retry", "--all"]).await.unwrap();
    tables.wait_for_held(&[], &relay, LIMIT).await;
    relay.stop(LIMIT).await.unwrap();
    let report = check(&shop.journal, &shop.accepted(&[(before, 1..5), (at_commit, 1..4)]));
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!(report.duplicates, 0, "{report}");
}
