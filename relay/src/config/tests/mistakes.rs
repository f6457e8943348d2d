//! Each mistake has its code and its place, and all are found at once.

use super::{PIPELINE, POSTGRES, STDOUT, read, with};

/// What is wrong in `text`: code, line, column and path of each, in order.
fn found(text: &str) -> Vec<(&'static str, usize, usize, String)> {
    let place = |it: crate::config::Diagnostic| {
        let place = it.place.expect("a place");
        (it.code, place.line, place.column, it.path)
    };
    read(text).expect_err(text).into_iter().map(place).collect()
}

#[track_caller]
fn assert_one(text: &str, code: &str, line: usize, column: usize, path: &str) {
    assert_eq!(found(text), [(code, line, column, path.to_owned())], "in\n{text}");
}

/// Mistakes in keys of a pipeline, in line 10.
#[test]
fn a_wrong_value_is_found_where_it_stands() {
    let table = [
        ("on_ded = \"block\"", "C003", 1, "pipeline.orders.on_ded"),
        ("plugins = \"redact\"", "C005", 11, "pipeline.orders.plugins"),
        ("plugins = [1]", "C005", 12, "pipeline.orders.plugins[0]"),
        ("retry = { attempts = 0 }", "C006", 22, "pipeline.orders.retry.attempts"),
        ("retry = { attempts = -1 }", "C006", 22, "pipeline.orders.retry.attempts"),
        ("retry = { attempts = 1.5 }", "C005", 22, "pipeline.orders.retry.attempts"),
        ("retry = { first = \"1 h\", max = \"1 s\" }", "C019", 9, "pipeline.orders.retry"),
        ("retry = { first = 200 }", "C007", 19, "pipeline.orders.retry.first"),
        ("retry = { first = \"200\" }", "C007", 19, "pipeline.orders.retry.first"),
        ("retry = { first = \"5 m\" }", "C007", 19, "pipeline.orders.retry.first"),
        ("retry = { frist = \"5 s\" }", "C003", 11, "pipeline.orders.retry.frist"),
        ("grace = \"2 h\"", "C006", 9, "pipeline.orders.grace"),
        ("shards = 65", "C006", 10, "pipeline.orders.shards"),
        ("batch = { bytes = 8 }", "C008", 19, "pipeline.orders.batch.bytes"),
        ("window = { bytes = \"64 MiBs\" }", "C008", 20, "pipeline.orders.window.bytes"),
        ("on_dead = \"${NOT_SET}\"", "C009", 11, "pipeline.orders.on_dead"),
        ("on_dead = \"${NOT SET}\"", "C010", 11, "pipeline.orders.on_dead"),
        ("on_dead = \"blok\"", "C013", 11, "pipeline.orders.on_dead"),
        ("storm = \"of\"", "C013", 9, "pipeline.orders.storm"),
        ("storm = { percent = 0 }", "C006", 21, "pipeline.orders.storm.percent"),
        ("storm = { last = 129 }", "C006", 18, "pipeline.orders.storm.last"),
        ("held = { dead = 0 }", "C006", 17, "pipeline.orders.held.dead"),
        ("held = { parked_bytes = \"1 KiB\" }", "C006", 25, "pipeline.orders.held.parked_bytes"),
        ("route = { out = \"{key}\" }", "C018", 17, "pipeline.orders.route.out"),
        ("route = { out = \"{\" }", "C018", 17, "pipeline.orders.route.out"),
        ("route = { other = \"x\" }", "C024", 11, "pipeline.orders.route.other"),
        ("plugins = [\"redact\"]", "C022", 12, "pipeline.orders.plugins[0]"),
        ("[admin]\ntap = 1", "C005", 7, "admin.tap"),
        ("on_dead = \"block\"\non_dead = \"block\"", "C002", 1, ""),
        ("on_dead = block", "C002", 11, ""),
    ];
    for (line, code, column, path) in table {
        let text = with(line);
        let number = if line.contains('\n') { 11 } else { 10 };
        assert_one(&text, code, number, column, path);
    }
}

#[test]
fn a_tap_without_the_server_it_goes_through_is_refused() {
    let text = with("[admin]\nlisten = \"off\"\ntap = true");
    assert_one(&text, "C019", 12, 7, "admin.tap");
}

