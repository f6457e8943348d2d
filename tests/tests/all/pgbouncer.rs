//! A pooler in transaction mode between the relay and its database.

use std::time::Duration;

use relay_tests::journal::{WriterPlan, Writers, create_outbox};
use relay_tests::program::{Relay, Window};
use relay_tests::stack::{PgBouncer, shared_postgres};

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const LANES: usize = 3;
const WINDOW: Window = Window::Events { events: 200, batch: 50 };

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_in_transaction_mode_nothing_is_lost_and_a_standby_takes_over() {
    let postgres = shared_postgres().await.unwrap();
    let direct = postgres.create_database("pooled").await.unwrap();
    create_outbox(&direct).await.unwrap();
    let bouncer = PgBouncer::start(postgres).await.unwrap();
    let shop = Shop::open_at("pooled", bouncer.url_of(&direct), WINDOW).await;

    let mut owner = Relay::start(&shop.settings).await.unwrap();
    owner.wait_for_log("\"reading\"", LANES, LIMIT).await.unwrap();
    let mut standby = Relay::start(&shop.settings).await.unwrap();
    standby.wait_for_log("standing by", LANES, LIMIT).await.unwrap();
    let plan = WriterPlan { events: 3_000, pause: Duration::from_millis(2), ..WriterPlan::default() };
    let writers = Writers::start(&direct, &plan);
    shop.wait_for_requests(500, &mut owner, LIMIT).await;
    owner.kill();
    standby.wait_for_log("\"reading\"", LANES, LIMIT).await.unwrap();

    let journal = writers.finish().await;
    shop.wait_for_all(&journal, &mut standby, LIMIT).await;
    standby.stop(LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert!(report.duplicates <= 250, "only the window is sent again; {sink}: {report}");
    }
}
