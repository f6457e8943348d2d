//! The page of guarantees names tests that exist.

use std::path::Path;

use relay_tests::stack::tools::workspace;

const PAGE: &str = "relay/docs/guarantees.md";

/// Links and names of tests in the order of the page: a name belongs to the last link before it.
fn promises(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut file = String::new();
    for part in page.split(['(', ')', '`']) {
        let is_test = part.contains('_')
            && part.chars().all(|it| it.is_ascii_lowercase() || "_0123456789".contains(it));
        if part.starts_with("../../") {
            file = part.trim_start_matches("../../").to_owned();
        } else if is_test && part.matches('_').count() > 2 {
            found.push((file.clone(), part.to_owned()));
        }
    }
    found
}

fn missing(root: &Path, page: &str) -> Vec<String> {
    let is_there = |(file, test): &(String, String)| {
        std::fs::read_to_string(root.join(file)).is_ok_and(|text| text.contains(&format!("fn {test}(")))
    };
    promises(page)
        .into_iter()
        .filter(|it| !is_there(it))
        .map(|(file, test)| format!("{file}: {test}"))
        .collect()
}

#[test]
fn every_guarantee_names_a_test_that_is_there() {
    let page = std::fs::read_to_string(workspace().join(PAGE)).unwrap();
    assert!(promises(&page).len() > 15, "{:?}", promises(&page));
    assert_eq!(missing(workspace(), &page), [] as [String; 0]);
}

#[test]
fn a_guarantee_whose_test_is_gone_is_found() {
    let page = "- [kill.rs](../../tests/tests/all/kill.rs) `ten_kills_of_nobody_ever`";
    assert_eq!(missing(workspace(), page), ["tests/tests/all/kill.rs: ten_kills_of_nobody_ever"]);
}