#[test]
fn a_wrong_source_is_found_where_it_stands() {
    let table = [
        ("type = \"postgers\"", "C012", 2, 8, "source.shop.type"),
        ("start = \"nwo\"", "C013", 4, 9, "source.shop.start"),
        ("url = \"mysql://localhost\"", "C016", 3, 7, "source.shop.url"),
        ("url = \"file:/not/there\"", "C011", 3, 7, "source.shop.url"),
        ("url = \"${NOT_SET:?where}\"", "C009", 3, 7, "source.shop.url"),
    ];
    for (line, code, number, column, path) in table {
        let key = line.split_once(' ').unwrap().0;
        let replaced: Vec<_> =
            POSTGRES.lines().map(|it| if it.starts_with(key) { line } else { it }).collect();
        let text = format!("{}\n{STDOUT}{PIPELINE}", replaced.join("\n"));
        assert_one(&text, code, number, column, path);
    }
    let table = [
        ("type = \"postgres\"\n", "C004", 1, 9, "source.shop"),
        ("url = \"postgres://localhost/shop\"\n", "C004", 1, 9, "source.shop"),
        ("start = \"now\"\n", "C017", 1, 9, "source.shop"),
    ];
    for (line, code, number, column, path) in table {
        let text = format!("{}{STDOUT}{PIPELINE}", POSTGRES.replace(line, ""));
        assert_one(&text, code, number, column, path);
    }
    let table = [
        ("table = \"a.b.c\"", "C016", 9, "source.shop.table"),
        ("columns = { key = \"\" }", "C016", 19, "source.shop.columns.key"),
        ("columns = { keys = \"x\" }", "C003", 13, "source.shop.columns.keys"),
        ("poll_idle = \"1 h\"", "C006", 13, "source.shop.poll_idle"),
    ];
    for (line, code, column, path) in table {
        assert_one(&format!("{POSTGRES}{line}\n{STDOUT}{PIPELINE}"), code, 5, column, path);
    }
}

#[test]
fn a_wrong_sink_is_found_where_it_stands() {
    let table = [
        ("type = \"kafka\"", "C004", 5, 7, "sink.out"),
        ("type = \"kafka\"\nbrokers = [\"localhost\"]", "C016", 7, 12, "sink.out.brokers[0]"),
        ("type = \"kafka\"\nbrokers = [\"kafka://a:1\"]", "C016", 7, 12, "sink.out.brokers[0]"),
        (
            "type = \"kafka\"\nbrokers = [\"a:1\"]\ncompression = \"lz\"",
            "C013",
            8,
            15,
            "sink.out.compression",
        ),
        (
            "type = \"kafka\"\nbrokers = [\"a:1\"]\nproperties = { acks = 1 }",
            "C028",
            8,
            16,
            "sink.out.properties.acks",
        ),
        ("type = \"nats\"", "C004", 5, 7, "sink.out"),
        ("type = \"nats\"\nservers = [\"localhost:4222\"]", "C016", 7, 12, "sink.out.servers[0]"),
        ("type = \"nats\"\nservers = [\"nats://u:p@a\"]", "C016", 7, 12, "sink.out.servers[0]"),
        ("type = \"nats\"\nservers = [\"nats://a\"]\nuser = \"u\"", "C004", 5, 7, "sink.out"),
        (
            "type = \"nats\"\nservers = [\"nats://a\"]\ntoken = \"t\"\ncredentials = \"c\"",
            "C019",
            5,
            7,
            "sink.out",
        ),
        ("type = \"http\"", "C004", 5, 7, "sink.out"),
        ("type = \"http\"\nurl = \"ftp://a\"", "C016", 7, 7, "sink.out.url"),
        ("type = \"http\"\nurl = \"http://u:p@a\"", "C016", 7, 7, "sink.out.url"),
        ("type = \"http\"\nurl = \"http://a/?b\"", "C016", 7, 7, "sink.out.url"),
        ("type = \"http\"\nurl = \"http://a\"\nmethod = \"post\"", "C013", 8, 10, "sink.out.method"),
        (
            "type = \"http\"\nurl = \"http://a\"\nheaders = { \"a b\" = \"c\" }",
            "C013",
            8,
            13,
            "sink.out.headers.a b",
        ),
        (
            "type = \"http\"\nurl = \"http://a\"\nsign = { secret = \"whsec_?\" }",
            "C013",
            8,
            19,
            "sink.out.sign.secret",
        ),
        ("type = \"http\"\nurl = \"http://a\"\nsign = {}", "C004", 8, 8, "sink.out.sign"),
        ("type = \"stdout\"\nas = \"redis\"", "C013", 7, 6, "sink.out.as"),
        ("type = \"stdout\"\nurl = \"x\"", "C003", 7, 1, "sink.out.url"),
    ];
    for (lines, code, number, column, path) in table {
        assert_one(&format!("{POSTGRES}[sink.out]\n{lines}\n{PIPELINE}"), code, number, column, path);
    }
}

