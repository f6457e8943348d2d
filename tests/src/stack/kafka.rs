//! Apache Kafka: one node that is broker and controller.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::error::StackError;
use super::process::{Program, ServerProcess, blocking, launcher, run};
use super::proxy::TcpProxy;
use super::{folder, ports, tools};

/// Enough for tests, and small beside what else runs on a build machine.
const JVM: &[&str] = &["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:+PerfDisableSharedMem"];
/// Any: it only has to be the same for the format and the node.
const CLUSTER: &str = "8cIaWZfKQ2uLrTnB4xYvEg";
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A Kafka node of its own.
#[derive(Debug)]
pub struct Kafka {
    process: ServerProcess,
    program: Program,
    port: u16,
    advertised: u16,
    folder: TempDir,
}

/// One record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition it is in.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Its key; `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order; a null value reads as empty.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since the Unix epoch, where the record has a time.
    pub timestamp: Option<i64>,
}

impl Record {
    /// The first header called `name`, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// The node that the tests of this process share; topics of their own keep them apart.
///
/// # Errors
/// [`StackError`] when it cannot be started.
pub async fn shared_kafka() -> Result<&'static Kafka, StackError> {
    static SHARED: OnceCell<Kafka> = OnceCell::const_new();
    SHARED.get_or_try_init(Kafka::start).await
}

impl Kafka {
    /// Starts a node without topics; returns once it serves clients.
    ///
    /// # Errors
    /// [`StackError`] when it is not installed or does not become ready.
    pub async fn start() -> Result<Self, StackError> {
        Self::start_with(&[]).await
    }

    /// Starts a node with further broker settings, each `name=value`.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn start_with(settings: &[&str]) -> Result<Self, StackError> {
        let port = ports::free_port()?;
        Self::launch(port, port, settings).await
    }

    /// Starts a node that sends its clients through a proxy: [`Kafka::brokers`] names the proxy, and so does the
    /// address that the node advertises.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn start_behind_proxy() -> Result<(Self, TcpProxy), StackError> {
        let port = ports::free_port()?;
        let proxy = TcpProxy::start(&format!("127.0.0.1:{port}"))?;
        let kafka = Self::launch(port, proxy.port(), &[]).await?;
        Ok((kafka, proxy))
    }

    async fn launch(port: u16, advertised: u16, settings: &[&str]) -> Result<Self, StackError> {
        let settings = settings.join("\n");
        blocking(move || Self::launch_blocking(port, advertised, &settings)).await
    }

    fn launch_blocking(port: u16, advertised: u16, settings: &str) -> Result<Self, StackError> {
        let folder = folder::create("kafka-")?;
        let properties = write_properties(folder.path(), port, advertised, settings)?;
        let (java, class_path) = (tools::java()?, tools::kafka_class_path()?);
        let mut format = launcher(None);
        format.arg(&java).args(JVM).args(["-XX:TieredStopAtLevel=1", "-cp"]).arg(&class_path);
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]).arg(&properties);
        run(silence_environment(format))?;
        let mut arguments: Vec<std::ffi::OsString> = JVM.iter().map(Into::into).collect();
        arguments.extend(["-cp".into(), class_path, "kafka.Kafka".into(), properties.into_os_string()]);
        let program = Program {
            server: "Kafka",
            path: java,
            arguments,
            user: None,
            ready: "Kafka Server started",
            stop_signal: "TERM",
        };
        let process = ServerProcess::start(&program, folder.path())?;
        Ok(Self { process, program, port, advertised, folder })
    }

    /// The bootstrap server, `host:port`.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.advertised)
    }

    /// The port it listens on, the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Creates a topic and waits until each partition has a leader.
    ///
    /// # Errors
    /// [`StackError::Client`] when the broker refuses.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> Result<(), StackError> {
        self.create_topic_with(name, partitions, &[]).await
    }

    /// Creates a topic with settings such as `("max.message.bytes", "2000")`.
    ///
    /// # Errors
    /// As [`Kafka::create_topic`].
    pub async fn create_topic_with(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<(), StackError> {
        let doing = || format!("creating the topic {name}");
        let admin: AdminClient<DefaultClientContext> =
            self.client().create().map_err(StackError::client(doing()))?;
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_LIMIT));
        let answers = admin.create_topics([&topic], &options).await.map_err(StackError::client(doing()))?;
        for answer in answers {
            answer.map_err(|(_, code)| code).map_err(StackError::client(doing()))?;
        }
        self.wait_for_leaders(name, partitions).await
    }

    async fn wait_for_leaders(&self, topic: &str, partitions: i32) -> Result<(), StackError> {
        let consumer = self.consumer()?;
        let topic = topic.to_owned();
        blocking(move || {
            let deadline = Instant::now() + ANSWER_LIMIT;
            while Instant::now() < deadline {
                let seen = consumer
                    .fetch_metadata(Some(&topic), ANSWER_LIMIT)
                    .map_err(StackError::client("reading the cluster's metadata"))?;
                let led = seen.topics().iter().flat_map(|it| it.partitions()).filter(|it| it.leader() >= 0);
                if i32::try_from(led.count()).is_ok_and(|led| led == partitions) {
                    return Ok(());
                }
            }
            Err(StackError::Timeout { what: format!("a leader for {topic}"), limit: ANSWER_LIMIT })
        })
        .await
    }

    /// Everything committed in the topic by now, partition by partition in order of offsets.
    ///
    /// # Errors
    /// [`StackError::Client`] or [`StackError::Timeout`] when the broker does not answer.
    pub async fn read_all(&self, topic: &str) -> Result<Vec<Record>, StackError> {
        let consumer = self.consumer()?;
        let topic = topic.to_owned();
        blocking(move || read_all(&consumer, &topic)).await
    }

    /// How many offsets the topic holds: its records, and the markers of transactions.
    ///
    /// # Errors
    /// [`StackError::Client`] when the broker does not answer.
    pub async fn count(&self, topic: &str) -> Result<i64, StackError> {
        let consumer = self.consumer()?;
        let topic = topic.to_owned();
        blocking(move || Ok(ends(&consumer, &topic)?.iter().map(|(_, low, high)| high - low).sum())).await
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Freezes it: connections stay open and nothing answers.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on after a pause.
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// Starts it again on the same data and port; kills it first if it runs.
    ///
    /// # Errors
    /// [`StackError::NotReady`].
    pub async fn restart(&mut self) -> Result<(), StackError> {
        self.process.kill();
        let (program, folder) = (self.program.clone(), self.folder.path().to_owned());
        self.process = blocking(move || ServerProcess::start(&program, &folder)).await?;
        Ok(())
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers()).set("isolation.level", "read_committed");
        config.set("group.id", "relay-tests").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest");
        config
    }

    fn consumer(&self) -> Result<BaseConsumer, StackError> {
        self.client().create().map_err(StackError::client("creating a Kafka consumer"))
    }
}

