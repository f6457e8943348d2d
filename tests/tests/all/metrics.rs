//! What a relay says of itself at `/metrics`.

use std::time::{Duration, Instant};

use relay_tests::program::Relay;

const LOOK: Duration = Duration::from_millis(20);

/// The values of a metric, one for each lane.
pub(crate) async fn values(admin: &str, name: &str) -> Vec<f64> {
    let Ok(answer) = client().get(format!("http://{admin}/metrics")).send().await else { return Vec::new() };
    let text = answer.text().await.unwrap_or_default();
    let of_it = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    of_it.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
}

/// All that the relay says of itself.
pub(crate) async fn all(admin: &str) -> String {
    client().get(format!("http://{admin}/metrics")).send().await.unwrap().text().await.unwrap()
}

/// Waits until each of so many lanes shows at least `least`.
pub(crate) async fn wait_for(
    admin: &str,
    name: &str,
    lanes: usize,
    least: u64,
    relay: &Relay,
    limit: Duration,
) {
    let deadline = Instant::now() + limit;
    loop {
        let values = values(admin, name).await;
        if values.iter().filter(|it| **it >= least as f64).count() == lanes {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{name} is {values:?}, not {least} in each; the relay's log:\n{}",
            relay.log()
        );
        tokio::time::sleep(LOOK).await;
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
