//! What the host promises about builds that it refuses and about guests that misbehave.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay_engine::event::EventBatch;
use relay_engine::message::Content;
use relay_engine::verdict::Verdict;
use serde_json::{Value, json};

use super::testing::{OBEDIENT, WIT, component, config, events, obedient};
use super::{Build, HostConfig, Interfaces, PluginConfig, PluginHost, PluginLimits};
use crate::plugin::lookup::{FileFormatConfig, LookupConfig, OriginConfig};
use crate::plugin::{Answer, Plugin, PluginError, Tables};

fn plugin(limits: PluginLimits) -> Box<dyn Plugin> {
    let config = PluginConfig { limits, ..config("obedient.wasm") };
    let host = PluginHost::new().unwrap();
    host.load_build(&config, &Build::new(obedient(), &config.config)).unwrap().instantiate().unwrap()
}

fn answers(plugin: &mut dyn Plugin, events: &Arc<EventBatch>) -> Vec<Answer> {
    let mut answers = Vec::new();
    plugin.run("shop", events, &mut answers);
    answers
}

fn discarded(reason: &str) -> Answer {
    Answer::Verdict(Verdict::Discard(reason.to_owned()))
}

fn code(answer: &Answer) -> &'static str {
    match answer {
        Answer::Fault(fault) | Answer::Failing(fault) => fault.code,
        Answer::Verdict(_) => "",
    }
}

fn detail(answer: &Answer) -> &str {
    match answer {
        Answer::Fault(fault) | Answer::Failing(fault) => &fault.detail,
        Answer::Verdict(_) => "",
    }
}

fn refusal(bytes: Vec<u8>, configuration: Value) -> PluginError {
    let config = PluginConfig { config: configuration, ..config("refused.wasm") };
    let host = PluginHost::new().unwrap();
    let Err(error) = host.load_build(&config, &Build::new(bytes, &config.config)) else {
        panic!("the build was taken")
    };
    error
}

/// Runs `bad` among neighbours and returns its answer, once it is clear that the neighbours kept theirs.
fn among_neighbours(bad: &str, limits: PluginLimits) -> Answer {
    let mut plugin = plugin(limits);
    let mut answered = answers(&mut *plugin, &events(&["a", "b", bad, "d"]));
    assert_eq!(answered.len(), 4);
    let answer = answered.remove(2);
    assert!(answered.iter().all(|it| *it == discarded("test")), "neighbours of {bad}: {answered:?}");
    // The plugin is as good as new afterwards.
    assert_eq!(answers(&mut *plugin, &events(&["a"])), [discarded("test")]);
    answer
}

#[test]
fn each_event_gets_its_own_verdict_in_order() {
    let mut plugin = plugin(PluginLimits::default());
    let answered = answers(&mut *plugin, &events(&["a", "p", "i"]));
    assert_eq!(answered[0], discarded("test"));
    let Answer::Verdict(Verdict::Publish(messages)) = &answered[1] else { panic!("{:?}", answered[1]) };
    assert_eq!((messages.len(), &messages[0].body), (1, &Content::Unchanged));
    assert_eq!(answered[2], discarded("3"));
    assert_eq!(answers(&mut *plugin, &events(&[])), []);
}

#[test]
fn a_trap_stays_with_its_event_and_names_the_function() {
    let answer = among_neighbours("trap", PluginLimits::default());
    assert_eq!(code(&answer), "P120");
    assert!(detail(&answer).contains("unreachable"), "{answer:?}");
    assert!(detail(&answer).contains("trap_as_asked < obey"), "{answer:?}");
}

#[test]
fn endless_recursion_ends_with_the_guests_stack_and_not_the_hosts() {
    let answer = among_neighbours("recurse", PluginLimits::default());
    assert_eq!(code(&answer), "P120");
    assert!(detail(&answer).contains("stack"), "{answer:?}");
    // Thousands of frames are told by the innermost few.
    assert!(detail(&answer).len() < 400, "{answer:?}");
}

#[test]
fn an_endless_loop_is_stopped_at_the_limit_of_its_event() {
    let limits = PluginLimits {
        time: Duration::from_millis(5),
        batch_time: Duration::from_millis(20),
        ..PluginLimits::default()
    };
    let before = Instant::now();
    let answer = among_neighbours("loop", limits);
    assert_eq!(code(&answer), "P121");
    assert!(detail(&answer).contains("5ms"), "{answer:?}");
    assert!(before.elapsed() < Duration::from_secs(10), "took {:?}", before.elapsed());
}

