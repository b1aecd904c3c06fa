//! The life of a version: uploaded, published, deprecated, retired.

use house::{Who, party};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use shared::event::{ApiState, CheckMode, RoutesState, VersionPhase, VersionState};
use shared::principal::Role;

use crate::{House, WEATHER, checks, member, new, upload};

async fn weather(house: &House, who: Who<'_>) -> Value {
    let api =
        json!({"slug": "weather", "name": "Weather", "visibility": "public", "upstream_url": "http://127.0.0.1:9000"});
    let api = house.post(who, "/v1/catalog/apis", &api).await.is(201);
    upload(house, who, "weather", "1.0.0", WEATHER.as_bytes()).await.is(201);
    api
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_is_described_and_comes_back_byte_for_byte() {
    let house = new().await;
    let who = member("acme", Role::Publisher);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    let windows = format!("\u{feff}{}", WEATHER.replace('\n', "\r\n"));
    let answer = upload(&house, who, "weather", "1.0.0", windows.as_bytes()).await;
    let version = answer.is(201);
    for (field, value) in [
        ("version", json!("1.0.0")),
        ("format", json!("openapi")),
        ("format_version", json!("3.1.0")),
        ("operations", json!(2)),
        ("warnings", json!([])),
        ("state", json!("draft")),
        ("syntax", json!("yaml")),
        ("title", json!("Weather")),
        ("document_bytes", json!(windows.len())),
    ] {
        assert_eq!(version[field], value, "{field}");
    }
    assert_eq!(
        answer.headers["location"],
        format!("/v1/catalog/apis/{}/versions/{}", version["api"].as_str().unwrap(), version["id"].as_str().unwrap())
    );
    for name in ["1.0.0", version["id"].as_str().unwrap()] {
        let address = format!("/v1/catalog/apis/weather/versions/{name}");
        assert_eq!(house.get(who, &address).await.is(200), version);
        let document = house.get(who, &format!("{address}/document")).await;
        assert_eq!((document.status, document.headers["content-type"].as_str()), (200, "application/yaml"));
        assert_eq!(document.bytes, windows.as_bytes());
        let operations = house.get(who, &format!("{address}/operations")).await.is(200);
        assert_eq!(
            operations["items"],
            json!([
                {"id": "currentWeather", "method": "GET", "path": "/now/{city}", "summary": "The weather right now", "deprecated": false, "line": 5},
                {"id": "forecast", "method": "GET", "path": "/forecast/{city}", "summary": "The weather of the days to come", "deprecated": true, "line": 9},
            ])
        );
    }
    assert_eq!(house.door.heard(), [], "a draft is not the door's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_is_answered_when_the_door_knows_the_routes() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let api = weather(&house, who).await;
    let version = house.post(who, "/v1/catalog/apis/weather/versions/1.0.0/publish", &json!({})).await.is(200);
    assert_eq!((version["state"].as_str(), version["revision"].as_u64()), (Some("published"), Some(2)));
    let heard = house.door.heard();
    assert_eq!(heard.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["catalog.routes", "catalog.api"]);
    let routes = heard[0].state::<RoutesState>().unwrap().unwrap();
    assert_eq!((routes.part, routes.parts, routes.api_number, routes.version_number), (0, 1, 1, 1));
    let known: Vec<(u32, &str, &str, &str, bool)> = routes
        .routes
        .iter()
        .map(|r| (r.n, r.method.as_str(), r.path.as_str(), r.operation.as_str(), r.deprecated))
        .collect();
    assert_eq!(
        known,
        [(0, "GET", "/now/{city}", "currentWeather", false), (1, "GET", "/forecast/{city}", "forecast", true)]
    );
    let state = heard[1].state::<ApiState>().unwrap().unwrap();
    assert_eq!((state.revision, state.upstream_url.as_deref(), state.number), (2, Some("http://127.0.0.1:9000"), 1));
    let current = state.current.unwrap();
    assert_eq!((current.version.as_str(), current.number, current.parts, current.deprecated_at), ("1.0.0", 1, 1, None));
    // The same went to the outbox.
    let id = api["id"].as_str().unwrap();
    let told = house.outbox(id).await;
    assert!(told.iter().any(|event| *event == heard[0]), "{told:?}");
    let states: Vec<VersionPhase> = told
        .iter()
        .filter(|event| event.kind == "catalog.version")
        .map(|event| event.state::<VersionState>().unwrap().unwrap().state)
        .collect();
    assert_eq!(states, [VersionPhase::Draft, VersionPhase::Published]);
    let organization = format!("ORG#{}", party("acme").id);
    let revisions: Vec<u64> = house
        .outbox(&organization)
        .await
        .iter()
        .filter(|event| event.kind == "catalog.api")
        .map(|event| event.revision)
        .collect();
    assert_eq!(revisions, [1, 2]);
    let api = house.get(who, "/v1/catalog/apis/weather").await.is(200);
    assert_eq!(api["current"]["version"], "1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_door_is_away_nothing_is_answered_as_done_and_asking_again_completes_it() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    weather(&house, who).await;
    let address = "/v1/catalog/apis/weather/versions/1.0.0/publish";
    house.door.goes_away(true);
    let answer = house.call(who, &format!("POST {address}"), &[("idempotency-key", "k1")], b"").await;
    assert_eq!(answer.kind(), (503, "unavailable"));
    house.door.goes_away(false);
    // The same request again, and a new one: each tells the door.
    let answer = house.call(who, &format!("POST {address}"), &[("idempotency-key", "k1")], b"").await;
    assert_eq!((answer.status, answer.headers["idempotency-replayed"].as_str()), (200, "true"));
    assert_eq!(house.door.heard().len(), 2);
    house.call(who, &format!("POST {address}"), &[], b"").await.is(200);
    assert_eq!(house.door.heard().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_deprecated_before_it_retires_and_the_one_before_takes_its_place() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    weather(&house, who).await;
    let newer = WEATHER.replace("forecast", "prognosis").replace("1.0.0", "2.0.0");
    upload(&house, who, "weather", "2.0.0", newer.as_bytes()).await.is(201);
    let step = async |version: &str, step: &str, body: Value| {
        house.post(who, &format!("/v1/catalog/apis/weather/versions/{version}/{step}"), &body).await
    };
    let current = async || house.get(who, "/v1/catalog/apis/weather").await.is(200)["current"]["version"].clone();
    let search = async |word: &str| {
        house
            .all(who, &format!("/v1/catalog/search?q={word}"), 50)
            .await
            .into_iter()
            .map(|hit| hit["version"].clone())
            .collect::<Vec<_>>()
    };
    let sunset = json!({"sunset_at": "2027-06-01T00:00:00Z"});
    assert_eq!(search("forecast").await, ["1.0.0"; 0] as [&str; 0], "the newest draft is what is found");
    assert_eq!(search("prognosis").await, ["2.0.0"]);

    assert_eq!(step("1.0.0", "deprecate", sunset.clone()).await.kind().1, "state-conflict");
    step("1.0.0", "publish", json!({})).await.is(200);
    assert_eq!(search("forecast").await, ["1.0.0"], "what is published is what is found");
    assert_eq!(search("prognosis").await, ["2.0.0"; 0] as [&str; 0]);
    checks::set(&house, "weather", 1, CheckMode::Off).await;
    step("2.0.0", "publish", json!({})).await.is(200);
    assert_eq!(current().await, "2.0.0");
    assert_eq!(search("prognosis").await, ["2.0.0"]);
    let owner = party("acme").id;
    assert_eq!(
        house.table.list::<IgnoredAny>(&format!("FIND#{owner}#f"), "", None, 200).await.unwrap().rows.len(),
        0,
        "the words of what is no longer searched are gone"
    );

    assert_eq!(step("2.0.0", "retire", json!({})).await.kind().1, "state-conflict");
    let past = step("2.0.0", "deprecate", json!({"sunset_at": "2026-01-01T00:00:00Z"})).await;
    assert_eq!(past.problem(), (422, "validation-failed", "/sunset_at"));
    house.door.heard();
    let version = step("2.0.0", "deprecate", sunset).await.is(200);
    assert_eq!(
        (version["state"].as_str(), version["sunset_at"].as_str(), version["deprecated_at"].as_str()),
        (Some("deprecated"), Some("2027-06-01T00:00:00.000Z"), Some("2027-01-15T08:00:00.000Z"))
    );
    let told = house.door.heard().pop().unwrap().state::<ApiState>().unwrap().unwrap().current.unwrap();
    assert_eq!(told.sunset_at.map(|time| time.to_string()).as_deref(), Some("2027-06-01T00:00:00.000Z"));
    step("2.0.0", "retire", json!({})).await.is(200);
    assert_eq!(current().await, "1.0.0");
    assert_eq!(search("forecast").await, ["1.0.0"]);
    let told = house.door.heard();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].state::<ApiState>().unwrap().unwrap().current.unwrap().version, "1.0.0");
    assert_eq!(step("2.0.0", "publish", json!({})).await.kind().1, "state-conflict");
    assert_eq!(
        house.get(Who::Anyone, "/v1/catalog/public/acme/weather/versions/2.0.0").await.status,
        404,
        "what is retired is offered to no one"
    );
    house.tells_all_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_upstream_is_known_to_the_door_and_a_stale_change_is_refused() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    weather(&house, who).await;
    let change = |etag: &'static str, body: Value| {
        let house = &house;
        async move {
            house.call(who, "PATCH /v1/catalog/apis/weather", &[("if-match", etag)], body.to_string().as_bytes()).await
        }
    };
    let answer = house.call(who, "PATCH /v1/catalog/apis/weather", &[], b"{}").await;
    assert_eq!(answer.problem(), (428, "precondition-required", "/header/if-match"));
    let answer = change("\"1\"", json!({"name": "New", "upstream_url": null})).await;
    assert_eq!((answer.is(200)["revision"].as_u64(), answer.headers["etag"].as_str()), (Some(2), "\"2\""));
    assert_eq!(answer.body["upstream_url"], Value::Null);
    assert_eq!(house.door.heard(), [], "nothing is published yet");
    let answer = change("\"1\"", json!({"name": "Late"})).await;
    assert_eq!(answer.kind(), (412, "precondition-failed"));
    house.post(who, "/v1/catalog/apis/weather/versions/1.0.0/publish", &json!({})).await.is(200);
    house.door.heard();
    change("\"3\"", json!({"upstream_url": "https://new.example/base"})).await.is(200);
    let told = house.door.heard().pop().unwrap().state::<ApiState>().unwrap().unwrap();
    assert_eq!((told.upstream_url.as_deref(), told.name.as_str()), (Some("https://new.example/base"), "New"));
    assert!(told.cors_origins.is_empty());
    let answer = change(
        "\"4\"",
        json!({"cors": {"origins": ["http://localhost:3000", "https://app.example", "http://localhost:3000"]}}),
    )
    .await;
    let origins = ["http://localhost:3000", "https://app.example"];
    assert_eq!(answer.is(200)["cors"], json!({"origins": origins}));
    let told = house.door.heard().pop().unwrap().state::<ApiState>().unwrap().unwrap();
    assert_eq!(told.cors_origins, origins);
    assert_eq!(change("\"5\"", json!({"cors": null})).await.is(200).get("cors"), None);
}
