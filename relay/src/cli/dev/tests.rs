//! Screens of `relay dev`.

use std::time::Duration;

use super::screen;
use crate::app::{Differing, Fate, Live, News, Parts};
use crate::cli::style::Style;
use crate::plugin::golden::{CaseOutcome, CaseResult, Outcome, Suite};

const CASES: &str = r#"
[[case]]
name = "an order goes to the topic as it is"
event = { id = "case-1-19", aggregate_type = "order", aggregate_id = "order-17", type = "OrderPlaced", payload = '{"total":12,"customer":{"email":"a@example.org"}}' }
message = [{ kafka = "orders" }]

[[case]]
name = "hidden"
event = { id = "case-1-19", aggregate_type = "order", aggregate_id = "order-17", type = "OrderPlaced", payload = '{"total":12,"customer":{"email":"a@example.org"}}' }
message = [{ kafka = "orders", body = '{"customer":{"email":"hidden"},"total":12}' }]
"#;

fn all_news() -> Vec<News> {
    let cases = Suite::parse("cases/orders.toml", CASES).unwrap().cases;
    let [sent, hidden] = [&cases[0], &cases[1]].map(|it| it.expected.clone().unwrap());
    let event = cases[0].event.clone();
    let fate = |outcome: &Outcome, detail: Option<&str>| Fate {
        event: event.clone(),
        outcome: outcome.clone(),
        detail: detail.map(str::to_owned),
    };
    let result = |outcome, found: &Outcome| CaseResult {
        file: "cases/orders.toml".to_owned(),
        case: cases[0].clone(),
        found: found.clone(),
        detail: None,
        outcome,
        duration: Duration::ZERO,
    };
    let trap = Outcome::Fault("P120".to_owned());
    let mut all = vec![
        News::Watching {
            plugins: vec![(plugin(), "plugins/hello".into())],
            outbox: "SQLite in a temporary folder, written from the golden cases".to_owned(),
            last: 20,
        },
        News::Failed {
            plugin: plugin(),
            running: None,
            code: "P155",
            words: "plugins/hello does not compile:\nerror: expected `;`\n --> src/lib.rs:7:2".to_owned(),
        },
        News::Started {
            plugin: plugin(),
            digest: "41d33f".to_owned(),
            fates: vec![fate(&sent, None), fate(&trap, Some("wasm trap: integer overflow"))],
            cases: vec![result(CaseOutcome::Passed, &sent)],
        },
        News::Saved { plugin: plugin(), file: "src/lib.rs".into() },
        News::Built {
            plugin: plugin(),
            from: "41d33f".to_owned(),
            to: "88fe10".to_owned(),
            took: Duration::from_millis(520),
            compared: 20,
            differing: vec![Differing { before: sent.clone(), after: fate(&hidden, None) }; 7],
            cases: vec![result(CaseOutcome::Differs, &hidden)],
        },
        News::Built {
            plugin: plugin(),
            from: "88fe10".to_owned(),
            to: "9ab301".to_owned(),
            took: Duration::from_millis(520),
            compared: 20,
            differing: Vec::new(),
            cases: vec![result(CaseOutcome::Passed, &sent)],
        },
        News::Unchanged { plugin: plugin() },
    ];
    all.extend(news_of_the_relay());
    all
}

fn plugin() -> String {
    "hello".to_owned()
}

fn news_of_the_relay() -> Vec<News> {
    vec![
        News::Live(Live {
            plugin: plugin(),
            to: "88fe10".to_owned(),
            parts: Parts {
                build: Duration::from_millis(520),
                compile: Duration::from_millis(140),
                load: Duration::from_millis(130),
                swap: Duration::from_millis(6),
                first_output: Some(Duration::from_millis(8)),
            },
            longest_wait: Some(Duration::from_millis(41)),
        }),
        News::Failed {
            plugin: plugin(),
            running: Some("88fe10".to_owned()),
            code: "P155",
            words: "plugins/hello does not compile:\nerror[E0308]: mismatched types\n --> src/lib.rs:3:5"
                .to_owned(),
        },
        News::Unanswered {
            event: "case-2-14".to_owned(),
            code: "P120".to_owned(),
            plugin: Some("hello 0.1.0 (88fe10)".to_owned()),
            words: "no eighteen at src/lib.rs:41, in hello::mask < src/lib.rs:54, in transform".to_owned(),
            is_dead: true,
        },
        News::Relay {
            level: "error".to_owned(),
            who: plugin(),
            words: "no order has that many lines".to_owned(),
        },
    ]
}

#[test]
fn dev_shows_each_step_and_what_differs() {
    let screen: String =
        all_news().iter().map(|it| screen::lines_at(it, "09:14:03Z", Style::PLAIN)).collect();
    insta::assert_snapshot!("dev", screen);
    let lines: String = all_news().iter().map(screen::json_line).collect();
    insta::assert_snapshot!("dev_json", lines);
}
