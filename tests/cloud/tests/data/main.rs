//! The data side of the cloud, through the real SDK and with functions that are closures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "the helpers of tests are tests too")]
#![allow(
    clippy::float_cmp,
    clippy::print_stdout,
    clippy::unnecessary_wraps,
    reason = "units are exact halves; a measured time is printed; functions may fail"
)]

mod playing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, ReturnConsumedCapacity, TransactWriteItem};
use bytes::Bytes;
use cloud::dynamodb::DynamoDb;
use cloud::events::{Events, Failure, Invoker};
use cloud::policy::{self, Credentials};
use cloud::{Clock, Cloud, Deed, Faults, InvokeError, Options, Play, Point, Template};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_mins(1);

fn template() -> Template {
    Template::parse(include_str!("template.yaml"), &BTreeMap::new()).unwrap()
}

fn client(endpoint: &str, credentials: &Credentials) -> Client {
    let provider = aws_credential_types::Credentials::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        Some(credentials.session_token.clone()),
        None,
        "test",
    );
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(provider)
        .endpoint_url(endpoint)
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .http_client(shared::chassis::web::ForSdk::default())
        .build();
    Client::from_conf(config)
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn put(client: &Client, pk: &str, sk: &str, data: &str) -> Result<(), String> {
    let request = client
        .put_item()
        .table_name("OrdersTable")
        .item("pk", s(pk))
        .item("sk", s(sk))
        .item("type", s("orders.order"))
        .item("data", s(data));
    request.send().await.map(|_| ()).map_err(|error| error.code().unwrap_or("none").to_owned())
}

/// Every payload that a function got, and what it answers.
type Calls = Arc<Mutex<Vec<(String, Value, Instant)>>>;

fn invoker(calls: &Calls, answer: impl Fn(&str, &Value) -> Result<Value, Failure> + Send + Sync + 'static) -> Invoker {
    let (calls, answer) = (Arc::clone(calls), Arc::new(answer));
    Invoker::new(move |function, payload: Bytes| {
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let result = answer(&function, &payload);
        calls.lock().unwrap().push((function, payload, Instant::now()));
        async move { result.map(|value| Bytes::from(value.to_string())) }
    })
}

fn records(calls: &Calls, function: &str) -> Vec<Value> {
    let calls = calls.lock().unwrap();
    let payloads = calls.iter().filter(|(name, _, _)| name == function);
    payloads.flat_map(|(_, payload, _)| payload["Records"].as_array().cloned().unwrap_or_default()).collect()
}

/// The `data` of the events that the reader got.
fn read(calls: &Calls) -> Vec<String> {
    let bodies = records(calls, "Reader")
        .into_iter()
        .map(|record| serde_json::from_str::<Value>(record["body"].as_str().unwrap()).unwrap());
    bodies.map(|event| event["detail"]["data"].as_str().unwrap().to_owned()).collect()
}

struct Plane {
    dynamodb: DynamoDb,
    events: Events,
    faults: Faults,
    clock: Clock,
    calls: Calls,
    client: Client,
}

async fn start(
    folder: &Path,
    answer: impl Fn(&str, &Value) -> Result<Value, Failure> + Send + Sync + 'static,
) -> Plane {
    start_sharded(folder, 1, answer).await
}

async fn start_sharded(
    folder: &Path,
    shards: usize,
    answer: impl Fn(&str, &Value) -> Result<Value, Failure> + Send + Sync + 'static,
) -> Plane {
    let (template, play, calls) = (template(), Play { shards, ..Play::default() }, Calls::default());
    let dynamodb = cloud::dynamodb::start(&template, folder, &play).await.unwrap();
    let events = cloud::events::start(&template, invoker(&calls, answer), &dynamodb, folder, &play).await.unwrap();
    let client = client(&dynamodb.endpoint(), &policy::credentials("Orders"));
    let Play { faults, clock, .. } = play;
    Plane { dynamodb, events, faults, clock, calls, client }
}