#[test]
fn what_plugins_can_not_use_can_not_be_accepted() {
    let plugin = "[plugin.redact]\ncomponent = \"redact.wasm\"\naccept = [\"log\", \"*\", \"clok.now\"]\n";
    let found = read(&with(&format!("plugins = [\"redact\"]\n{plugin}"))).unwrap_err();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].code == "C013" && found[0].allowed.contains("did you mean \"clock.now\"?"),
        "{found:#?}"
    );
}

#[test]
fn names_that_one_part_uses_for_another_have_to_exist() {
    let text = with("").replace("\"shop\"", "\"shp\"").replace("[\"out\"]", "[\"out\", \"oot\", \"out\"]");
    let all = found(&text);
    assert_eq!(
        all,
        [
            ("C020", 8, 10, "pipeline.orders.source".to_owned()),
            ("C021", 9, 17, "pipeline.orders.sinks[1]".to_owned()),
            ("C026", 9, 24, "pipeline.orders.sinks[2]".to_owned()),
        ]
    );
    let other = "[sink.other]\ntype = \"stdout\"\n";
    let plugin = "[plugin.redact]\ncomponent = \"redact.wasm\"\ngrant = { other = [\"x\"] }\n";
    let text = with(&format!("plugins = [\"redact\"]\n{other}{plugin}"));
    assert_eq!(
        found(&text),
        [("C031", 11, 7, "sink.other".to_owned()), ("C023", 15, 11, "plugin.redact.grant.other".to_owned())]
    );
    assert_one(&format!("{POSTGRES}{STDOUT}"), "C025", 1, 1, "");
    assert_one(&with("").replace("orders]", "Orders]"), "C015", 7, 11, "pipeline.Orders");
    assert_one(&with("sink = 1"), "C003", 10, 1, "pipeline.orders.sink");
    assert_one(&format!("{}[sinks.x]\n", with("")), "C003", 10, 2, "sinks");
}

#[test]
fn a_name_that_is_not_there_is_told_in_the_same_words_everywhere_with_the_nearest_one() {
    let tables = "[lookup.rates]\nfile = \"rates.csv\"\nkey = \"id\"\n\
                  [lookup.zones]\nquery = \"SELECT\"\nkey = \"id\"\nsource = \"shpo\"\n";
    let plugin = "plugins = [\"redact\", \"redcat\"]\n[plugin.redact]\ncomponent = \"redact.wasm\"\n\
                  lookups = [\"rates\", \"zones\", \"rate\", \"rates\"]\n";
    let text = with(&format!("{plugin}{tables}")).replace("[\"out\"]", "[\"oit\"]");
    let told: Vec<String> =
        read(&text).unwrap_err().iter().map(|it| format!("{}; {}", it.message, it.allowed)).collect();
    assert_eq!(
        told,
        [
            "pipeline \"orders\" names the sink \"oit\", which is not configured; \
             configured: out; did you mean \"out\"?",
            "pipeline \"orders\" names the plugin \"redcat\", which is not configured; \
             configured: redact; did you mean \"redact\"?",
            "plugin \"redact\" names the lookup table \"rate\", which is not configured; \
             configured: rates, zones; did you mean \"rates\"?",
            "plugin \"redact\" names the lookup table \"rates\" twice; ",
            "\"lookup.zones\" names the source \"shpo\", which is not configured; \
             configured: shop; did you mean \"shop\"?",
        ]
    );
    let granted =
        with("plugins = [\"redact\"]\n[plugin.redact]\ncomponent = \"a\"\ngrant = { oit = [\"x\"] }");
    let found = read(&granted).unwrap_err();
    assert_eq!(
        (&*found[0].message, &*found[0].allowed),
        (
            "plugin \"redact\" is granted the sink \"oit\", which is not configured",
            "allowed: out; did you mean \"out\"?"
        )
    );
}

