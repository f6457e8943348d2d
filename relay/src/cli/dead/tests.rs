//! Screens of dead letters, word for word.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use futures_util::future::BoxFuture;
use relay_engine::event::{KeyId, OwnedEvent};
use relay_engine::message::{Address, Content, Message};

use super::asked::sentence;
use super::{list, show};
use crate::cli::stores::Stores;
use crate::cli::{Arguments, Command, Exit, block_on};
use crate::store::{
    Acquired, Applied, Claim, DeadAction, DeadAgain, DeadFilter, DeadLetter, DueLimit, Extent, HeldRecord,
    KeyQueue, LaneId, LaneSummary, Lease, Outcome, ParkedEvent, Requested, Settlement, Store, StoreError,
};

/// 2026-11-21T09:20:00Z
const NOW: u64 = 1_795_252_800_000_000;

fn letter(id: &str, key: &str, code: &str, detail: &str, blocked: u64, seconds_ago: u64) -> DeadLetter {
    DeadLetter {
        lane: LaneId::new("orders", "billing"),
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
    let mut groups = list::Groups::default();
    assert_eq!(list::screen(&groups, NOW), "no dead letters\n");
    letters().into_iter().for_each(|letter| groups.add(letter));
    insta::assert_snapshot!("dead_list", list::screen(&groups, NOW));
    insta::assert_snapshot!("dead_list_json", list::json_screen(&groups));
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
    let extent = Extent { letters: 3, keys: 2, behind: 211 };
    insta::assert_snapshot!("dead_retry", sentence(extent, &DeadAction::Retry, true));
    insta::assert_snapshot!("dead_drop", sentence(extent, &DeadAction::Drop, false));
    insta::assert_snapshot!("dead_transform", sentence(extent, &DeadAction::Rerun, true));
    let nothing = sentence(Extent::default(), &DeadAction::Drop, false);
    assert_eq!(nothing, "no dead letter matches; nothing to drop\n");
}

#[test]
fn what_came_of_a_request_is_told_event_by_event() {
    let lane = |sink: &str| LaneId::new("orders", sink);
    let again =
        DeadAgain { code: "S214".to_owned(), detail: "400 from POST /invoices\nmore".to_owned(), letters: 1 };
    let outcome =
        Outcome { open: vec![lane("events")], taken: 1_005, done: 1_000, waiting: 1, dead: vec![again] };
    let store = DeadOnly { outcome, ..DeadOnly::of(letters()) };
    let (told, exit) = tell(&Stores::of(vec![Arc::new(store)]), "relay dead retry --all --wait 0s");
    insta::assert_snapshot!("dead_outcome", told);
    assert_eq!(exit, Exit::Failed, "one is dead again");

    let outcome = Outcome { taken: 4, ..Outcome::default() };
    let store = DeadOnly { outcome, ..DeadOnly::of(letters()) };
    let (told, exit) = tell(&Stores::of(vec![Arc::new(store)]), "relay dead drop --all");
    assert!(told.ends_with("4 events dropped\n"), "{told}");
    assert_eq!(exit, Exit::Done);
}

#[test]
fn a_dry_run_asks_for_nothing_and_a_retry_asks_once() {
    let store = Arc::new(DeadOnly::of(letters()));
    let stores = Stores::of(vec![store.clone()]);
    let tell = |line| tell(&stores, line).0;
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
    let store = DeadOnly::of((0..1234).map(each).collect());
    let stores = Stores::of(vec![Arc::new(store)]);
    let mut shown = 0;
    block_on(stores.each_dead(&DeadFilter::default(), |_| shown += 1)).unwrap();
    assert_eq!(shown, 1234);
}

/// What a command line that changes dead letters prints, and how it ends.
fn tell(stores: &Stores, line: &str) -> (String, Exit) {
    let parsed = Arguments::try_parse_from(line.split(' ')).unwrap();
    let (choice, action) = match parsed.command {
        Command::Dead(super::Command::Retry(arguments)) => {
            let action = arguments.action();
            (arguments.choice, action)
        }
        Command::Dead(super::Command::Drop(arguments)) => (arguments.choice, DeadAction::Drop),
        other => panic!("{other:?} changes no dead letter"),
    };
    let filter = choice.filter().unwrap();
    let mut printed = String::new();
    let print = |text: &str| printed.push_str(text);
    let exit = block_on(choice.telling().ask_stores(stores, &filter, &action, print)).unwrap();
    (printed, exit)
}

/// A store that has dead letters and nothing else.
#[derive(Default)]
struct DeadOnly {
    letters: Vec<DeadLetter>,
    asked: Mutex<Vec<(DeadFilter, DeadAction)>>,
    outcome: Outcome,
}

impl DeadOnly {
    fn of(letters: Vec<DeadLetter>) -> Self {
        Self { letters, ..Self::default() }
    }

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

    fn due<'a>(&'a self, _: &'a LaneId, _: DueLimit) -> BoxFuture<'a, Result<Vec<ParkedEvent>, StoreError>> {
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

    fn attend<'a>(
        &'a self,
        _: &'a LaneId,
        _: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        not_here()
    }

    fn lanes(&self) -> BoxFuture<'_, Result<Vec<LaneSummary>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
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
    ) -> BoxFuture<'a, Result<Requested, StoreError>> {
        self.asked.lock().unwrap().push((filter.clone(), action.clone()));
        let letters = self.matching(filter).len() as u64;
        Box::pin(async move { Ok(Requested { letters, requests: vec![1] }) })
    }

    fn extent<'a>(&'a self, filter: &'a DeadFilter) -> BoxFuture<'a, Result<Extent, StoreError>> {
        let matching = self.matching(filter);
        let keys: BTreeSet<_> = matching.iter().map(|it| it.event.aggregate_id.clone()).collect();
        let (letters, keys) = (matching.len() as u64, keys.len() as u64);
        Box::pin(async move { Ok(Extent { letters, keys, behind: 0 }) })
    }

    fn outcome<'a>(&'a self, _: &'a [i64]) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(async { Ok(self.outcome.clone()) })
    }
}
