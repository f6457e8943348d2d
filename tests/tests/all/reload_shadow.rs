//! Another build runs beside the live one.

use relay_tests::hostile;

use crate::plugin_stand::PluginStand;

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_sees_every_event_tells_what_differs_and_sends_nothing() {
    let mut stand = PluginStand::open().await;
    let beside = stand.place.with_extension("next.wasm");
    std::fs::write(&beside, stand.another(1)).unwrap();
    let shadow = format!("[plugin.router]\nshadow = {:?}", beside.display().to_string());
    let shadowing = stand.settings.replace("[plugin.router]", &shadow);
    stand.relay.reconfigure(&shadowing).unwrap();
    stand.wait("a build runs beside the live one", 1).await;
    stand.deliver(50).await;
    assert!(!stand.relay.log().contains("comes out otherwise"), "{}", stand.relay.log());

    // One that traps on everything harms nobody: what is live answers as before.
    std::fs::write(&beside, hostile::trapping().unwrap()).unwrap();
    stand.wait("a build runs beside the live one", 2).await;
    stand.deliver(20).await;
    stand.wait("shadow: the event comes out otherwise: publish → fault P120", 3).await;

    // What can't be loaded is told, and the one before goes on.
    std::fs::write(&beside, b"nonsense").unwrap();
    stand.wait("no build runs beside the live one: P101", 1).await;
    stand.relay.reconfigure(&stand.settings).unwrap();
    stand.wait("no build runs beside the live one any more", 1).await;
    let log = stand.relay.log();
    assert!(!log.contains("plugin swapped") && !log.contains("a plugin faulted"), "{log}");
    stand.close().await;
}
