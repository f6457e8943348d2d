//! Screens of dead letters, word for word.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use futures_util::future::BoxFuture;
use relay_engine::event::{KeyId, OwnedEvent};
use relay_engine::message::{Address, Content, Message};

use super::asked::Extent;
use super::{list, show};
use crate::cli::stores::Stores;
use crate::cli::{Arguments, Command, block_on};
use crate::store::{
    Acquired, Applied, Claim, DeadAction, DeadFilter, DeadLetter, HeldRecord, KeyQueue, LaneId, LaneSummary,
    Lease, ParkedEvent, Settlement, Store, StoreError,
};

/// 2026-11-21T09:20:00Z
const NOW: u64 = 1_795_252_800_000_000;

fn letter(id: &str, key: &str, code: &str, detail: &str, blocked: u64, seconds_ago: u64) -> DeadLetter {
    DeadLetter {
        lane: LaneId { pipeline: "orders".to_owned(), sink: "billing".to_owned() },
        event: OwnedEvent {
            id: id.to_owned(),
            sequence: 17,
            aggregate_type: "order".to_owned(),
            aggregate_id: key.to_owned(),
            event_type: "OrderPlaced".to_owned(),
            payload: Some(br#"{"amount":-1,"name":"Ada"}"#.to_vec()),
            headers: vec![("traceparent".to_owned(), b"00-ab".to_vec())],
            occurred_at: NOW - 700_000_000,
            ..OwnedEvent::default()
        },
        messages: Some(vec![Message {
            slot: "0".to_owned(),
            address: Address { place: "/invoices".to_owned(), ..Address::default() },
            key: Content::Unchanged,
            body: Content::Bytes(vec![0xff, 0x00]),
            inherit_headers: true,
            headers: Vec::new(),
        }]),
        attempts: 12,
        code: code.to_owned(),
        detail: detail.to_owned(),
        generation: vec!["c01d77aa00".to_owned(), "71aa02ff00".to_owned()],
        dead_at: NOW - seconds_ago * 1_000_000,
        blocked,
    }
}

fn letters() -> Vec<DeadLetter> {
    let refused = "400 from POST /invoices: \"amount must be > 0\"";
    vec![
        letter("01JD3K", "order-1", "S214", refused, 200, 533),
        letter("01JD3L", "order-1", "S214", refused, 199, 500),
        letter("01JD3M", "order-2", "S214", refused, 11, 380),
        letter("01JD3N", "order-3", "P110", "trap: integer overflow\nat src/lib.rs:41", 0, 200_000),
    ]
}

#[test]
fn dead_letters_are_grouped_by_lane_and_error() {
    insta::assert_snapshot!("dead_list", list::screen(&letters(), NOW));
    insta::assert_snapshot!("dead_list_json", list::json_screen(&letters()));
    assert_eq!(list::screen(&[], NOW), "no dead letters\n");
}

#[test]
fn a_dead_letter_is_shown_whole_and_its_values_only_on_request() {
    let letter = &letters()[0];
    let hidden = show::screen(letter, false);
    assert!(!hidden.contains("Ada"));
    assert!(!show::json_letter(letter, false).to_string().contains("Ada"));
    insta::assert_snapshot!("dead_show", hidden);
    insta::assert_snapshot!("dead_show_payload", show::screen(letter, true));
    insta::assert_snapshot!("dead_show_json", format!("{:#}", show::json_letter(letter, true)));
}

#[test]
fn the_extent_of_a_retry_counts_each_key_once() {
    let s214: Vec<_> = letters().into_iter().filter(|it| it.code == "S214").collect();
    let extent = Extent::of(&s214);
    assert_eq!(
        extent.sentence(&DeadAction::Retry, true),
        "3 events of 2 keys would be sent again, in key order; 211 events wait behind them\n"
    );
    insta::assert_snapshot!("dead_retry", extent.sentence(&DeadAction::Retry, false));
    insta::assert_snapshot!("dead_drop", extent.sentence(&DeadAction::Drop, false));
    insta::assert_snapshot!("dead_transform", extent.sentence(&DeadAction::Rerun, true));
    let nothing = Extent::of(&[]).sentence(&DeadAction::Drop, false);
    assert_eq!(nothing, "no dead letter matches; nothing to drop\n");
}

#[test]
fn a_dry_run_asks_for_nothing_and_a_retry_asks_once() {
    let store = Arc::new(DeadOnly { letters: letters(), asked: Mutex::default() });
    let stores = Stores::of(vec![store.clone()]);
    let arguments = |line: &str| {
        let parsed = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Dead(super::Command::Retry(arguments)) = parsed.command else { panic!("not a retry") };
        arguments
    };
    let tell = |line| {
        let arguments = arguments(line);
        let (filter, action) = (arguments.choice.filter().unwrap(), arguments.action());
        block_on(arguments.choice.telling().ask_stores(&stores, &filter, &action)).unwrap()
    };
    let dry = tell("relay dead retry --error S214 --lane orders/billing --dry-run");
    assert!(dry.starts_with("3 events of 2 keys would be sent again"), "{dry}");
    assert!(store.asked.lock().unwrap().is_empty());
    assert!(tell("relay dead retry --error S214").starts_with("3 events of 2 keys will be sent again"));
    let asked = store.asked.lock().unwrap().clone();
    let s214 = DeadFilter { code: Some("S214".to_owned()), ..DeadFilter::default() };
    assert_eq!(asked, [(s214, DeadAction::Retry)]);
    assert!(tell("relay dead retry --id nothing").starts_with("no dead letter matches"));
    assert_eq!(store.asked.lock().unwrap().len(), 1);
    assert!(tell("relay dead retry --all --transform").contains("transformed anew"));
    assert_eq!(store.asked.lock().unwrap()[1].1, DeadAction::Rerun);
}

#[test]
fn a_command_that_names_no_letters_is_refused_and_an_age_needs_its_unit() {
    let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
    let Command::Dead(super::Command::Retry(bare)) = parse("relay dead retry").unwrap().command else {
        panic!("not a retry")
    };
    assert!(bare.choice.filter().is_err());
    let Command::Dead(super::Command::Retry(old)) =
        parse("relay dead retry --older-than 2h").unwrap().command
    else {
        panic!("not a retry")
    };
    let before = old.choice.filter().unwrap().dead_before.unwrap();
    let age = Duration::from_micros(crate::cli::time::now() - before).as_secs();
    assert!((7_200..7_300).contains(&age), "{age} s");
    assert!(parse("relay dead drop --older-than 2").is_err());
    assert!(parse("relay dead drop --all --error S214").is_err());
}

#[test]
fn more_dead_letters_than_a_page_are_all_counted() {
    let each = |index: usize| letter(&index.to_string(), "order-1", "S214", "", 0, 1);
    let store = DeadOnly { letters: (0..1234).map(each).collect(), asked: Mutex::default() };
    let stores = Stores::of(vec![Arc::new(store)]);
    assert_eq!(block_on(stores.dead(&DeadFilter::default())).unwrap().len(), 1234);
}

/// A store that has dead letters and nothing else.
struct DeadOnly {
    letters: Vec<DeadLetter>,
    asked: Mutex<Vec<(DeadFilter, DeadAction)>>,
}

impl DeadOnly {
    fn matching(&self, filter: &DeadFilter) -> Vec<DeadLetter> {
        let fits = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|it| it == value);
        let matches = |it: &&DeadLetter| {
            fits(&filter.code, &it.code)
                && fits(&filter.event_id, &it.event.id)
                && fits(&filter.pipeline, &it.lane.pipeline)
                && fits(&filter.sink, &it.lane.sink)
        };
        self.letters.iter().filter(matches).cloned().collect()
    }
}