impl Plane {
    async fn stop(self) {
        self.events.stop().await;
        self.dynamodb.stop().await;
    }
}

fn fine(_: &str, _: &Value) -> Result<Value, Failure> {
    Ok(json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_policy_allows_is_refused_in_the_words_of_aws() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    put(&plane.client, "a", "ORDER", "1").await.unwrap();

    let refused = plane.client.scan().table_name("OrdersTable").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    assert_eq!(
        refused.message(),
        Some(
            "User: arn:aws:sts::000000000000:assumed-role/Orders/Orders is not authorized to perform: dynamodb:Scan on resource: \
             arn:aws:dynamodb:us-east-1:000000000000:table/OrdersTable because no identity-based policy allows the dynamodb:Scan action"
        )
    );
    let query = plane
        .client
        .query()
        .table_name("OrdersTable")
        .index_name("gsi1")
        .key_condition_expression("gsi1pk = :p")
        .expression_attribute_values(":p", s("x"));
    let refused = query.send().await.unwrap_err();
    assert!(refused.message().unwrap().contains("table/OrdersTable/index/gsi1"), "{refused:?}");

    let item =
        |table: &str| Put::builder().table_name(table).item("pk", s("b")).item("sk", s("ORDER")).build().unwrap();
    let transaction = plane.client.transact_write_items();
    let both = transaction
        .transact_items(TransactWriteItem::builder().put(item("OrdersTable")).build())
        .transact_items(TransactWriteItem::builder().put(item("OthersTable")).build());
    let refused = both.send().await.unwrap_err();
    assert!(
        refused
            .message()
            .unwrap()
            .contains("dynamodb:PutItem on resource: arn:aws:dynamodb:us-east-1:000000000000:table/OthersTable"),
        "{refused:?}"
    );
    let got =
        plane.client.get_item().table_name("OrdersTable").key("pk", s("b")).key("sk", s("ORDER")).send().await.unwrap();
    assert_eq!(got.item, None, "nothing of a refused transaction is applied");

    let check = ConditionCheck::builder()
        .table_name("OrdersTable")
        .key("pk", s("a"))
        .key("sk", s("ORDER"))
        .condition_expression("attribute_exists(pk)")
        .build()
        .unwrap();
    let refused = plane
        .client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().condition_check(check).build())
        .send()
        .await
        .unwrap_err();
    assert!(refused.message().unwrap().contains("dynamodb:ConditionCheckItem"), "{refused:?}");

    let mut stranger = policy::credentials("Orders");
    stranger.session_token = "another".to_owned();
    let refused = put(&client(&plane.dynamodb.endpoint(), &stranger), "a", "ORDER", "1").await;
    assert_eq!(refused, Err("UnrecognizedClientException".to_owned()));
    let operator = client(&plane.dynamodb.endpoint(), &policy::operator());
    assert_eq!(operator.scan().table_name("OrdersTable").send().await.unwrap().count(), 1);
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn units_are_counted_as_they_are_billed_and_shown_only_to_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    let consumed = || plane.dynamodb.consumed("Orders");
    let put = |data: String| {
        plane
            .client
            .put_item()
            .table_name("OrdersTable")
            .item("pk", s("a"))
            .item("sk", s("ORDER"))
            .item("data", s(&data))
    };

    let unasked = put("x".to_owned()).send().await.unwrap();
    assert!(unasked.consumed_capacity.is_none());
    assert_eq!((consumed().calls, consumed().write_units), (1, 1.0));
    let asked = put("x".repeat(2000)).return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(asked.consumed_capacity.unwrap().capacity_units, Some(2.0));
    assert_eq!(consumed().write_units, 3.0);
    let failed = put("x".to_owned()).condition_expression("attribute_not_exists(pk)").send().await.unwrap_err();
    assert_eq!(failed.code(), Some("ConditionalCheckFailedException"));
    assert_eq!(consumed().write_units, 5.0, "a failed condition costs the size of the item that is there");

    let get = || plane.client.get_item().table_name("OrdersTable").key("pk", s("a")).key("sk", s("ORDER"));
    get().send().await.unwrap();
    get().consistent_read(true).send().await.unwrap();
    assert_eq!(consumed().read_units, 1.5);

    let item = Put::builder().table_name("OrdersTable").item("pk", s("b")).item("sk", s("ORDER")).build().unwrap();
    plane
        .client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(item).build())
        .send()
        .await
        .unwrap();
    assert_eq!(consumed().write_units, 7.0);
    assert_eq!(
        consumed().by_action,
        BTreeMap::from([("GetItem".to_owned(), 2), ("PutItem".to_owned(), 3), ("TransactWriteItems".to_owned(), 1)])
    );
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_row_reaches_its_reader_and_another_row_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    let data = r#"{"name":"a \"quoted\" name"}"#;
    put(&plane.client, "a", "OUT#0", "first").await.unwrap();
    assert!(plane.events.settled(LONG).await);
    let begin = Instant::now();
    put(&plane.client, "a", "OUT#1", data).await.unwrap();
    put(&plane.client, "a", "NOT#1", "no").await.unwrap();
    assert!(plane.events.settled(LONG).await);

    let took = plane.calls.lock().unwrap().iter().rfind(|(name, _, _)| name == "Reader").unwrap().2 - begin;
    println!("write to reader: {took:?}");
    assert_eq!(read(&plane.calls), ["first", data]);
    let record = records(&plane.calls, "Reader").remove(1);
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:us-east-1:000000000000:Queue");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    let mut event: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
    for varying in ["id", "time"] {
        assert!(event.as_object_mut().unwrap().remove(varying).unwrap().is_string());
    }
    assert_eq!(
        event,
        json!({"version": "0", "detail-type": "test", "source": "test.orders", "account": "000000000000", "region": "us-east-1",
            "resources": [], "detail": {"type": "orders.order", "data": data}})
    );
    assert_eq!(plane.events.archived("Archive").unwrap().len(), 2);
    assert_eq!(plane.events.replay("Archive").unwrap(), 2);
    assert!(plane.events.settled(LONG).await);
    assert_eq!(read(&plane.calls).len(), 4);
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_neither_loses_nor_repeats_what_was_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    put(&plane.client, "a", "OUT#1", "before").await.unwrap();
    assert!(plane.events.settled(LONG).await);
    plane.events.stop().await;
    put(&plane.client, "a", "OUT#2", "meanwhile").await.unwrap();
    plane.dynamodb.stop().await;

    let plane = start(folder.path(), fine).await;
    assert!(plane.events.settled(LONG).await);
    assert_eq!(read(&plane.calls), ["meanwhile"]);
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_again_and_again_ends_in_the_dead_letter_queue() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), |function, payload| {
        let poison = payload["Records"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|record| record["body"].to_string().contains("poison"));
        let failures: Vec<Value> = poison.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
        Ok(if function == "Reader" { json!({ "batchItemFailures": failures }) } else { json!(null) })
    })
    .await;
    plane.faults.redelivery(Some(Duration::from_millis(10)));
    for (sk, data) in [("OUT#1", "good"), ("OUT#2", "poison"), ("OUT#3", "better")] {
        put(&plane.client, "a", sk, data).await.unwrap();
    }
    assert!(plane.events.settled(LONG).await);
    let read = read(&plane.calls);
    let times = |data: &str| read.iter().filter(|read| *read == data).count();
    assert_eq!((times("good"), times("better"), times("poison")), (1, 1, 3));
    let dead = plane.events.dead_letters();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].0 == "DeadLetters" && dead[0].1.contains("poison"), "{dead:?}");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_record_of_a_stream_is_isolated_and_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), |function, payload| {
        if function == "Meter" && payload.to_string().contains("poison") {
            Err(Failure::Failed("cannot".to_owned()))
        } else {
            Ok(json!(null))
        }
    })
    .await;
    plane.faults.redelivery(Some(Duration::from_millis(5)));
    for index in 0..20 {
        put(&plane.client, &format!("o{index:02}"), "ORDER", if index == 7 { "poison" } else { "good" }).await.unwrap();
        put(&plane.client, &format!("o{index:02}"), "NOISE", "poison").await.unwrap();
    }
    assert!(plane.events.settled(LONG).await);
    let calls = plane.calls.lock().unwrap().clone();
    let served = calls.iter().filter(|(name, payload, _)| name == "Meter" && !payload.to_string().contains("poison"));
    let keys: Vec<String> = served
        .flat_map(|(_, payload, _)| payload["Records"].as_array().unwrap().clone())
        .map(|record| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned())
        .collect();
    let wanted: Vec<String> = (0..20).filter(|index| *index != 7).map(|index| format!("o{index:02}")).collect();
    assert_eq!(keys, wanted, "each once and in order");
    let dead = plane.events.dead_letters();
    assert_eq!(dead.len(), 1);
    let letter: Value = serde_json::from_str(&dead[0].1).unwrap();
    assert_eq!(letter["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(letter["DDBStreamBatchInfo"]["batchSize"], 1);
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_wrong_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    let there = async |pk: &str| {
        plane
            .client
            .get_item()
            .table_name("OrdersTable")
            .key("pk", s(pk))
            .key("sk", s("ORDER"))
            .send()
            .await
            .unwrap()
            .item
            .is_some()
    };

    plane.faults.lose_answer("Orders", "PutItem");
    assert!(put(&plane.client, "lost", "ORDER", "").await.is_err());
    assert!(there("lost").await, "applied although its answer was lost");

    plane.faults.at_call("Orders", Some("PutItem"), 1, Deed::Late(Duration::from_millis(150)));
    assert!(put(&plane.client, "late", "ORDER", "").await.is_err());
    assert!(!there("late").await);
    let end = Instant::now() + LONG;
    while !there("late").await {
        assert!(Instant::now() < end, "applied some time");
        tokio::task::yield_now().await;
    }

    plane.faults.stale_reads("OrdersTable", true);
    assert!(!there("late").await, "a read that is not marked consistent may miss the last change");
    let consistent = plane
        .client
        .get_item()
        .table_name("OrdersTable")
        .key("pk", s("late"))
        .key("sk", s("ORDER"))
        .consistent_read(true);
    assert!(consistent.send().await.unwrap().item.is_some());
    plane.faults.stale_reads("OrdersTable", false);

    plane.faults.throttle("OrdersTable", 1);
    assert_eq!(put(&plane.client, "b", "ORDER", "").await, Err("ProvisionedThroughputExceededException".to_owned()));
    plane.faults.conflict("OrdersTable", 2);
    assert_eq!(put(&plane.client, "b", "ORDER", "").await, Err("TransactionConflictException".to_owned()));
    let item = Put::builder().table_name("OrdersTable").item("pk", s("b")).item("sk", s("ORDER")).build().unwrap();
    let conflict = plane
        .client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(item).build())
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        cancelled,
    ) = conflict
    else {
        panic!("{conflict:?}")
    };
    assert_eq!(cancelled.cancellation_reasons()[0].code(), Some("TransactionConflict"));
    put(&plane.client, "b", "ORDER", "").await.unwrap();
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_twice_late_and_shuffled_on_demand_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    plane.faults.duplicate_events(true);
    plane.faults.shuffle_events(Some(11));
    plane.faults.delay_events(Duration::from_millis(100));
    let sent: Vec<String> = (0..30).map(|index| index.to_string()).collect();
    for data in &sent {
        put(&plane.client, "a", &format!("OUT#{data:0>3}"), data).await.unwrap();
    }
    assert!(plane.events.settled(LONG).await);
    let read = read(&plane.calls);
    assert_eq!(read.len(), 60);
    assert_eq!(read.iter().collect::<BTreeSet<_>>(), sent.iter().collect::<BTreeSet<_>>());
    let mut sorted = read.clone();
    sorted.sort_by_key(|data| data.parse::<u32>().unwrap());
    assert_ne!(read, sorted);
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_item_is_deleted_by_dynamodb_itself() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    let recent = jiff::Timestamp::now().as_second() - 10;
    let item = plane
        .client
        .put_item()
        .table_name("OrdersTable")
        .item("pk", s("b"))
        .item("sk", s("ORDER"))
        .item("ttl", AttributeValue::N(recent.to_string()));
    item.send().await.unwrap();
    assert_eq!(plane.dynamodb.sweep_ttl().unwrap(), 1);
    assert!(plane.events.settled(LONG).await);
    let last = records(&plane.calls, "Meter").pop().unwrap();
    assert_eq!(last["eventName"], "REMOVE");
    assert_eq!(last["userIdentity"], json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"}));
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_can_be_fired_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    let before = cloud::clock::text(plane.clock.now_ms());
    plane.events.fire("Meter").await.unwrap();
    let calls = plane
        .calls
        .lock()
        .unwrap()
        .iter()
        .map(|(function, payload, _)| (function.clone(), payload.clone()))
        .collect::<Vec<_>>();
    let [(function, payload)] = calls.as_slice() else { panic!("{calls:?}") };
    let at = payload["sweep"].as_str().unwrap();
    assert!(function == "Meter" && at >= before.as_str() && at <= cloud::clock::text(plane.clock.now_ms()).as_str());
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_aws_would_play_silently_wrong_does_not_start() {
    for (remove, complaint) in [
        (
            "        Statement: [{Effect: Allow, Principal: {Service: pipes.amazonaws.com}, Action: sts:AssumeRole}]\n",
            "OutboxRole: pipes.amazonaws.com may not assume this role",
        ),
        (
            "              - {Effect: Allow, Action: events:PutEvents, Resource: !GetAtt Bus.Arn}\n",
            "Outbox: its role does not allow events:PutEvents",
        ),
        ("      Queues: [!Ref Queue]\n", "Rule: no queue policy lets this rule send to Queue"),
    ] {
        let text = include_str!("template.yaml");
        assert!(text.contains(remove));
        let template = Template::parse(&text.replace(remove, ""), &BTreeMap::new()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let play = Play::default();
        let dynamodb = cloud::dynamodb::start(&template, folder.path(), &play).await.unwrap();
        let started =
            cloud::events::start(&template, invoker(&Calls::default(), fine), &dynamodb, folder.path(), &play).await;
        let error = started.err().unwrap().to_string();
        assert!(error.starts_with(complaint), "{error}");
        dynamodb.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_dies_or_freezes_between_any_two_steps_of_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        template: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/process.yaml"),
        binaries: Path::new(env!("CARGO_BIN_EXE_echo")).parent().unwrap().to_owned(),
        data: folder.path().to_owned(),
        ..Options::default()
    };
    let cloud = Cloud::start(options).await.unwrap();
    let call = |what: &str, n: u64| cloud.invoke("Echo", json!({"do": what, "n": n}));
    let found = async |n: u64| call("get", n).await.unwrap()["found"] == json!(true);

    for (n, applied) in [(1, false), (2, true)] {
        assert!(!found(n).await);
        cloud.faults().kill("Echo", Point::DynamoDb { call: 1, applied });
        let died = call("put", n).await.unwrap_err();
        assert!(matches!(died, InvokeError::Crashed(_)), "{died:?}");
        assert_eq!(found(n).await, applied);
    }
    for (n, deed) in
        [(3, Deed::FreezeBefore(Duration::from_millis(150))), (4, Deed::FreezeAfter(Duration::from_millis(150)))]
    {
        cloud.faults().at_call("Echo", Some("UpdateItem"), 1, deed);
        let begin = Instant::now();
        call("put", n).await.unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(150));
        assert!(found(n).await);
    }
    cloud.stop().await;
}
