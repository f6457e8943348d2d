//! Runs a plugin natively, for its own tests.
//!
//! ```
//! # use relay_plugin_sdk::prelude::*;
//! # struct Passes;
//! # #[derive(Deserialize, JsonSchema)]
//! # struct Config {}
//! # impl Plugin for Passes {
//! #     type Config = Config;
//! #     fn new(_: Config) -> Result<Self, Problem> { Ok(Self) }
//! #     fn transform(&mut self, _: &Event) -> Result<Verdict, Fault> { Ok(Message::next().into()) }
//! # }
//! use relay_plugin_sdk::testing::{EventBuilder, Harness};
//!
//! let mut plugin = Harness::<Passes>::new("{}").unwrap();
//! let event = EventBuilder::new("order", "order-1", "OrderPlaced").payload(r#"{"amount":3}"#).build();
//! assert_eq!(plugin.run(&event), Ok(Message::next().into()));
//! ```

#[cfg(not(target_arch = "wasm32"))]
mod golden;
#[cfg(not(target_arch = "wasm32"))]
mod property;

use crate::bindings::relay::plugin::types;
use crate::event::Beside;
use crate::{Event, Fault, Plugin, Problem, Verdict, config};

#[cfg(not(target_arch = "wasm32"))]
pub use golden::{Failures, golden_cases};
#[cfg(not(target_arch = "wasm32"))]
pub use property::{Broken, same_answers};

/// A plugin, configured as the relay would configure it.
#[derive(Debug)]
pub struct Harness<P> {
    plugin: P,
    #[cfg(not(target_arch = "wasm32"))]
    tables: crate::lookup::native::Tables,
    #[cfg(not(target_arch = "wasm32"))]
    counted: std::collections::BTreeMap<String, u64>,
}

impl<P: Plugin> Harness<P> {
    /// Makes the plugin from its configuration, a JSON text.
    ///
    /// # Errors
    /// Every problem the relay would show.
    pub fn new(config: &str) -> Result<Self, Vec<Problem>> {
        let problem = |it: crate::bindings::exports::relay::plugin::transform::Problem| {
            Problem::at(it.path, it.message)
        };
        let list = |problems: Vec<_>| problems.into_iter().map(problem).collect::<Vec<_>>();
        let config = config::read(config).map_err(list)?;
        let plugin = P::new(config).map_err(|problem| list(problem.into_list()))?;
        Ok(Self {
            plugin,
            #[cfg(not(target_arch = "wasm32"))]
            tables: crate::lookup::native::Tables::new(),
            #[cfg(not(target_arch = "wasm32"))]
            counted: std::collections::BTreeMap::new(),
        })
    }

    /// Lets it read the lookup table `name` with these rows, each a key and its value.
    ///
    /// ```
    /// # use relay_plugin_sdk::prelude::*;
    /// # use relay_plugin_sdk::{serde_json::json, testing::{EventBuilder, Harness}};
    /// # struct Tier;
    /// # #[derive(Deserialize, JsonSchema)]
    /// # struct Config {}
    /// # #[derive(Deserialize)]
    /// # struct Customer { tier: String }
    /// # impl Plugin for Tier {
    /// #     type Config = Config;
    /// #     fn new(_: Config) -> Result<Self, Problem> { Ok(Self) }
    /// #     fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
    /// #         let customer: Option<Customer> = lookup::get("customers", event.aggregate_id())?;
    /// #         Ok(discard(customer.map_or("nobody".to_owned(), |it| it.tier)))
    /// #     }
    /// # }
    /// let mut plugin = Harness::<Tier>::new("{}").unwrap().table("customers", [("c-1", json!({ "tier": "gold" }))]);
    /// let order = |customer| EventBuilder::new("customer", customer, "OrderPlaced").build();
    /// assert_eq!(plugin.run(&order("c-1")), Ok(discard("gold")));
    /// assert_eq!(plugin.run(&order("c-2")), Ok(discard("nobody")));
    /// ```
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn table<'r>(
        mut self,
        name: &str,
        rows: impl IntoIterator<Item = (&'r str, serde_json::Value)>,
    ) -> Self {
        let rows = rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.tables.insert(name.to_owned(), rows);
        self
    }

    /// What the counter `name` counted so far, over all of its labels.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn counted(&self, name: &str) -> u64 {
        self.counted.get(name).copied().unwrap_or_default()
    }

    /// What `ask` returns while the plugin's tables are there.
    fn asked<T>(&mut self, ask: impl FnOnce(&mut P) -> T) -> T {
        #[cfg(not(target_arch = "wasm32"))]
        {
            let (plugin, tables) = (&mut self.plugin, &self.tables);
            let work = || crate::lookup::native::reading(tables, || ask(plugin));
            let (done, counted) = crate::metrics::native::counting(work);
            for (name, delta) in counted {
                *self.counted.entry(name).or_default() += delta;
            }
            done
        }
        #[cfg(target_arch = "wasm32")]
        ask(&mut self.plugin)
    }

    /// Asks it about one event.
    ///
    /// # Errors
    /// The plugin's fault.
    pub fn run(&mut self, event: &Event) -> Result<Verdict, Fault> {
        self.asked(|plugin| plugin.transform(event))
    }

    /// Asks it about several events, in order.
    pub fn run_all<'e>(
        &mut self,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Vec<Result<Verdict, Fault>> {
        self.asked(|plugin| events.into_iter().map(|event| plugin.transform(event)).collect())
    }

    /// The JSON Schema of its configuration.
    #[must_use]
    pub fn schema() -> String {
        config::schema::<P::Config>()
    }
}

/// Makes an event, with plausible values for what a test does not name.
#[derive(Debug, Clone)]
pub struct EventBuilder {
    row: types::Event,
    beside: Beside,
}

impl EventBuilder {
    /// An event about the aggregate `aggregate_id`, with the payload `{}`, written on 21 November 2026 at
    /// noon UTC.
    #[must_use]
    pub fn new(aggregate_type: &str, aggregate_id: &str, event_type: &str) -> Self {
        let row = types::Event {
            id: "01JD3K0000000000000000000A".to_owned(),
            sequence: 1,
            aggregate_type: aggregate_type.to_owned(),
            aggregate_id: aggregate_id.to_owned(),
            event_type: event_type.to_owned(),
            content_type: None,
            payload: Some(b"{}".to_vec()),
            occurred_at: 1_795_262_400_000_000,
            attempt: 1,
        };
        let beside = Beside { source: "shop".to_owned(), headers: Vec::new(), attributes: Vec::new() };
        Self { row, beside }
    }

    /// Its unique id.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.row.id);
        self
    }

    /// The source it comes from.
    #[must_use]
    pub fn source(mut self, source: &str) -> Self {
        source.clone_into(&mut self.beside.source);
        self
    }

    /// Its payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.row.payload = Some(payload.into());
        self
    }

    /// No payload.
    #[must_use]
    pub fn tombstone(mut self) -> Self {
        self.row.payload = None;
        self
    }

    /// The payload's media type.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.row.content_type = Some(content_type.to_owned());
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.beside.headers.push((name.to_owned(), value.into()));
        self
    }

    /// One more column.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.beside.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// When it was written, in microseconds since the Unix epoch.
    #[must_use]
    pub fn occurred_at(mut self, microseconds: u64) -> Self {
        self.row.occurred_at = microseconds;
        self
    }

    /// Which run of it this is, from 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.row.attempt = attempt;
        self
    }

    /// The event.
    #[must_use]
    pub fn build(self) -> Event {
        Event::whole(self.row, self.beside)
    }
}
