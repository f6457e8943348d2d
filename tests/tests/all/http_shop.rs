//! A shop in Postgres whose orders go to an HTTP receiver, each key to a path of its own.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use relay_tests::journal::{Journal, Observed, create_outbox, write_at_once};
use relay_tests::program::{Destinations, Window, component, settings};
use relay_tests::stack::{HttpReceiver, shared_postgres};

pub(crate) struct HttpShop {
    pub(crate) url: String,
    pub(crate) receiver: HttpReceiver,
    pub(crate) journal: Journal,
    writers: u32,
}

impl HttpShop {
    pub(crate) async fn open(name: &str) -> Self {
        let url = shared_postgres().await.unwrap().create_database(name).await.unwrap();
        create_outbox(&url).await.unwrap();
        let receiver = HttpReceiver::start().unwrap();
        Self { url, receiver, journal: Journal::default(), writers: 0 }
    }

    /// Its `relay.toml` with the router, and further `lines` for the pipeline.
    pub(crate) async fn settings(&self, lines: &str) -> String {
        let router = component("router").await.unwrap();
        let to = Destinations { http: Some((&self.receiver.url(), "/orders")), ..Destinations::default() };
        settings(&self.url, &router, to, Window::Standard)
            .replace("http = \"/orders\"", "http = \"/orders/{aggregateid}\"")
            .replace("sinks = [", &format!("{lines}\nsinks = ["))
    }

    /// Its `relay.toml` with another plugin, which leaves the address to the pipeline.
    pub(crate) fn settings_with(&self, plugin: &Path, limits: &str) -> String {
        format!(
            "[source.shop]\ntype = \"postgres\"\nurl = \"{}\"\ntable = \"public.outbox\"\nstart = \"beginning\"\n\
             [sink.billing]\ntype = \"http\"\nurl = \"{}/orders\"\n\
             [plugin.other]\ncomponent = \"{}\"\nlimits = {{ {limits} }}\ngrant = {{ billing = [\"/orders\"] }}\n\
             [pipeline.orders]\nsource = \"shop\"\nplugins = [\"other\"]\nsinks = [\"billing\"]\n\
             [admin]\nlisten = \"off\"\n",
            self.url,
            self.receiver.url(),
            plugin.display()
        )
    }

    /// Commits one event of each of these keys in one transaction.
    pub(crate) async fn write<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) {
        let keys = keys.into_iter().map(str::to_owned);
        write_at_once(&self.url, self.writers, keys, &mut self.journal).await.unwrap();
        self.writers += 1;
    }

    /// The requests that count: all but those to each of these paths that were refused, by their number (0 for the
    /// first to the path).
    pub(crate) fn accepted(&self, refused: &[(&str, Range<usize>)]) -> Vec<Observed> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let requests = self.receiver.received();
        let accepted = requests.iter().filter(|request| {
            let next = numbers.entry(request.path.clone()).or_default();
            let number = std::mem::replace(next, *next + 1);
            !refused.iter().any(|(path, numbers)| *path == request.path && numbers.contains(&number))
        });
        accepted.map(Into::into).collect()
    }

    /// How many requests came for `path`.
    pub(crate) fn requests_for(&self, path: &str) -> usize {
        self.receiver.received().iter().filter(|request| request.path == path).count()
    }
}