#[test]
fn a_memory_bomb_is_refused_memory() {
    let answer = among_neighbours("memory", PluginLimits { memory: 4 << 20, ..PluginLimits::default() });
    assert_eq!(code(&answer), "P122");
    assert!(detail(&answer).contains("limit is 4096 KiB"), "{answer:?}");
}

#[test]
fn a_missing_verdict_is_a_fault_and_no_neighbour_gets_anothers_verdict() {
    let answer = among_neighbours("wrong", PluginLimits::default());
    assert_eq!(code(&answer), "P123");
    assert_eq!(detail(&answer), "answered 1 events with 0 verdicts");
}

#[test]
fn an_answer_over_a_limit_is_a_fault_of_its_event() {
    assert_eq!(code(&among_neighbours("n", PluginLimits::default())), "P124");
    assert_eq!(code(&among_neighbours("o", PluginLimits::default())), "P124");
    let aliased = among_neighbours("h", PluginLimits::default());
    assert_eq!(code(&aliased), "P124");
    // The host stopped copying: it did not look at what it had copied.
    assert!(detail(&aliased).contains("output limit"), "{aliased:?}");
}

#[test]
fn a_message_that_breaks_a_rule_is_a_fault_of_its_event() {
    assert_eq!(code(&among_neighbours("empty", PluginLimits::default())), "P125");
    assert_eq!(code(&among_neighbours("slots", PluginLimits::default())), "P125");
}

#[test]
fn a_reason_that_is_no_text_is_a_fault_of_its_event() {
    assert_eq!(code(&among_neighbours("utf", PluginLimits::default())), "P120");
}

#[test]
fn a_guest_is_told_the_headers_of_the_event_that_it_asks_about_also_when_a_batch_runs_again() {
    let mut plugin = plugin(PluginLimits::default());
    let whole = answers(&mut *plugin, &events(&["a", "f1", "f2"]));
    assert_eq!(whole, [discarded("test"), discarded("f1"), discarded("f2")]);
    // Each runs alone, as the first of a batch of one.
    let again = answers(&mut *plugin, &events(&["a", "f1", "t", "f2"]));
    assert_eq!((&again[1], &again[3]), (&discarded("f1"), &discarded("f2")));
    let last = events(&["f1", "f2"]);
    answers(&mut *plugin, &last);
    assert_eq!(Arc::strong_count(&last), 1, "an instance that waits keeps a batch");
}

#[test]
fn a_question_about_an_event_that_the_guest_was_not_given_is_a_fault() {
    let beyond = among_neighbours("9", PluginLimits::default());
    assert_eq!(code(&beyond), "P120");
    assert!(detail(&beyond).starts_with("the guest asked about event 9 of a batch of 1"), "{beyond:?}");
    let early = refusal(obedient(), json!("headers"));
    assert_eq!(early.code, "P108");
    assert!(early.what.contains("outside of `transform`"), "{early}");
}

#[test]
fn a_component_whose_types_can_not_be_read_early_is_judged_by_the_engine() {
    // It imports an instance with a type, called `relay:plugin/types@0.1.0`, and exports it under the same name, which
    // is allowed, and on which the reader of WIT panics.
    let name = [&[0, 0x18][..], b"relay:plugin/types@0.1.0"].concat();
    let import = [&[0x0a, 0x1d, 1][..], &name, &[5, 0]].concat();
    let export = [&[0x0b, 0x1e, 1][..], &name, &[5, 0, 0]].concat();
    let types = [7, 0x10, 1, 0x42, 2, 1, 0x72, 1, 1, 0x61, 0x79, 4, 0, 1, 0x72, 3, 0, 0];
    let again = [&b"\0asm\x0d\0\x01\0"[..], &types, &import, &export].concat();
    assert!(Interfaces::of(&again).is_err());
    let error = refusal(again, json!({}));
    assert_eq!(error.code, "P105", "{error}");
}

#[test]
fn once_lanes_run_a_compiler_stands_behind_them_unless_an_author_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (program, told) = (folder.path().join("compiler"), folder.path().join("told"));
    std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" > {}\nexit 3\n", told.display())).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let asked = |source_lines, lanes_run| {
        let config = HostConfig { compiler: Some(program.clone()), source_lines, ..HostConfig::default() };
        let host = PluginHost::with(&config).unwrap();
        if lanes_run {
            host.stand_behind_lanes();
        }
        assert_eq!(host.describe("test", &obedient()).unwrap_err().code, "P112");
        std::fs::read_to_string(&told).unwrap()
    };
    assert_eq!(asked(false, false), "plugin compile\n");
    assert_eq!(asked(false, true), "plugin compile --behind-lanes\n");
    assert_eq!(asked(true, true), "plugin compile --source-lines\n");
}