fn write_properties(
    folder: &Path,
    port: u16,
    advertised: u16,
    settings: &str,
) -> Result<PathBuf, StackError> {
    let controller = ports::free_port()?;
    let data = folder.join("data");
    let text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         {settings}\n",
        data = data.display()
    );
    let path = folder.join("server.properties");
    std::fs::write(&path, text).map_err(StackError::io("writing Kafka's settings"))?;
    Ok(path)
}

/// Options for Java that a machine sets for all programs are not meant for these.
fn silence_environment(mut command: Command) -> Command {
    command.env_remove("KAFKA_OPTS").env_remove("KAFKA_HEAP_OPTS");
    command
}

/// Partition, first offset, offset after the last.
fn ends(consumer: &BaseConsumer, topic: &str) -> Result<Vec<(i32, i64, i64)>, StackError> {
    let doing = || format!("reading the ends of {topic}");
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_LIMIT).map_err(StackError::client(doing()))?;
    let partitions = metadata.topics().iter().flat_map(|it| it.partitions()).map(|it| it.id());
    partitions
        .map(|partition| {
            let (low, high) = consumer
                .fetch_watermarks(topic, partition, ANSWER_LIMIT)
                .map_err(StackError::client(doing()))?;
            Ok((partition, low, high))
        })
        .collect()
}

fn read_all(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Record>, StackError> {
    let doing = || format!("reading {topic}");
    let filled: Vec<_> = ends(consumer, topic)?.into_iter().filter(|(_, low, high)| low < high).collect();
    let mut assignment = TopicPartitionList::new();
    for (partition, low, _) in &filled {
        assignment
            .add_partition_offset(topic, *partition, Offset::Offset(*low))
            .map_err(StackError::client(doing()))?;
    }
    consumer.assign(&assignment).map_err(StackError::client(doing()))?;
    let mut records = Vec::new();
    let mut open = filled.len();
    while open > 0 {
        match consumer.poll(ANSWER_LIMIT) {
            None => return Err(StackError::Timeout { what: doing(), limit: ANSWER_LIMIT }),
            // The end of one partition, transaction markers included: positions say more than counted records.
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(StackError::client(doing())(error)),
            Some(Ok(message)) => records.push(record(&message)),
        }
    }
    records.sort_by_key(|it| (it.partition, it.offset));
    Ok(records)
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(|it| (it.key.to_owned(), it.value.unwrap_or_default().to_vec())).collect(),
        timestamp: message.timestamp().to_millis(),
    }
}
