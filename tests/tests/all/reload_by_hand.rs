//! Operators speak to a running relay about its plugins, and what they decide holds over restarts.

use relay_tests::hostile;

use crate::plugin_stand::PluginStand;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_back_to_the_build_before_and_a_killed_relay_stays_with_it() {
    let mut stand = PluginStand::open_with_admin().await;
    let first = stand.history().await[0]["digest"].clone();
    stand.put(&stand.another(1));
    stand.wait("plugin swapped: router", 1).await;
    stand.deliver(10).await;

    let said = stand.plugin(&["rollback", "router"]).await.unwrap();
    assert!(said.contains("rolled back"), "{said}");
    stand.wait("plugin swapped: router", 2).await;
    stand.deliver(10).await;
    stand.restart();
    stand.deliver(10).await;
    stand.wait("the build in place stays out", 1).await;
    let rows = stand.history().await;
    assert_eq!((&rows[0]["digest"], &rows[0]["until"]), (&first, &serde_json::Value::Null));
    let told: Vec<_> = rows.iter().map(|row| (&row["came_by"], &row["left"])).collect();
    let told = serde_json::to_value(told).unwrap();
    let expected = serde_json::json!([
        ["rolled_back_by_hand", null],
        ["swapped_in", "rolled_back_by_hand"],
        ["started", "replaced"],
    ]);
    assert_eq!(told, expected, "{rows:#?}");

    let said = stand.plugin(&["reload", "router"]).await.unwrap();
    assert!(said.contains("swapped in"), "{said}");
    let said = stand.plugin(&["reload", "router"]).await.unwrap();
    assert!(said.contains("runs already"), "{said}");
    let bad = rows[1]["digest"].as_str().unwrap();
    assert_eq!(stand.history().await[0]["digest"], *bad);
    let said = stand.plugin(&["history", "router"]).await.unwrap();
    assert!(said.contains("runs, on probation") && said.contains("rolled back by hand"), "{said}");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_rolled_back_by_itself_is_not_loaded_again_by_a_restart() {
    let mut stand = PluginStand::open_with_admin().await;
    stand.put(&hostile::trapping().unwrap());
    stand.wait("plugin swapped: router", 1).await;
    stand.write(20).await;
    stand.wait("P115", 1).await;
    stand.deliver(10).await;
    for restart in 1..=2 {
        stand.restart();
        stand.deliver(10).await;
        stand.wait("the build in place stays out", restart).await;
    }
    let rows = stand.history().await;
    assert_eq!((&rows[0]["came_by"], rows.len()), (&"rolled_back".into(), 3), "{rows:#?}");
    assert!(rows[1]["reason"].as_str().unwrap().starts_with("P115"), "{rows:#?}");
    stand.put(&stand.another(1));
    stand.wait("plugin swapped: batches", 2).await;
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_accepts_a_wider_build_once_and_what_can_not_be_done_is_told() {
    let stand = PluginStand::open_with_admin().await;
    stand.put(&hostile::with_clock().unwrap());
    stand.wait("P118", 1).await;
    let refused = stand.plugin(&["reload", "router"]).await.unwrap_err();
    assert!(refused.contains("error[P118]") && refused.contains("+ clock.now"), "{refused}");
    let said = stand.plugin(&["reload", "router", "--accept"]).await.unwrap();
    assert!(said.contains("it may use  + clock.now"), "{said}");
    stand.wait("plugin swapped: router", 1).await;

    for (arguments, told) in [
        (&["rollback", "router", "0000"][..], "error[P131]"),
        (&["rollback", "router", "nonsense"], "hexadecimal"),
        (&["history", "ruoter"], "no pipeline of this relay uses a plugin \"ruoter\""),
        (&["history", "../lanes"], "is no name of a plugin"),
    ] {
        let said = stand.plugin(arguments).await.unwrap_err();
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
    stand.relay.reconfigure(&stand.settings.replace("[pipeline.", "[pipline.")).unwrap();
    stand.wait("nothing is read again", 1).await;
    stand.relay.reconfigure(&stand.settings).unwrap();
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_no_orders_or_is_not_there_is_told_apart() {
    let mut stand = PluginStand::open_with_admin().await;
    let closed = stand.settings.replace("[admin]", "[admin]\ncontrol = false");
    stand.relay.reconfigure(&closed).unwrap();
    stand.restart();
    stand.deliver(10).await;
    let said = stand.plugin(&["rollback", "router"]).await.unwrap_err();
    assert!(said.contains("error[P132]") && said.contains("[admin] control is false"), "{said}");
    stand.relay.kill();
    let said = stand.plugin(&["history", "router"]).await.unwrap_err();
    assert!(said.contains("error[P132]") && said.contains("no relay answers at 127.0.0.1:"), "{said}");
}