#[test]
fn several_poisons_in_one_batch_each_stand_alone() {
    let mut plugin = plugin(PluginLimits::default());
    let answered = answers(&mut *plugin, &events(&["t", "t", "a", "w", "b", "t"]));
    let codes: Vec<_> = answered.iter().map(code).collect();
    assert_eq!(codes, ["P120", "P120", "", "P123", "", "P120"]);
}

#[test]
fn a_plugin_that_fails_on_everything_is_left_alone_before_all_events_are_its_victims() {
    let mut plugin = plugin(PluginLimits::default());
    let answered = answers(&mut *plugin, &events(&["t"; 100]));
    let faults = answered.iter().filter(|it| matches!(it, Answer::Fault(_))).count();
    assert_eq!(faults, 28);
    assert!(answered[28..].iter().all(|it| matches!(it, Answer::Failing(_))), "{answered:?}");
    assert!(plugin.rests_until().is_some());
    // It is not even asked about good ones.
    assert!(matches!(answers(&mut *plugin, &events(&["a"]))[..], [Answer::Failing(_)]));
}

#[test]
fn answers_that_break_a_rule_count_as_faults_of_the_plugin() {
    let mut plugin = plugin(PluginLimits::default());
    answers(&mut *plugin, &events(&["e"; 40]));
    assert!(plugin.rests_until().is_some());
}

#[test]
fn an_event_that_failed_for_what_an_earlier_one_left_behind_is_not_faulty() {
    let mut plugin = plugin(PluginLimits::default());
    let answered = answers(&mut *plugin, &events(&["x", "y", "a"]));
    assert!(answered.iter().all(|it| *it == discarded("test")), "{answered:?}");
    assert_eq!(answers(&mut *plugin, &events(&["x"])), [discarded("test")]);
    assert_eq!(answers(&mut *plugin, &events(&["y"])), [discarded("test")]);
}

#[test]
fn an_instance_gives_way_to_a_fresh_one_after_its_lifetime() {
    let mut plugin = plugin(PluginLimits::default());
    let many = events(&vec!["a"; 10_000]);
    for _ in 0..10 {
        answers(&mut *plugin, &many);
    }
    assert_eq!(answers(&mut *plugin, &events(&["i"])), [discarded("1")]);
}

#[test]
fn nothing_of_a_faulted_instance_lives_on() {
    let mut plugin = plugin(PluginLimits::default());
    assert_eq!(answers(&mut *plugin, &events(&["i", "i"])), [discarded("1"), discarded("2")]);
    let answered = answers(&mut *plugin, &events(&["a", "t", "i"]));
    assert_eq!(answered[2], discarded("1"), "the event after a poison runs on a fresh instance");
    assert_eq!(answers(&mut *plugin, &events(&["i"])), [discarded("1")], "and so does the next batch");
}

#[test]
fn the_clock_stands_still_within_a_batch_even_when_it_runs_again() {
    let mut plugin = plugin(PluginLimits::default());
    let answered = answers(&mut *plugin, &events(&["c", "c", "t", "c"]));
    assert_eq!(answered[0], answered[1]);
    assert_eq!(answered[0], answered[3]);
    assert!(matches!(&answered[0], Answer::Verdict(Verdict::Discard(it)) if it.starts_with('1')));
}

#[test]
fn a_batch_of_thousands_goes_through_one_call() {
    let ids: Vec<_> = (0..2_000).map(|_| "p").collect();
    let mut plugin = plugin(PluginLimits::default());
    for _ in 0..5 {
        let answered = answers(&mut *plugin, &events(&ids));
        assert_eq!(answered.len(), 2_000);
        assert!(answered.iter().all(|it| matches!(it, Answer::Verdict(Verdict::Publish(_)))));
    }
    assert_eq!(answers(&mut *plugin, &events(&["g"])), [discarded("test")]);
}

