//! The clock, the shards, and faults of single items and single processes.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use cloud::{Cloud, Deed, InvokeError, Options};
use serde_json::{Value, json};

use super::*;

/// How many seconds a text says a moment of this clock is from 1970.
fn seconds(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_jump_over_a_months_end_everything_that_is_told_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    let month = Duration::from_hours(31 * 24);
    for (sk, data) in [("OUT#1", "before"), ("OUT#2", "after")] {
        put(&plane.client, "a", sk, data).await.unwrap();
        put(&plane.client, data, "ORDER", data).await.unwrap();
        assert!(plane.events.settled(LONG).await);
        if data == "before" {
            plane.clock.advance(month);
        }
    }
    let month_s = i64::try_from(month.as_secs()).unwrap();
    let apart = |[before, after]: [i64; 2], what: &str| {
        assert!((month_s - 1..month_s + 600).contains(&(after - before)), "{what}: {before} {after}");
    };
    let [first, second] = records(&plane.calls, "Reader").try_into().unwrap();
    let ms = |record: &Value, name: &str| record["attributes"][name].as_str().unwrap().parse::<i64>().unwrap() / 1000;
    for name in ["SentTimestamp", "ApproximateFirstReceiveTimestamp"] {
        apart([ms(&first, name), ms(&second, name)], name);
    }
    let time = |record: &Value| {
        let event: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
        seconds(event["time"].as_str().unwrap())
    };
    apart([time(&first), time(&second)], "time");
    let created: Vec<i64> = records(&plane.calls, "Meter")
        .iter()
        .map(|record| record["dynamodb"]["ApproximateCreationDateTime"].as_i64().unwrap())
        .collect();
    apart(created.try_into().unwrap(), "ApproximateCreationDateTime");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_runs_a_schedule_once_with_the_time_that_it_was_due_at() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    let sweeps = || -> Vec<String> {
        let calls = plane.calls.lock().unwrap();
        calls.iter().filter_map(|(_, payload, _)| payload["sweep"].as_str().map(str::to_owned)).collect()
    };
    let now_s = plane.clock.now_ms() / 1000;
    plane.clock.advance(Duration::from_hours(20 * 24));
    let end = Instant::now() + LONG;
    while sweeps().is_empty() {
        assert!(Instant::now() < end, "the schedule runs some time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sweeps = sweeps();
    assert_eq!(sweeps.len(), 1, "4,000 times due, run once: {sweeps:?}");
    let due_s = seconds(&sweeps[0]);
    let jumped_s = now_s + 20 * 24 * 3600;
    assert!((jumped_s - 300..jumped_s + 300).contains(&due_s), "due at {due_s}, jumped to {jumped_s}");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_shards_keep_the_order_of_an_item_and_do_not_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let stuck = Arc::new(Mutex::new(None::<String>));
    let plane = {
        let stuck = Arc::clone(&stuck);
        start_sharded(folder.path(), 2, move |function, payload| {
            let text = payload.to_string();
            let stuck = stuck.lock().unwrap().clone();
            if function == "Meter" && stuck.is_some_and(|item| text.contains(&item)) {
                Err(Failure::Failed("stuck".to_owned()))
            } else {
                Ok(json!(null))
            }
        })
        .await
    };
    // With retries this far apart, what waits for the stuck shard would wait for ever.
    plane.faults.redelivery(Some(Duration::from_hours(1)));
    *stuck.lock().unwrap() = Some("item-00".to_owned());
    for round in 0..3 {
        for item in 0..16 {
            put(&plane.client, &format!("item-{item:02}"), "ORDER", &round.to_string()).await.unwrap();
        }
    }
    let served = || -> Vec<(String, String)> {
        let calls = plane.calls.lock().unwrap().clone();
        let done =
            calls.iter().filter(|(name, payload, _)| name == "Meter" && !payload.to_string().contains("item-00"));
        let records = done.flat_map(|(_, payload, _)| payload["Records"].as_array().unwrap().clone());
        let text = |record: &Value, pointer: &str| record.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        records
            .map(|record| (text(&record, "/dynamodb/Keys/pk/S"), text(&record, "/dynamodb/NewImage/data/S")))
            .collect()
    };
    let rounds = || {
        let mut rounds = BTreeMap::<String, Vec<String>>::new();
        for (item, round) in served() {
            rounds.entry(item).or_default().push(round);
        }
        rounds
    };
    // Every item's first change comes before any item's last: once all that were seen are through, all of the shard are.
    let through = |rounds: &BTreeMap<String, Vec<String>>| {
        !rounds.is_empty() && rounds.values().all(|rounds| rounds.iter().any(|round| round == "2"))
    };
    let end = Instant::now() + LONG;
    while !through(&rounds()) {
        assert!(Instant::now() < end, "the other shard waits: {:?}", served());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rounds = rounds();
    assert!((3..=13).contains(&rounds.len()), "about half of the items: {rounds:?}");
    assert!(rounds.values().all(|rounds| rounds == &["0", "1", "2"]), "{rounds:?}");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_shards_reach_their_readers_and_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..2 {
        let plane = start_sharded(folder.path(), 2, fine).await;
        let sent: BTreeSet<String> = (0..20).map(|item| format!("{run}-{item}")).collect();
        for data in &sent {
            put(&plane.client, data, "OUT#1", data).await.unwrap();
        }
        assert!(plane.events.settled(LONG).await);
        let got = read(&plane.calls);
        assert_eq!((got.len(), got.into_iter().collect::<BTreeSet<_>>()), (20, sent));
        plane.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_or_contended_item_leaves_other_items_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    plane.faults.throttle_item("OrdersTable", "hot", 2);
    put(&plane.client, "cold", "ORDER", "").await.unwrap();
    assert_eq!(put(&plane.client, "hot", "ORDER", "").await, Err("ProvisionedThroughputExceededException".to_owned()));
    let item = |pk: &str| {
        let put = Put::builder().table_name("OrdersTable").item("pk", s(pk)).item("sk", s("ORDER")).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let both = async || {
        let transaction = plane.client.transact_write_items().transact_items(item("cold")).transact_items(item("hot"));
        match transaction.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Vec::new(),
            Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap().to_owned()).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(both().await, ["None", "ThrottlingError"]);
    plane.faults.conflict_item("OrdersTable", "hot", 2);
    put(&plane.client, "cold", "ORDER", "").await.unwrap();
    assert_eq!(both().await, ["None", "TransactionConflict"]);
    assert_eq!(put(&plane.client, "hot", "ORDER", "").await, Err("TransactionConflictException".to_owned()));
    assert_eq!(both().await, Vec::<String>::new());
    plane.faults.throttle_items("OrdersTable", 0.5, 3);
    let mut refused = 0;
    for _ in 0..40 {
        refused += usize::from(put(&plane.client, "any", "ORDER", "").await.is_err());
    }
    assert!((8..=32).contains(&refused), "about half: {refused}");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_not_marked_consistent_may_miss_the_last_change_of_every_item() {
    let folder = tempfile::tempdir().unwrap();
    let plane = start(folder.path(), fine).await;
    for (sk, data) in [("1", "old"), ("2", "gone"), ("3", "same")] {
        put(&plane.client, "a", sk, data).await.unwrap();
    }
    put(&plane.client, "a", "3", "same").await.unwrap();
    put(&plane.client, "a", "1", "new").await.unwrap();
    plane.client.delete_item().table_name("OrdersTable").key("pk", s("a")).key("sk", s("2")).send().await.unwrap();
    put(&plane.client, "a", "4", "made").await.unwrap();
    let query = async |consistent: bool| -> Vec<String> {
        let request = plane
            .client
            .query()
            .table_name("OrdersTable")
            .key_condition_expression("pk = :p")
            .expression_attribute_values(":p", s("a"))
            .consistent_read(consistent);
        let items = request.send().await.unwrap().items.unwrap();
        items.iter().map(|item| item["data"].as_s().unwrap().clone()).collect()
    };
    assert_eq!(query(false).await, ["new", "same", "made"]);
    plane.faults.stale_reads("OrdersTable", true);
    assert_eq!(query(false).await, ["old", "gone", "same"]);
    assert_eq!(query(true).await, ["new", "same", "made"]);
    plane.faults.stale_reads("OrdersTable", false);
    assert_eq!(query(false).await, ["new", "same", "made"]);
    plane.stop().await;
}

/// What the system says of a process: `T` is stopped.
fn state(pid: u32) -> char {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    text.rsplit(") ").next().unwrap().chars().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_work_is_frozen_and_thaws_with_the_next_invocation() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        template: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/process.yaml"),
        binaries: Path::new(env!("CARGO_BIN_EXE_echo")).parent().unwrap().to_owned(),
        data: folder.path().to_owned(),
        ..Options::default()
    };
    let cloud = Cloud::start(options).await.unwrap();
    let call = |what: &str, n: u64| cloud.invoke("Echo", json!({"do": what, "n": n}));
    cloud.faults().freeze_idle("Echo", true);
    for n in 0..3 {
        call("put", n).await.unwrap();
        let end = Instant::now() + LONG;
        let [pid] = cloud.processes("Echo").try_into().unwrap();
        while state(pid) != 'T' {
            assert!(Instant::now() < end, "{} is {}", pid, state(pid));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(cloud.faults().happened("Echo")["frozen while idle"] >= 3);
    cloud.recycle("Echo").await;
    assert!(cloud.processes("Echo").is_empty(), "a frozen process can end");

    // At a random call of the store: every call here, so that one that is not meant to freeze would show.
    cloud.faults().clear();
    cloud.faults().by_chance("Echo", Deed::FreezeBefore(Duration::from_millis(100)), 1.0, 1);
    let begin = Instant::now();
    call("put", 9).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(100));
    cloud.faults().by_chance("Echo", Deed::FreezeBefore(Duration::ZERO), 0.0, 1);
    cloud.faults().by_chance("Echo", Deed::KillAfter, 1.0, 1);
    assert!(matches!(call("put", 10).await, Err(InvokeError::Crashed(_))));
    cloud.faults().clear();
    assert_eq!(call("get", 10).await.unwrap(), json!({"found": true}));
    let happened = cloud.faults().happened("Echo");
    assert_eq!((happened["frozen before a call"], happened["killed after a call"]), (1, 1), "{happened:?}");
    assert!(cloud.kill_one("Echo", 7));
    cloud.stop().await;
}