fn not_here<T: Send + 'static>() -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(async {
        Err(StoreError::Unavailable { code: "T500", what: "only dead letters here".to_owned(), cause: None })
    })
}

impl Store for DeadOnly {
    fn prepare(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        not_here()
    }

    fn acquire<'a>(&'a self, _: &'a LaneId, _: &'a Claim) -> BoxFuture<'a, Result<Acquired, StoreError>> {
        not_here()
    }

    fn renew<'a>(
        &'a self,
        _: &'a LaneId,
        _: i64,
        _: Duration,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        not_here()
    }

    fn settle<'a>(
        &'a self,
        _: &'a LaneId,
        _: &'a mut Lease,
        _: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        not_here()
    }

    fn due<'a>(&'a self, _: &'a LaneId, _: usize) -> BoxFuture<'a, Result<Vec<ParkedEvent>, StoreError>> {
        not_here()
    }

    fn next_due<'a>(&'a self, _: &'a LaneId) -> BoxFuture<'a, Result<Option<Duration>, StoreError>> {
        not_here()
    }

    fn apply_requests<'a>(
        &'a self,
        _: &'a LaneId,
        _: &'a mut Lease,
    ) -> BoxFuture<'a, Result<Applied, StoreError>> {
        not_here()
    }

    fn lanes(&self) -> BoxFuture<'_, Result<Vec<LaneSummary>, StoreError>> {
        not_here()
    }

    fn dead<'a>(
        &'a self,
        filter: &'a DeadFilter,
        limit: usize,
        offset: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>> {
        let page = self.matching(filter).into_iter().skip(offset).take(limit).collect();
        Box::pin(async move { Ok(page) })
    }

    fn held<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<HeldRecord>, StoreError>> {
        not_here()
    }

    fn queues(&self, _: KeyId) -> BoxFuture<'_, Result<Vec<KeyQueue>, StoreError>> {
        not_here()
    }

    fn request<'a>(
        &'a self,
        filter: &'a DeadFilter,
        action: &'a DeadAction,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.asked.lock().unwrap().push((filter.clone(), action.clone()));
        let count = self.matching(filter).len() as u64;
        Box::pin(async move { Ok(count) })
    }
}
