//! The servers that a benchmark runs against.

use relay_tests::journal::{create_outbox, load_outbox};
use relay_tests::stack::{HttpReceiver, Kafka, Nats, Postgres};
use sqlx::Executor;

use crate::Outcome;
use crate::arguments::{Arguments, SinkKind};

/// As many as a small production topic has.
const PARTITIONS: i32 = 8;

/// Postgres with an outbox, and the sinks that take part.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) postgres: Postgres,
    kafka: Option<Kafka>,
    nats: Option<Nats>,
}

impl Site {
    /// Starts the servers.
    pub(crate) async fn open(arguments: &Arguments) -> Outcome<Self> {
        eprintln!("starting the servers");
        let sinks = arguments.sinks();
        let postgres = Postgres::start().await?;
        let url = postgres.create_database("bench").await?;
        create_outbox(&url).await?;
        let kafka = if sinks.contains(&SinkKind::Kafka) { Some(Kafka::start().await?) } else { None };
        let nats = if sinks.contains(&SinkKind::Nats) { Some(Nats::start().await?) } else { None };
        Ok(Self { url, postgres, kafka, nats })
    }

    /// Fills the outbox.
    pub(crate) async fn load(&self, events: u64) -> Outcome<()> {
        eprintln!("writing {events} events");
        Ok(load_outbox(&self.url, events).await?)
    }

    pub(crate) fn kafka(&self) -> Outcome<&Kafka> {
        self.kafka.as_ref().ok_or_else(|| "Kafka takes no part".into())
    }

    pub(crate) fn nats(&self) -> Outcome<&Nats> {
        self.nats.as_ref().ok_or_else(|| "NATS takes no part".into())
    }

    /// Makes the relay forget what it has sent.
    pub(crate) async fn forget_progress(&self) -> Outcome<()> {
        let name = self.url.rsplit('/').next().unwrap_or_default();
        self.postgres.connect(name).await?.execute("DROP SCHEMA IF EXISTS relay CASCADE").await?;
        Ok(())
    }

    /// An empty place in the sink, and its counter. The place of each round is new.
    pub(crate) async fn target(&self, sink: SinkKind, name: &str) -> Outcome<Target> {
        Ok(match sink {
            SinkKind::Kafka => {
                let kafka = self.kafka()?;
                kafka.create_topic(name, PARTITIONS).await?;
                Target::Kafka { brokers: kafka.brokers(), counter: kafka.counter(name)? }
            }
            SinkKind::Nats => {
                let nats = self.nats()?;
                nats.create_stream(name, &[name]).await?;
                Target::Nats { url: nats.url(), context: nats.jetstream().await? }
            }
            SinkKind::Http => {
                let receiver = HttpReceiver::start_counting()?;
                Target::Http { url: receiver.url(), receiver }
            }
        })
    }
}

/// Where one round's messages go.
pub(crate) enum Target {
    Kafka { brokers: String, counter: relay_tests::stack::TopicCounter },
    Nats { url: String, context: async_nats::jetstream::Context },
    Http { url: String, receiver: HttpReceiver },
}

impl Target {
    /// How many messages it holds.
    pub(crate) async fn count(&self, name: &str) -> Outcome<u64> {
        Ok(match self {
            Self::Kafka { counter, .. } => u64::try_from(counter.count().await?)?,
            Self::Nats { context, .. } => context.get_stream(name).await?.info().await?.state.messages,
            Self::Http { receiver, .. } => u64::try_from(receiver.count())?,
        })
    }
}
