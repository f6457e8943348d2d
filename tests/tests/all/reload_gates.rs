//! What a new build has to pass before it takes the place of the running one.

use relay::plugin::golden::with_cases;
use relay_tests::hostile;

use crate::plugin_stand::PluginStand;

fn case(name: &str, outcome: &str) -> String {
    format!(
        "config = {{ rules = [{{ then = {{ send = [{{ http = \"/orders\" }}] }} }}] }}\n\
         [[case]]\nname = \"{name}\"\n\
         event = {{ aggregate_type = \"order\", aggregate_id = \"order-1\", type = \"OrderPlaced\" }}\n\
         {outcome}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_its_golden_cases_is_refused_and_one_that_passes_them_is_swapped_in() {
    let mut stand = PluginStand::open().await;
    let carrying = |text: String| with_cases(&stand.router, &[("orders.toml".to_owned(), text)]);
    let wrong = carrying(case("an order goes to the archive", "message = [{ http = \"/archive\" }]"));
    let right = carrying(case("an order goes to orders", "message = [{ http = \"/orders\" }]"));

    stand.put(&wrong);
    stand.wait("P117", 1).await;
    stand.wait("an order goes to the archive", 1).await;
    stand.deliver(10).await;
    let log = stand.relay.log();
    assert!(log.contains("/archive") && log.contains("the old one goes on"), "{log}");
    assert!(!log.contains("plugin swapped"), "{log}");

    stand.put(&right);
    stand.wait("plugin swapped: router", 1).await;
    let log = stand.relay.log();
    assert!(log.contains("\"cases\":1"), "{log}");

    // The operator's own cases lie beside the component, and count as well.
    let beside = stand.place.with_extension("cases.toml");
    std::fs::write(&beside, case("nothing leaves", "discard = \"closed\"")).unwrap();
    stand.put(&stand.another(1));
    stand.wait("nothing leaves", 1).await;
    std::fs::remove_file(&beside).unwrap();
    stand.put(&stand.another(2));
    stand.wait("plugin swapped: router", 2).await;
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_may_use_more_than_the_running_one_is_refused_until_an_operator_accepts_it() {
    let mut stand = PluginStand::open().await;
    stand.wait("may use log.write", 1).await;
    stand.put(&hostile::with_clock().unwrap());
    stand.wait("P118", 1).await;
    stand.wait("+ clock.now", 1).await;
    stand.deliver(10).await;
    assert!(!stand.relay.log().contains("plugin swapped"), "{}", stand.relay.log());

    let accepting = stand.settings.replace("[plugin.router]", "[plugin.router]\naccept = [\"clock\"]");
    stand.relay.reconfigure(&accepting).unwrap();
    stand.wait("plugin swapped: router", 1).await;
    let checked = stand.relay.ask(&["check"]).await.unwrap();
    assert!(
        checked.contains("router: may use clock.now, log.write; may address /orders in billing"),
        "{checked}"
    );
    stand.close().await;
}
