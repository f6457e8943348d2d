//! The test stack itself: what it promises to the tests that use it.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use relay_tests::stack::{Answer, HttpReceiver, Kafka, Nats, Postgres, TcpProxy, shared_kafka, shared_nats};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

#[tokio::test]
async fn postgres_keeps_what_was_committed_before_a_kill() {
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database("shop").await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)").await.unwrap();

    postgres.kill();
    assert!(PgConnection::connect(&url).await.is_err(), "a killed server takes no connection");
    postgres.restart().await.unwrap();

    let mut connection = PgConnection::connect(&url).await.unwrap();
    let row = connection.fetch_one("SELECT id FROM kept").await.unwrap();
    assert_eq!(row.get::<i32, _>(0), 7);
}

#[tokio::test]
async fn a_paused_postgres_answers_only_after_it_is_resumed() {
    let mut postgres = Postgres::start().await.unwrap();
    let mut connection = postgres.connect("postgres").await.unwrap();
    postgres.pause();
    let mut answer = Box::pin(connection.fetch_one("SELECT 1"));
    let silent = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
    assert!(silent.is_err(), "a paused server stays silent");
    postgres.resume();
    assert_eq!(answer.await.unwrap().get::<i32, _>(0), 1);
}

#[tokio::test]
async fn databases_of_one_server_are_apart() {
    let postgres = relay_tests::stack::shared_postgres().await.unwrap();
    let one = postgres.create_database("same").await.unwrap();
    let two = postgres.create_database("same").await.unwrap();
    assert_ne!(one, two);
    let name = one.rsplit('/').next().unwrap();
    let mut connection = postgres.connect(name).await.unwrap();
    let statement = AssertSqlSafe("SELECT current_database()".to_owned());
    assert_eq!(connection.fetch_one(statement).await.unwrap().get::<String, _>(0), name);
}

#[tokio::test]
async fn kafka_reads_back_what_was_produced() {
    use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
    let kafka = shared_kafka().await.unwrap();
    kafka.create_topic("stack-read-back", 3).await.unwrap();
    assert!(kafka.read_all("stack-read-back").await.unwrap().is_empty());
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("enable.idempotence", "true")
        .create()
        .unwrap();
    for number in 0..100 {
        let (key, value) = (format!("key-{}", number % 7), number.to_string());
        producer.send(BaseRecord::to("stack-read-back").key(&key).payload(&value)).unwrap();
    }
    while producer.in_flight_count() > 0 {
        tokio::task::yield_now().await;
    }
    let records = kafka.read_all("stack-read-back").await.unwrap();
    assert_eq!(records.len(), 100);
    assert_eq!(kafka.count("stack-read-back").await.unwrap(), 100);
    let of_one_key: Vec<u32> = records
        .iter()
        .filter(|it| it.key.as_deref() == Some(b"key-3"))
        .map(|it| std::str::from_utf8(it.value.as_deref().unwrap()).unwrap().parse().unwrap())
        .collect();
    assert!(of_one_key.is_sorted() && of_one_key.len() == 14, "{of_one_key:?}");
}

#[tokio::test]
async fn kafka_keeps_its_topics_over_a_kill_and_its_clients_pass_the_proxy() {
    let (mut kafka, proxy) = Kafka::start_behind_proxy().await.unwrap();
    kafka.create_topic("kept", 1).await.unwrap();
    kafka.kill();
    kafka.restart().await.unwrap();
    assert!(kafka.read_all("kept").await.unwrap().is_empty());
    proxy.cut();
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let around = client.fetch_metadata(Some("kept"), Duration::from_secs(2));
    assert!(around.is_err(), "a client must not find a way around the proxy");
}

#[tokio::test]
async fn nats_keeps_acknowledged_messages_over_a_kill() {
    let mut nats = Nats::start().await.unwrap();
    nats.create_stream("orders", &["orders.>"]).await.unwrap();
    let context = nats.jetstream().await.unwrap();
    for number in 0..3 {
        let ack = context.publish("orders.placed", number.to_string().into()).await.unwrap();
        ack.await.unwrap();
    }
    nats.kill();
    nats.restart().await.unwrap();
    let stored = nats.read_stream("orders").await.unwrap();
    assert_eq!(stored.iter().map(|it| it.body.as_slice()).collect::<Vec<_>>(), [b"0", b"1", b"2"]);
    assert_eq!(nats.count("orders").await.unwrap(), 3);
}

#[tokio::test]
async fn an_empty_stream_reads_as_empty() {
    let nats = shared_nats().await.unwrap();
    nats.create_stream("empty", &["empty.>"]).await.unwrap();
    assert!(nats.read_stream("empty").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_receiver_records_requests_and_answers_as_told() {
    let receiver = HttpReceiver::start().unwrap();
    receiver.answer_nth(1, Answer::status(503).header("retry-after", "2"));
    receiver.answer_path("/gone", Answer::status(410));
    receiver.answer_nth(3, Answer::drop_connection());
    let client = client();
    let post = |path: &str, body: &'static str| {
        client.post(format!("{}{path}", receiver.url())).header("webhook-id", path).body(body).send()
    };
    assert_eq!(post("/a", "one").await.unwrap().status(), 200);
    let throttled = post("/b", "two").await.unwrap();
    assert_eq!(
        (throttled.status().as_u16(), &throttled.headers()["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    assert_eq!(post("/gone", "").await.unwrap().status(), 410);
    assert!(post("/d", "four").await.is_err(), "the connection was to be dropped");
    let requests = receiver.wait_for(4, Duration::from_secs(10)).await.unwrap();
    let seen: Vec<_> = requests.iter().map(|it| (it.path.as_str(), it.header("webhook-id"))).collect();
    assert_eq!(seen, [("/a", Some("/a")), ("/b", Some("/b")), ("/gone", Some("/gone")), ("/d", Some("/d"))]);
    assert_eq!(requests[3].body, b"four");
}

#[tokio::test]
async fn a_held_answer_comes_when_it_is_released_and_a_stopped_receiver_refuses() {
    let mut receiver = HttpReceiver::start().unwrap();
    receiver.answer(Answer::status(204).held());
    let url = receiver.url();
    let mut answer = Box::pin(client().post(&url).body("x").send());
    let silent = tokio::time::timeout(Duration::from_millis(100), &mut answer).await;
    assert!(silent.is_err() && receiver.count() == 1);
    receiver.release();
    assert_eq!(answer.await.unwrap().status(), 204);
    receiver.stop();
    assert!(client().post(&url).send().await.is_err());
    receiver.restart().unwrap();
    assert_eq!(client().post(&url).send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn the_proxy_cuts_holds_and_restores() {
    let receiver = HttpReceiver::start().unwrap();
    let proxy = TcpProxy::start(&format!("127.0.0.1:{}", receiver.port())).unwrap();
    let url = format!("http://{}/", proxy.address());
    let client = client();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    proxy.cut();
    assert!(client.get(&url).send().await.is_err());
    proxy.restore();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    proxy.hold();
    let mut answer = Box::pin(client.get(&url).send());
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut answer).await.is_err());
    proxy.restore();
    assert_eq!(answer.await.unwrap().status(), 200);
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
