//! Services: their fields, who owns an API, and the graph of who calls whom.

use axum::Json;
use axum::extract::Query;
use axum::response::IntoResponse as _;
use axum::routing::get;
use catalog::App;
use house::{Who, door_secret};
use http::HeaderMap;
use serde_json::{Value, json};
use shared::event::ServiceState;
use shared::principal::Role;
use std::collections::HashMap;
use std::time::Duration;

use crate::{House, member, new};

const APP: &str = "app_01h455vb4pex5vsknk084sn02a";
const OTHER_APP: &str = "app_01h455vb4pex5vsknk084sn02b";
const MAPS: &str = "api_01h455vb4pex5vsknk084sn02m";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_says_what_it_does_and_where_to_look() {
    let house = new().await;
    let who = member("acme", Role::Publisher);
    let links = json!([{"title": "Dashboard", "url": "https://grafana.example/d/1?var=a#top"}]);
    let service = json!({"slug": "sky", "name": "Sky", "description": "Looks up.\nAll day.", "domain": "weather", "links": links});
    let made = house.post(who, "/v1/catalog/services", &service).await.is(201);
    assert_eq!((&made["description"], &made["links"]), (&service["description"], &links));
    assert_eq!(house.get(who, "/v1/catalog/services/sky").await.is(200), made);
    assert_eq!(house.all(who, "/v1/catalog/services", 50).await, [made]);
    let change = async |etag: &'static str, body: Value| {
        house.call(who, "PATCH /v1/catalog/services/sky", &[("if-match", etag)], Some(body)).await
    };
    let changed = change("\"1\"", json!({"links": [], "description": null})).await.is(200);
    assert_eq!((changed.get("links"), changed.get("description"), &changed["domain"]), (None, None, &json!("weather")));
    assert_eq!(change("\"1\"", json!({"name": "Late"})).await.kind(), (412, "precondition-failed"));
    let link = |url: &str| json!({"slug": "x", "name": "x", "links": [{"title": "t", "url": url}]});
    for (body, field) in [
        (json!({"slug": "x", "name": "x", "description": "a\u{0}"}), "/description"),
        (json!({"slug": "x", "name": "x", "description": "x".repeat(1_001)}), "/description"),
        (link("javascript:alert(1)"), "/links/0/url"),
        (link("https://a.example/\"><script>"), "/links/0/url"),
        (link("https://user:secret@a.example/"), "/links/0/url"),
        (json!({"slug": "x", "name": "x", "links": [{"title": "", "url": "https://a.example"}]}), "/links/0/title"),
        (json!({"slug": "x", "name": "x", "links": vec![links[0].clone(); 21]}), "/links"),
        (json!({"slug": "x", "name": "x", "lifecycle": "dead"}), "/lifecycle"),
    ] {
        assert_eq!(
            house.post(who, "/v1/catalog/services", &body).await.problem(),
            (422, "validation-failed", field),
            "{body}"
        );
    }
    assert_eq!(
        change("\"2\"", json!({"links": vec![links[0].clone(); 21]})).await.problem(),
        (422, "validation-failed", "/links")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_once_it_offers_nothing() {
    let house = new().await;
    let who = member("acme", Role::Publisher);
    let sky = json!({"slug": "sky", "name": "Sky"});
    let service = house.post(who, "/v1/catalog/services", &sky).await.is(201);
    let api = json!({"slug": "weather", "name": "Weather", "service": "sky"});
    house.post(who, "/v1/catalog/apis", &api).await.is(201);
    let delete = async |who: Who<'static>, name: &str| {
        house.call(who, &format!("DELETE /v1/catalog/services/{name}"), &[], b"").await
    };
    assert_eq!(delete(member("acme", Role::Viewer), "sky").await.kind(), (403, "forbidden"));
    assert_eq!(delete(member("other", Role::Owner), "sky").await.kind(), (404, "not-found"));
    let refused = delete(who, "sky").await;
    assert_eq!(refused.kind(), (409, "state-conflict"));
    assert_eq!(
        refused.text("/detail"),
        "The service offers the APIs `weather`: give them another service, or none, first."
    );
    assert_eq!(house.get(who, "/v1/catalog/services/sky").await.is(200), service);

    let none = Some(json!({"service": null}));
    house.call(who, "PATCH /v1/catalog/apis/weather", &[("if-match", "\"1\"")], none).await.is(200);
    assert_eq!(house.get(who, "/v1/catalog/search?q=sky").await.is(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(delete(who, service["id"].as_str().unwrap()).await.status, 204);
    assert_eq!(delete(who, "sky").await.kind(), (404, "not-found"));
    for name in ["sky", service["id"].as_str().unwrap()] {
        assert_eq!(house.get(who, &format!("/v1/catalog/services/{name}")).await.kind(), (404, "not-found"));
    }
    assert_eq!(house.all(who, "/v1/catalog/services", 50).await, [Value::Null; 0]);
    assert_eq!(house.get(who, "/v1/catalog/search?q=sky").await.is(200)["items"], json!([]));
    let again = house.post(who, "/v1/catalog/apis", &json!({"slug": "x", "name": "x", "service": "sky"})).await;
    assert_eq!(again.problem(), (409, "state-conflict", "/service"));
    let told = house.outbox("").await;
    let told: Vec<_> = told.iter().filter(|event| event.kind == "catalog.service").collect();
    let revisions: Vec<(u64, bool)> =
        told.iter().map(|event| (event.revision, event.state::<ServiceState>().unwrap().is_none())).collect();
    assert_eq!(revisions, [(1, false), (2, true)], "it is told that it is gone");

    let next = house.post(who, "/v1/catalog/services", &sky).await.is(201);
    assert_ne!(next["id"], service["id"], "the slug is free again");
    house.tells_all_again().await;
}

/// However an API's write and a service's end meet, no API is left with a service that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn no_api_is_offered_by_a_service_that_is_gone() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    let (mut kept, mut ended) = (0, 0);
    for round in 0..80 {
        let service = format!("s{round}");
        house.post(who, "/v1/catalog/services", &json!({"slug": service, "name": "S"})).await.is(201);
        let tag = house.get(who, "/v1/catalog/apis/weather").await.headers["etag"].clone();
        // At once, and each of them some milliseconds later than the other one.
        let later = Duration::from_millis(round / 4);
        let (offer_waits, end_waits) = if round % 4 < 2 { (later, Duration::ZERO) } else { (Duration::ZERO, later) };
        let offered = async {
            tokio::time::sleep(offer_waits).await;
            if round % 2 == 0 {
                let api = json!({"slug": format!("a{round}"), "name": "A", "service": service});
                return house.post(who, "/v1/catalog/apis", &api).await;
            }
            let change = Some(json!({"service": service}));
            house.call(who, "PATCH /v1/catalog/apis/weather", &[("if-match", &tag)], change).await
        };
        let line = format!("DELETE /v1/catalog/services/{service}");
        let end = async {
            tokio::time::sleep(end_waits).await;
            house.call(who, &line, &[], b"").await
        };
        let (offered, end) = tokio::join!(offered, end);
        match (offered.status, end.status) {
            (200 | 201, 409) => {
                house.get(who, &format!("/v1/catalog/services/{service}")).await.is(200);
                kept += 1;
            }
            (409, 204) => {
                assert_eq!(offered.problem(), (409, "state-conflict", "/service"));
                ended += 1;
            }
            both => panic!("round {round}: {both:?}"),
        }
    }
    assert!(kept > 0 && ended > 0, "{kept} kept, {ended} ended: the test tried one order only");
}

#[tokio::test(flavor = "multi_thread")]
async fn apis_that_nobody_owns_are_listed_until_somebody_does() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    for service in [json!({"slug": "owned", "name": "O", "owner": "Team Sky"}), json!({"slug": "orphan", "name": "O"})]
    {
        house.post(who, "/v1/catalog/services", &service).await.is(201);
    }
    for (slug, service) in [("a", json!("orphan")), ("b", json!("owned")), ("c", Value::Null), ("d", json!("orphan"))] {
        house.post(who, "/v1/catalog/apis", &json!({"slug": slug, "name": slug, "service": service})).await.is(201);
    }
    let unowned = async |who: Who<'static>| -> Vec<String> {
        let apis = house.all(who, "/v1/catalog/apis?owner=none", 1).await;
        apis.iter().map(|api| api["slug"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(unowned(who).await, ["a", "c", "d"]);
    assert_eq!(unowned(member("other", Role::Owner)).await, [""; 0]);
    let owner = Some(json!({"owner": "Team Sea"}));
    house.call(who, "PATCH /v1/catalog/services/orphan", &[("if-match", "\"1\"")], owner).await.is(200);
    assert_eq!(unowned(member("acme", Role::Viewer)).await, ["c"]);
    assert_eq!(house.all(who, "/v1/catalog/apis", 2).await.len(), 4);
    let wrong = house.get(who, "/v1/catalog/apis?owner=team-sky").await;
    assert_eq!(wrong.problem(), (400, "invalid-parameter", "/query/owner"));
    let token = house.get(who, "/v1/catalog/apis?page_size=1").await.is(200)["next_page_token"].clone();
    let other = house.get(who, &format!("/v1/catalog/apis?owner=none&page_token={}", token.as_str().unwrap())).await;
    assert_eq!(other.kind(), (400, "invalid-parameter"), "a token holds for its own list");
}

/// `usage`, which knows of these calls, one subscription to a page, and of nobody who does not come in the caller's name.
async fn among(items: Vec<Value>) -> House {
    let answer = move |Query(query): Query<HashMap<String, String>>, headers: HeaderMap| {
        let items = items.clone();
        async move {
            let is_named = headers.get("authorization").is_some_and(|token| token == "Bearer dwt_x");
            if !is_named || query["window"] != "7d" {
                let problem = json!({"type": "urn:doorway:problem:forbidden", "title": "t", "status": 403, "detail": "This needs the permission `usage:read`."});
                return (http::StatusCode::FORBIDDEN, Json(problem)).into_response();
            }
            let place: usize = query.get("page_token").map_or(0, |token| token.parse().unwrap());
            let mut page = json!({"items": items.get(place).into_iter().collect::<Vec<_>>()});
            if place + 1 < items.len() {
                page["next_page_token"] = json!((place + 1).to_string());
            }
            Json(page).into_response()
        }
    };
    let others = axum::Router::new().route("/v1/usage/calls", get(answer));
    House::among(others, |environment| App::new(environment, &door_secret())).await
}

fn subscription(organization: &str, provider: &str, app: &str, service: Option<&str>, apis: &Value) -> Value {
    json!({"subscription": "sub_01h455vb4pex5vsknk084sn02q", "organization": organization, "provider": provider, "app": app,
        "app_name": "An app", "service": service, "apis": apis, "complete_to": "2027-01-15T07:00:00.000Z"})
}

fn called(api: &str, slug: &str, calls: u64) -> Value {
    json!({"number": 1, "api": api, "slug": slug, "calls": calls, "last_seen": "2027-01-15T07:00:00.000Z"})
}

async fn scene(house: &House, who: Who<'_>) -> Vec<String> {
    for service in [
        json!({"slug": "forecasting", "name": "Forecasting", "owner": "Team Sky"}),
        json!({"slug": "planner", "name": "Planner"}),
    ] {
        house.post(who, "/v1/catalog/services", &service).await.is(201);
    }
    let mut ids = Vec::new();
    for (slug, service) in [("weather", json!("forecasting")), ("routes", json!("planner")), ("lost", Value::Null)] {
        let api = json!({"slug": slug, "name": slug, "service": service});
        ids.push(house.post(who, "/v1/catalog/apis", &api).await.text("/id"));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_joins_what_services_offer_with_what_usage_saw() {
    // The ids are the catalog's to give: first without calls.
    let silent = among(Vec::new()).await;
    let who = member("acme", Role::Owner);
    scene(&silent, who).await;
    let graph = silent.get(who, "/v1/catalog/graph?window=7d").await.is(200);
    assert_eq!((&graph["calls"], &graph["complete"], graph.get("missing")), (&json!([]), &json!(true), None));

    let weather = "api_01h455vb4pex5vsknk084sn02q";
    let house = among(vec![
        subscription("acme", "acme", APP, Some("planner"), &json!([called(weather, "weather", 3)])),
        subscription("acme", "globe", APP, Some("planner"), &json!([called(MAPS, "maps", 2)])),
        subscription("beta", "acme", OTHER_APP, None, &json!([called(weather, "weather", 9)])),
        subscription("beta", "acme", OTHER_APP, None, &json!([])),
        // Its service is gone.
        subscription("acme", "acme", APP, Some("ended"), &json!([called(weather, "weather", 1)])),
    ])
    .await;
    let ids = scene(&house, who).await;
    let graph = house.get(member("acme", Role::Viewer), "/v1/catalog/graph?window=7d").await.is(200);
    let services: Vec<Value> = graph["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| json!([service["slug"], service["owner"]]))
        .collect();
    assert_eq!(services, [json!(["forecasting", "Team Sky"]), json!(["planner", null])]);
    assert_eq!(
        graph["apis"],
        json!([
            {"id": ids[2], "slug": "lost", "name": "lost", "service": null},
            {"id": ids[1], "slug": "routes", "name": "routes", "service": "planner"},
            {"id": ids[0], "slug": "weather", "name": "weather", "service": "forecasting"},
        ])
    );
    let at = "2027-01-15T07:00:00.000Z";
    assert_eq!(
        graph["calls"],
        json!([
            {"app": OTHER_APP, "app_name": "An app", "organization": "beta", "api": weather, "api_slug": "weather", "calls": 9, "last_called_at": at},
            {"service": "planner", "api": weather, "api_slug": "weather", "calls": 3, "last_called_at": at},
            {"service": "planner", "provider": "globe", "api": MAPS, "api_slug": "maps", "calls": 2, "last_called_at": at},
            {"app": APP, "app_name": "An app", "api": weather, "api_slug": "weather", "calls": 1, "last_called_at": at},
        ])
    );
    assert_eq!((&graph["without_owner"], &graph["complete"]), (&json!(["lost", "routes"]), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_is_drawn_for_who_asks_for_a_diagram() {
    let house = among(vec![subscription("beta", "acme", OTHER_APP, None, &json!([called(MAPS, "weather", 9)]))]).await;
    let who = member("acme", Role::Owner);
    let service = json!({"slug": "sky", "name": "Sky\"]; click x", "owner": "Team <Sky>"});
    house.post(who, "/v1/catalog/services", &service).await.is(201);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather", "service": "sky"})).await.is(201);
    let answer = house.call(who, "GET /v1/catalog/graph?window=7d", &[("accept", "text/vnd.mermaid")], b"").await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/vnd.mermaid; charset=utf-8"));
    assert_eq!(
        String::from_utf8(answer.bytes).unwrap(),
        "flowchart LR\n  n0[\"Sky    click x - Team  Sky\"]\n  n1([\"Weather\"])\n  n2{{\"beta: An app\"}}\n  n3([\"weather\"])\n  n0 -->|offers| n1\n  n2 -.->|9 calls| n3\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_usage_the_graph_says_what_is_missing() {
    let who = member("acme", Role::Owner);
    let alone = new().await;
    scene(&alone, who).await;
    let graph = alone.get(who, "/v1/catalog/graph").await.is(200);
    assert_eq!((&graph["complete"], graph["apis"].as_array().unwrap().len()), (&json!(false), 3));
    assert_eq!(graph["missing"], json!(["`usage` could not be asked who calls: ask again in a moment."]));
    // It refuses any other window than seven days.
    let refusing = among(Vec::new()).await;
    let graph = refusing.get(who, "/v1/catalog/graph").await.is(200);
    assert_eq!(graph["missing"], json!(["`usage` refused to say who calls: This needs the permission `usage:read`."]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_is_ones_own_organizations() {
    let house = new().await;
    scene(&house, member("acme", Role::Owner)).await;
    let graph = house.get(member("other", Role::Viewer), "/v1/catalog/graph").await.is(200);
    assert_eq!((&graph["services"], &graph["apis"], &graph["without_owner"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!(house.get(Who::Anyone, "/v1/catalog/graph").await.kind(), (401, "unauthenticated"));
    for bad in ["window=1w", "window=91d", "window=", "more=1"] {
        let answer = house.get(member("acme", Role::Owner), &format!("/v1/catalog/graph?{bad}")).await;
        assert_eq!(answer.kind(), (400, "invalid-parameter"), "{bad}");
    }
}