#[test]
fn a_plugin_that_holds_most_of_its_memory_starts_over() {
    // Unoptimised tests take long to copy 5 MiB.
    let time = Duration::from_secs(10);
    let limits =
        |memory| PluginLimits { memory, output: 16 << 20, time, batch_time: time, ..PluginLimits::default() };
    for (memory, seen) in [(8 << 20, "2"), (6 << 20, "1")] {
        let mut plugin = plugin(limits(memory));
        assert!(matches!(answers(&mut *plugin, &events(&["o"]))[..], [Answer::Verdict(Verdict::Publish(_))]));
        assert_eq!(answers(&mut *plugin, &events(&["i"])), [discarded(seen)]);
    }
}

#[test]
fn a_good_build_says_what_it_is() {
    let config = config("obedient.wasm");
    let build = Build::new(obedient(), &config.config);
    let generation = PluginHost::new().unwrap().load_build(&config, &build).unwrap();
    let identity = generation.identity();
    assert_eq!((identity.name.as_str(), identity.version.as_str()), ("test", "0.9.1"));
    assert_eq!(identity.digest, build.digest().to_string());
}

#[test]
fn what_is_not_a_component_is_refused() {
    assert_eq!(refusal(b"hello".to_vec(), json!({})).code, "P101");
    assert_eq!(refusal(Vec::new(), json!({})).code, "P101");
    assert_eq!(refusal(wat::parse_str("(module)").unwrap(), json!({})).code, "P102");
}

#[test]
fn a_truncated_component_is_refused_wherever_it_ends() {
    let whole = obedient();
    for part in [8, whole.len() / 4, whole.len() / 2, whole.len() - 1] {
        let error = refusal(whole[..part].to_vec(), json!({}));
        assert!(matches!(error.code, "P101" | "P105" | "P109"), "{part} bytes: {error}");
    }
}

#[test]
fn a_component_of_another_version_names_both_versions() {
    let bytes = component(&OBEDIENT.replace("@0.1.0", "@0.2.0"), &WIT.replace("@0.1.0", "@0.2.0"));
    let error = refusal(bytes, json!({}));
    assert_eq!(error.code, "P103");
    assert!(error.what.contains("relay:plugin/transform@0.2.0"), "{error}");
    assert!(error.what.contains("serves relay:plugin@0.1"), "{error}");
}