#[test]
fn credentials_are_of_one_kind_and_plugins_name_those_that_there_are() {
    let sink = |credential: &str| {
        let http = format!("type = \"http\"\nurl = \"http://a\"\ncredentials = {{ {credential} }}");
        with("plugins = [\"p\"]\n[plugin.p]\ncomponent = \"a\"\ncredentials = [\"crm\"]")
            .replace("type = \"stdout\"", &http)
    };
    let codes = |credential: &str| found(&sink(credential)).into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(codes("bank = { bearer = \"hunter2\" }"), ["C034"]);
    assert_eq!(codes("crm = { }")[0], "C019");
    assert_eq!(codes("crm = { bearer = \"a\", header = \"b\" }")[0], "C019");
    assert_eq!(codes("crm = { bearer = \"a\", user = \"b\" }")[0], "C003");
    assert_eq!(codes("crm = { basic = { user = \"a\" } }")[0], "C004");
    assert_eq!(codes("crm = { header = \"webhook-id\", value = \"hunter2\" }"), ["C013"]);
    assert_eq!(codes("crm = { header = \"a b\", value = \"hunter2\" }"), ["C013"]);
    assert!(
        !format!("{:?}", read(&sink("crm = { header = \"a b\", value = \"hunter2\" }"))).contains("hunter2")
    );
    let good = read(&sink("crm = { basic = { user = \"u\", password = \"hunter2\" } }")).unwrap();
    assert_eq!(good.plugins["p"].credentials, ["crm"]);
    assert!(!format!("{good:?}").contains("hunter2") && !format!("{good:?}").contains("dTpodW50ZXIy"));
}

