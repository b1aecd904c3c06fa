//! How processes come, work and go.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cloud::{Cloud, InvokeError, Options, Point, StartError};
use http::Request;
use serde_json::json;

use crate::{futures, options, send, start};

#[tokio::test(flavor = "multi_thread")]
async fn processes_grow_to_the_limit_and_serve_one_request_at_a_time() {
    let (cloud, _data) = start().await;
    let sleeps = (0..12).map(|_| cloud.invoke("Echo", json!({"do": "sleep", "n": 150})));
    let started = Instant::now();
    let answers = futures(sleeps).await;
    let pids: std::collections::BTreeSet<u64> =
        answers.into_iter().map(|a| a.unwrap()["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 4);
    assert!(started.elapsed() >= Duration::from_millis(450), "12 sleeps in 4 processes take three rounds");
    assert_eq!(cloud.processes("Echo").len(), 4);

    let sleeps = (0..6).map(|_| cloud.invoke("Graceful", json!({"do": "sleep", "n": 50})));
    assert!(futures(sleeps).await.iter().all(Result::is_ok));
    assert_eq!(cloud.processes("Graceful").len(), 2, "the template reserves two");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_managed_instances_works_on_several_requests_and_ends_when_all_are_answered() {
    let (cloud, _data) = start().await;
    let environment = cloud.invoke("Many", json!({"do": "environment"})).await.unwrap();
    assert_eq!(environment["AWS_LAMBDA_MAX_CONCURRENCY"], "4");
    let plain = cloud.invoke("Echo", json!({"do": "environment"})).await.unwrap();
    assert_eq!(plain.get("AWS_LAMBDA_MAX_CONCURRENCY"), None, "settings absent: as before");

    let started = Instant::now();
    // The longest first: answers come in another order than their requests.
    let sleeps = [400, 300, 200, 100].map(|n| cloud.invoke("Many", json!({"do": "sleep", "n": n})));
    let answers = futures(sleeps).await;
    let pids: std::collections::BTreeSet<u64> =
        answers.into_iter().map(|a| a.unwrap()["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 1, "one process for four requests");
    assert!(started.elapsed() < Duration::from_millis(900), "all at once: {:?}", started.elapsed());
    let sleeps = (0..8).map(|_| cloud.invoke("Many", json!({"do": "sleep", "n": 300})));
    assert!(futures(sleeps).await.iter().all(Result::is_ok));
    assert_eq!(cloud.processes("Many").len(), 2, "eight requests are for two");

    // Processes are told to go with requests in progress: those are answered, and then each says goodbye.
    let sleeps = (0..3).map(|n| cloud.invoke("Many", json!({"do": "sleep", "n": 200 + 100 * n})));
    let going = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cloud.recycle("Many").await;
    };
    let (answers, ()) = tokio::join!(futures(sleeps), going);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(cloud.processes("Many"), Vec::<u32>::new());
    assert_eq!(cloud.consumed("Many").by_action.get("UpdateItem"), Some(&2), "both wrote before they went");

    // One that ends by itself takes all of its requests with it.
    let crash = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cloud.invoke("Many", json!({"do": "crash"})).await
    };
    let (sleep, crash) = tokio::join!(cloud.invoke("Many", json!({"do": "sleep", "n": 5_000})), crash);
    for lost in [sleep, crash] {
        assert!(matches!(lost, Err(InvokeError::Crashed(_))), "{lost:?}");
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_frozen_only_when_it_works_on_nothing() {
    let (cloud, _data) = start().await;
    cloud.faults().freeze_idle("Many", true);
    for _ in 0..3 {
        let sleeps = [300, 50, 150].map(|n| cloud.invoke("Many", json!({"do": "sleep", "n": n})));
        let started = Instant::now();
        assert!(futures(sleeps).await.iter().all(Result::is_ok));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_an_extension_can_say_goodbye() {
    let (cloud, data) = start().await;
    futures((0..2).map(|_| cloud.invoke("Graceful", json!({"do": "sleep", "n": 100})))).await;
    let pids = cloud.processes("Graceful");
    assert_eq!(pids.len(), 2);
    cloud.recycle("Graceful").await;
    assert_eq!(cloud.processes("Graceful"), Vec::<u32>::new());
    assert_eq!(cloud.consumed("Graceful").by_action.get("UpdateItem"), Some(&2), "both wrote before they went");
    cloud.invoke("Graceful", json!({})).await.unwrap();
    cloud.kill("Graceful").await;
    assert_eq!(cloud.consumed("Graceful").by_action.get("UpdateItem"), Some(&2), "a killed one did not");
    let log = std::fs::read_to_string(data.path().join("logs/Graceful.log")).unwrap();
    assert!(log.contains("SIGTERM received"), "{log}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_processes_are_reaped() {
    let data = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(Options { idle_max: Duration::from_millis(100), ..options(data.path()) }).await.unwrap();
    cloud.invoke("Echo", json!({})).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !cloud.processes("Echo").is_empty() {
        assert!(Instant::now() < deadline, "the process is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(cloud.invoke("Echo", json!({"a": 1})).await, Ok(json!({"a": 1})));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_fail_as_on_lambda() {
    let (cloud, _data) = start().await;
    let function =
        |kind: &str, message: &str| InvokeError::Function { error_type: kind.to_owned(), message: message.to_owned() };
    match cloud.invoke("Echo", json!({"do": "error"})).await {
        Err(InvokeError::Function { message, .. }) => assert_eq!(message, "told to fail"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(cloud.invoke("Echo", json!({"do": "crash"})).await, Err(InvokeError::Crashed(_))));
    assert!(matches!(cloud.invoke("Broken", json!({})).await, Err(InvokeError::Crashed(_))));
    assert_eq!(cloud.invoke("Quick", json!({"do": "sleep", "n": 5000})).await, Err(InvokeError::TimedOut));
    assert_eq!(cloud.invoke("Nobody", json!({})).await, Err(InvokeError::Unknown("Nobody".to_owned())));
    assert!(matches!(
        cloud.invoke("Echo", json!({"fill": "x".repeat(6 * 1024 * 1024)})).await,
        Err(InvokeError::TooLarge(_))
    ));
    let large = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
    assert_eq!(
        cloud.invoke("Echo", json!({"do": "big", "n": 6_291_600})).await,
        Err(function("Function.ResponseSizeTooLarge", large))
    );
    assert_eq!(
        cloud.invoke("arn:aws:lambda:us-east-1:000000000000:function:Echo:live", json!([1])).await,
        Ok(json!([1]))
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_can_be_killed_around_its_answer() {
    let (cloud, _data) = start().await;
    cloud.faults().kill("Echo", Point::BeforeResponse);
    assert!(matches!(cloud.invoke("Echo", json!({"do": "put", "n": 1})).await, Err(InvokeError::Crashed(_))));
    assert_eq!(
        cloud.invoke("Echo", json!({"do": "get", "n": 1})).await,
        Ok(json!({"found": true})),
        "its work was done"
    );
    cloud.faults().kill("Echo", Point::AfterResponse);
    assert_eq!(cloud.invoke("Echo", json!({"do": "put", "n": 2})).await, Ok(json!({"put": 2})));
    assert_eq!(cloud.invoke("Echo", json!({"do": "get", "n": 2})).await, Ok(json!({"found": true})));
    cloud.faults().kill("Echo", Point::DynamoDb { call: 1, applied: false });
    assert!(matches!(cloud.invoke("Echo", json!({"do": "put", "n": 3})).await, Err(InvokeError::Crashed(_))));
    assert_eq!(cloud.invoke("Echo", json!({"do": "get", "n": 3})).await, Ok(json!({"found": false})));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_do_what_its_policy_says_and_no_more() {
    let (cloud, _data) = start().await;
    cloud.invoke("Echo", json!({"do": "put", "n": 1})).await.unwrap();
    match cloud.invoke("Echo", json!({"do": "put", "n": 1, "table": "Other"})).await {
        Err(InvokeError::Function { message, .. }) => {
            assert!(message.contains("AccessDenied"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_lambdas_and_secrets_outlive_a_restart() {
    let (cloud, data) = start().await;
    let environment = cloud.invoke("Echo", json!({"do": "environment"})).await.unwrap();
    let expected = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "Echo"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("_HANDLER", "bootstrap"),
        ("TABLE", "Table"),
        ("GREETING", "hello"),
        ("AWS_ENDPOINT_URL_DYNAMODB", cloud.dynamodb_endpoint()),
    ];
    for (name, value) in expected {
        assert_eq!(environment[name], value, "{name}");
    }
    assert_eq!(environment.get("HOME"), None, "nothing of this machine's environment");
    assert_eq!(environment["SECRET"].as_str().unwrap().len(), 20);
    cloud.invoke("Echo", json!({"do": "put", "n": 9})).await.unwrap();
    cloud.stop().await;

    let parameters = [("Greeting".to_owned(), "moin".to_owned())].into();
    let cloud = Cloud::start(Options { parameters, ..options(data.path()) }).await.unwrap();
    let again = cloud.invoke("Echo", json!({"do": "environment"})).await.unwrap();
    assert_eq!((&again["SECRET"], &again["GREETING"]), (&environment["SECRET"], &json!("moin")));
    assert_eq!(cloud.invoke("Echo", json!({"do": "get", "n": 9})).await, Ok(json!({"found": true})));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_invoke_over_http() {
    let (cloud, _data) = start().await;
    let post = |name: &str, body: &str| {
        let uri = format!("{}/2015-03-31/functions/{name}/invocations", cloud.lambda_endpoint());
        send(Request::post(uri).body(Bytes::from(body.to_owned())).unwrap())
    };
    assert_eq!(post("Echo", "{\"a\":1}").await.json(), json!({"a": 1}));
    let failed = post("Echo", "{\"do\":\"error\"}").await;
    assert_eq!((failed.status.as_u16(), &failed.headers["x-amz-function-error"]), (200, &"Unhandled".parse().unwrap()));
    assert_eq!(failed.json()["errorMessage"], "told to fail");
    assert_eq!(post("Nobody", "{}").await.status, 404);
    assert_eq!(post("Echo", "{").await.status, 400);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_a_taken_folder_and_a_missing_binary_are_clear_errors() {
    let (cloud, data) = start().await;
    let port = cloud.url().rsplit(':').next().unwrap().parse().unwrap();
    let other = tempfile::tempdir().unwrap();
    match Cloud::start(Options { port, ..options(other.path()) }).await {
        Err(StartError::Port { port: taken, .. }) => assert_eq!(taken, port),
        other => panic!("{:?}", other.err()),
    }
    assert!(
        matches!(Cloud::start(options(data.path())).await, Err(StartError::InUse { .. })),
        "one cloud on one folder"
    );
    cloud.stop().await;
    let error = Cloud::start(Options { binaries: other.path().to_owned(), ..options(data.path()) })
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("Broken.Properties.CodeUri") && error.contains("build it first"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_reaches_the_process_that_reads_the_stream() {
    let (cloud, _data) = start().await;
    for number in 0..3 {
        cloud.invoke("Echo", json!({"do": "put", "n": number})).await.unwrap();
    }
    assert!(cloud.settled(Duration::from_secs(20)).await);
    assert_eq!(cloud.consumed("Reader").by_action.get("UpdateItem"), Some(&3));
    assert_eq!(cloud.dead_letters(), []);
    cloud.stop().await;
}

/// The system's own template with the test function in every place: it is read, wired and started as it stands.
#[tokio::test(flavor = "multi_thread")]
async fn the_systems_own_template_starts() {
    let data = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = cloud::Template::load(&file, &std::collections::BTreeMap::new()).unwrap();
    for function in template.of_kind("AWS::Serverless::Function") {
        let code = Path::new(function.properties["CodeUri"].as_str().unwrap()).file_name().unwrap().to_owned();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_echo"), data.path().join(code)).unwrap();
    }
    let cloud = Cloud::start(Options {
        template: file,
        binaries: data.path().to_owned(),
        ..options(&data.path().join("data"))
    })
    .await
    .unwrap();
    for function in
        cloud.template().of_kind("AWS::Serverless::Function").map(|f| f.logical_id.clone()).collect::<Vec<_>>()
    {
        let environment = cloud.invoke(&function, json!({"do": "environment"})).await.unwrap();
        assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], function.as_str());
        assert!(
            environment.as_object().unwrap().values().all(|v| !v.as_str().unwrap().contains("{{resolve")),
            "{function}"
        );
    }
    assert!(cloud.settled(Duration::from_secs(20)).await);
    cloud.stop().await;
}