#[test]
fn a_function_that_a_later_relay_offers_is_named() {
    let wat = OBEDIENT
        .replace("(memory (export", r#"(import "relay:plugin/log@0.1.0" "flush" (func)) (memory (export"#);
    let wit = WIT.replace("  write: func(", "  flush: func();\n  write: func(");
    let error = refusal(component(&wat, &wit), json!({}));
    assert_eq!(error.code, "P104");
    assert!(error.what.contains("relay:plugin/log@0.1.0#flush"), "{error}");
}

#[test]
fn a_component_that_is_no_plugin_is_refused() {
    let error = refusal(wat::parse_str("(component)").unwrap(), json!({}));
    assert_eq!(error.code, "P105");
}

#[test]
fn a_contract_of_other_types_is_refused_before_any_code_runs() {
    let wit = WIT.replace("attempt: u32,", "attempt: u64,");
    let error = refusal(component(OBEDIENT, &wit), json!("trap"));
    assert_eq!(error.code, "P109");
    assert!(error.what.contains("record `event`"), "{error}");
    assert!(error.what.contains("this relay serves relay:plugin@0.1"), "{error}");
    let wit = WIT.replace("get: func(table: string, key: string)", "get: func(table: string, key: list<u8>)");
    let error = refusal(component(OBEDIENT, &wit), json!("trap"));
    assert_eq!(error.code, "P109");
    assert!(
        error.what.contains("function `kv.get`") && error.what.contains("serves relay:plugin@0.1"),
        "{error}"
    );
}

#[test]
fn problems_of_a_configuration_name_their_place() {
    let error = refusal(obedient(), json!("problem"));
    assert_eq!(error.code, "P107");
    assert_eq!(error.what, "its configuration is refused: /a: test");
}

#[test]
fn a_plugin_that_fails_while_it_is_configured_is_refused() {
    let error = refusal(obedient(), json!("trap"));
    assert_eq!(error.code, "P108");
    assert!(error.what.contains("configure_traps"), "{error}");
    let config = PluginConfig {
        config: json!("loop"),
        limits: PluginLimits { batch_time: Duration::from_millis(5), ..PluginLimits::default() },
        ..config("looping.wasm")
    };
    let host = PluginHost::new().unwrap();
    let error = host.load_build(&config, &Build::new(obedient(), &config.config)).err().unwrap();
    assert_eq!(error.code, "P108");
}

#[test]
fn a_plugin_that_needs_more_memory_than_it_may_have_is_refused() {
    let config = PluginConfig {
        limits: PluginLimits { memory: 64 << 10, ..PluginLimits::default() },
        ..config("large.wasm")
    };
    let host = PluginHost::new().unwrap();
    let error = host.load_build(&config, &Build::new(obedient(), &config.config)).err().unwrap();
    assert_eq!(error.code, "P108");
    assert!(error.what.contains("limit is 64 KiB"), "{error}");
}

/// What a plugin that may read these rows of the table `test` answers.
fn reading(rows: Value, limits: PluginLimits, ids: &[&str]) -> Vec<Answer> {
    let Value::Object(rows) = rows else { panic!("rows are an object") };
    let table = LookupConfig {
        name: "test".to_owned(),
        origin: OriginConfig::Rows(rows.into_iter().collect()),
        max: 1 << 20,
        refresh: Duration::from_secs(30),
    };
    let config = PluginConfig { lookups: vec![table], limits, ..config("obedient.wasm") };
    let host = PluginHost::new().unwrap();
    let generation = host.load_build(&config, &Build::new(obedient(), &config.config)).unwrap();
    answers(&mut *generation.instantiate().unwrap(), &events(ids))
}

#[test]
fn a_plugin_reads_rows_of_the_tables_that_it_may_read() {
    let rows = json!({ "k1": { "tier": "gold" }, "k2": 7 });
    let answered = reading(rows, PluginLimits::default(), &["k1", "k2", "k3"]);
    assert_eq!(answered, [discarded(r#"{"tier":"gold"}"#), discarded("7"), discarded("none")]);
}

#[test]
fn a_table_that_is_not_granted_is_denied_by_name() {
    let mut plugin = plugin(PluginLimits::default());
    let answered = answers(&mut *plugin, &events(&["k"]));
    let why = "the plugin may not read the lookup table \"test\"; it may read: none";
    assert_eq!(answered, [discarded(why)]);
}

#[test]
fn what_one_event_reads_is_limited_and_costs_its_neighbours_nothing() {
    let limits = PluginLimits { lookup: 2 << 10, ..PluginLimits::default() };
    let rows = json!({ "k1": "x".repeat(3 << 10), "k2": 2, "j": "x".repeat(1 << 10) });
    let answered = reading(rows, limits, &["k2", "k1", "j", "k2", "z", "k2"]);
    assert_eq!((&answered[0], &answered[1]), (&discarded("2"), &discarded("large")));
    assert_eq!((&answered[3], &answered[5]), (&discarded("2"), &discarded("2")));
    for hostile in [&answered[2], &answered[4]] {
        assert_eq!(code(hostile), "P128", "{hostile:?}");
        assert!(detail(hostile).contains("2048 are allowed"), "{hostile:?}");
    }
}

#[test]
fn one_batch_sees_one_version_of_a_table_also_when_it_runs_again() {
    let table = |rows: &str| {
        let rows = serde_json::from_str(rows).unwrap();
        Tables::written(&std::collections::BTreeMap::from([("test".to_owned(), rows)]))
    };
    let mut plugin = plugin(PluginLimits::default());
    plugin.freeze_tables(table(r#"{ "k": 1 }"#));
    // The trap has the batch run again, one event at a time on fresh instances.
    let answered = answers(&mut *plugin, &events(&["k", "t", "k"]));
    assert_eq!((&answered[0], &answered[2]), (&discarded("1"), &discarded("1")));
    plugin.freeze_tables(table(r#"{ "k": 2 }"#));
    assert_eq!(answers(&mut *plugin, &events(&["k"])), [discarded("2")]);
}

#[test]
fn a_build_whose_table_can_not_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let origin = OriginConfig::File {
        path: folder.path().join("missing.csv"),
        format: FileFormatConfig::Csv,
        key: Some("id".to_owned()),
    };
    let refresh = Duration::from_secs(30);
    let table = LookupConfig { name: "test".to_owned(), origin, max: 1 << 20, refresh };
    let config = PluginConfig { lookups: vec![table], ..config("obedient.wasm") };
    let host = PluginHost::new().unwrap();
    let error = host.load_build(&config, &Build::new(obedient(), &config.config)).err().unwrap();
    assert_eq!(error.code, "P140");
    assert!(error.what.contains("\"test\"") && error.what.contains("missing.csv"), "{error}");
}