#[test]
fn lookup_tables_have_one_origin_and_plugins_name_those_that_there_are() {
    let codes = |text: &str| {
        let found = found(&with(&format!("plugins = [\"p\"]\n[plugin.p]\ncomponent = \"a\"\n{text}")));
        found.into_iter().map(|it| (it.0, it.3)).collect::<Vec<_>>()
    };
    let one = |code, path: &str| vec![(code, path.to_owned())];
    let granted = "lookups = [\"l\"]\n[lookup.l]\n";
    let of = |lines: &str| codes(&format!("{granted}{lines}"));
    assert_eq!(codes("lookups = [\"x\"]"), one("C029", "plugin.p.lookups[0]"));
    assert_eq!(
        codes("lookups = [\"l\", \"l\"]\n[lookup.l]\nfile = \"a.csv\"\nkey = \"id\""),
        one("C026", "plugin.p.lookups[1]")
    );
    assert_eq!(of("refresh = \"1 s\""), one("C004", "lookup.l"));
    assert_eq!(of("file = \"a.csv\""), one("C004", "lookup.l"));
    assert_eq!(of("file = \"a\"\nkey = \"id\""), one("C004", "lookup.l"));
    assert_eq!(of("file = \"a\"\nformat = \"xml\"\nkey = \"id\""), one("C013", "lookup.l.format"));
    assert_eq!(of("file = \"a.csv\"\nquery = \"SELECT\"\nkey = \"id\""), one("C019", "lookup.l.query"));
    assert_eq!(of("query = \"SELECT\"\nkey = \"id\""), one("C004", "lookup.l"));
    assert_eq!(of("query = \"SELECT\"\nkey = \"id\"\nsource = \"shup\""), one("C020", "lookup.l.source"));
    assert_eq!(
        of("query = \"SELECT\"\nkey = \"id\"\nurl = \"mysql://hunter2@h\""),
        one("C016", "lookup.l.url")
    );
    assert_eq!(of("file = \"a.csv\"\nkey = \"id\"\nrefresh = \"1 ms\""), one("C006", "lookup.l.refresh"));
    let unused = read(&with("[lookup.l]\nfile = \"a.json\"")).unwrap().warnings;
    assert_eq!((unused.len(), unused[0].code), (1, "C033"));
    let config = read(&with(
        "plugins = [\"p\"]\n[plugin.p]\ncomponent = \"a\"\nlookups = [\"l\"]\n[lookup.l]\n\
                             query = \"SELECT 1 AS id\"\nkey = \"id\"\nurl = \"postgres://u:hunter2@h/d\"",
    ))
    .unwrap();
    assert_eq!(config.plugins["p"].plugin.lookups[0].name, "l");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_is_close_is_suggested() {
    let allowed = |text: &str| read(text).unwrap_err()[0].allowed.clone();
    let kafak = with("").replace("stdout", "kafak");
    assert_eq!(allowed(&kafak), "allowed: http, kafka, nats, stdout; did you mean \"kafka\"?");
    assert_eq!(allowed(&with("on_dead = \"anything\"")), "allowed: block, park_key, skip_after_dead_letter");
}

#[test]
fn a_secret_shows_up_in_no_screen_and_no_debug_output() {
    let lines = [
        "url = \"postgres://u:hunter2@h/d\"\ntabel = \"x\"",
        "url = \"mysql://u:hunter2@h/d\"",
        "url = \"hunter2\"",
        "password = \"hunter2\"",
        "url = postgres://u:hunter2@h/d",
        "url = \"postgres://h/d\"\nstart = \"nwo\" # u:hunter2@h",
    ];
    for line in lines {
        let key = line.split_once(' ').unwrap().0;
        let source: String =
            POSTGRES.lines().filter(|it| !it.starts_with(key)).map(|it| format!("{it}\n")).collect();
        let source = if line.contains("start") { source.replace("start = \"now\"\n", "") } else { source };
        let found = read(&format!("{source}{line}\n{STDOUT}{PIPELINE}")).unwrap_err();
        assert!(!format!("{found:?}").contains("hunter2"), "{line}: {found:?}");
    }
    for sink in [
        "type = \"kafka\"\nbrokers = [\"u:hunter2@h\"]",
        "type = \"nats\"\nservers = [\"nats://u:hunter2@h\"]",
        "type = \"http\"\nurl = \"http://u:hunter2@h\"",
        "type = \"http\"\nurl = \"http://h\"\nheaders = { x-team = \"hunter2\", \"a b\" = \"c\" }",
    ] {
        let found = read(&with("").replace("type = \"stdout\"", sink)).unwrap_err();
        assert!(!format!("{found:?}").contains("hunter2"), "{sink}: {found:?}");
    }
    let text = with("").replace("postgres://localhost/shop", "${DATABASE_URL}").replace(
        "type = \"stdout\"",
        "type = \"http\"\nurl = \"http://a\"\nsign = { secret = \"hunter2\" }\nheaders = { a = \"hunter2\" }",
    );
    let config = read(&text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn every_key_is_documented() {
    let documented = include_str!("../../../docs/configuration.md");
    let postgres = POSTGRES.replace("[source.shop]\n", "[source.shop]\nx = 1\ncolumns = { x = 1 }\n");
    let rest = "x = 1\nplugins = [\"p\"]\nretry = { x = 1 }\nbatch = { x = 1 }\nwindow = { x = 1 }
storm = { x = 1 }
held = { x = 1 }
        [source.file]\ntype = \"sqlite\"\npath = \"a\"\nstart = \"now\"\nx = 1
        [sink.k]\ntype = \"kafka\"\nbrokers = [\"a:1\"]\nx = 1
        [sink.n]\ntype = \"nats\"\nservers = [\"nats://a\"]\nx = 1
        [sink.h]\ntype = \"http\"\nurl = \"http://a\"\nsign = { secret = \"a\", x = 1 }\nx = 1
        [plugin.p]\ncomponent = \"a\"\nlimits = { x = 1 }\nx = 1
        [lookup.l]\nfile = \"a.csv\"\nkey = \"id\"\nx = 1
        [lookup.q]\nsource = \"shop\"\nquery = \"SELECT\"\nkey = \"id\"\nx = 1
        [admin]\nx = 1";
    let found = read(&format!("{postgres}{STDOUT}{PIPELINE}{rest}")).unwrap_err();
    assert_eq!(found.iter().filter(|it| it.code == "C003").count(), 18, "{found:#?}");
    for diagnostic in found.iter().filter(|it| it.code == "C003") {
        let keys = diagnostic.allowed.strip_prefix("allowed: ").unwrap();
        for key in keys.split(';').next().unwrap().split(", ") {
            assert!(
                documented.contains(&format!("`{key}`")) || documented.contains(&format!("{key} =")),
                "{key}"
            );
        }
    }
}

#[cfg(all(feature = "postgres", feature = "sqlite"))]
#[test]
fn the_keys_of_an_sqlite_outbox_are_not_divided() {
    let sqlite = POSTGRES.replace("type = \"postgres\"", "type = \"sqlite\"\npath = \"shop.db\"");
    let sqlite = sqlite.lines().filter(|line| !line.starts_with("url")).collect::<Vec<_>>().join("\n");
    let divided = |source: &str, shards: u32| format!("{source}\n{STDOUT}\n{PIPELINE}\nshards = {shards}\n");
    assert!(read(&divided(POSTGRES, 4)).is_ok());
    assert!(read(&divided(&sqlite, 1)).is_ok());
    let found = found(&divided(&sqlite, 4));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].3.as_str()), ("C019", "pipeline.orders.shards"));
}
