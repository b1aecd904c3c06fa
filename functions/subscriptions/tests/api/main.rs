//! The real router on the real store.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // It is all tests.

use axum::Json;
use axum::extract::Path;
use axum::routing::get;
use house::{Answer, House, Who, door_secret, not_found, party};
use serde_json::{Value, json};
use shared::id::{PlanId, ProductId};
use shared::principal::Role;
use subscriptions::App;

fn plan(slug: &str, approval: &str, state: &str) -> Value {
    let id = PlanId::new();
    json!({"id": id, "slug": slug, "name": slug, "state": state, "revision": 1, "terms": {
        "plan": id, "plan_slug": slug, "plan_version": 1, "apis": [], "currency": "EUR", "monthly_price": "9.00", "included_calls": 1000,
        "price_per_call": "0.005", "quota": {"calls": 200, "period": "month", "kind": "hard"}, "weights": {"GET /search": 5}, "approval": approval}})
}

/// With `products`, which knows one product of `nimbus`.
async fn world() -> House<App> {
    let id = ProductId::new();
    let product = json!({"id": id, "slug": "weather", "name": "Weather", "visibility": "public", "revision": 1, "organization": party("nimbus"), "apis": [],
        "plans": [plan("starter", "automatic", "active"), plan("pro", "automatic", "active"), plan("vip", "manual", "active"), plan("old", "automatic", "retired")]});
    let answer = async move |Path((organization, name)): Path<(String, String)>| {
        let known = organization == "nimbus" && (name == "weather" || name == id.to_string());
        if known { Ok(Json(product.clone())) } else { Err(not_found()) }
    };
    let service = async |Path(service): Path<String>| match service.as_str() {
        "planner" => Ok(Json(json!({"slug": "planner"}))),
        "away" => Err((axum::http::StatusCode::SERVICE_UNAVAILABLE, Json(json!("away")))),
        _ => Err(not_found()),
    };
    let others = axum::Router::new()
        .route("/v1/products/public/{organization}/{product}", get(answer))
        .route("/v1/catalog/services/{service}", get(service));
    House::among(others, |environment| App::new(environment, door_secret())).await
}

async fn consumer(world: &House<App>, line: &str, body: Value) -> Answer {
    world.call(Who::Member("acme", Role::Developer), line, &[], Some(body)).await
}

async fn provider(world: &House<App>, line: &str) -> Answer {
    world.call(Who::Member("nimbus", Role::Publisher), line, &[], None).await
}

async fn app(world: &House<App>) -> String {
    consumer(world, "POST /v1/subscriptions/apps", json!({"name": "Trip planner"})).await.text("/id")
}

async fn subscribe(world: &House<App>, app: &str, plan: &str) -> Answer {
    consumer(world, "POST /v1/subscriptions", json!({"app": app, "product": "nimbus/weather", "plan": plan})).await
}

#[tokio::test]
async fn a_subscription_lives_and_both_sides_see_it() {
    let world = world().await;
    let app = app(&world).await;
    let made = subscribe(&world, &app, "starter").await;
    assert_eq!((made.status, &made.body["state"], made.headers["etag"].as_str()), (201, &json!("active"), "\"1\""));
    assert_eq!(made.body["terms"]["weights"], json!({"GET /search": 5}));
    let id = made.text("/id");
    let told = world.door.states();
    assert_eq!((told.len(), &told[0]["id"], &told[0]["terms"]["quota"]["calls"]), (1, &json!(id), &json!(200)));

    assert_eq!(provider(&world, &format!("GET /v1/subscriptions/{id}")).await.body, made.body);
    assert_eq!(consumer(&world, "GET /v1/subscriptions", json!(null)).await.body["items"][0]["id"], json!(id));
    assert_eq!(provider(&world, "GET /v1/subscriptions?side=provider").await.body["items"][0]["state"], "active");
    assert_eq!(provider(&world, "GET /v1/subscriptions").await.body["items"], json!([]));

    let suspended = world
        .call(
            Who::Member("nimbus", Role::Owner),
            &format!("POST /v1/subscriptions/{id}/suspend"),
            &[],
            Some(json!({"reason": "unpaid"})),
        )
        .await;
    assert_eq!(
        (suspended.status, &suspended.body["state"], &suspended.body["reason"]),
        (200, &json!("suspended"), &json!("unpaid"))
    );
    assert_eq!(provider(&world, "GET /v1/subscriptions?side=provider").await.body["items"][0]["state"], "suspended");
    assert_eq!(provider(&world, &format!("POST /v1/subscriptions/{id}/resume")).await.body["state"], "active");
    let changed = consumer(&world, &format!("POST /v1/subscriptions/{id}/change-plan"), json!({"plan": "pro"})).await;
    assert_eq!(
        (&changed.body["plan"]["slug"], &changed.body["terms_revision"], &changed.body["revision"]),
        (&json!("pro"), &json!(2), &json!(4))
    );
    assert_eq!(
        consumer(&world, &format!("POST /v1/subscriptions/{id}/cancel"), json!({})).await.body["state"],
        "cancelled"
    );
    assert_eq!(
        world.door.states().iter().map(|state| state["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        ["suspended", "active", "active", "cancelled"]
    );
    let events = world.outbox("").await;
    let revisions: Vec<_> =
        events.iter().filter(|event| event.kind == "subscriptions.subscription").map(|event| event.revision).collect();
    assert_eq!(revisions, [1, 2, 3, 4, 5]);
    world.tells_all_again().await;
}

#[tokio::test]
async fn a_plan_with_approval_waits_for_the_provider() {
    let world = world().await;
    let app = app(&world).await;
    let id = subscribe(&world, &app, "vip").await.text("/id");
    assert_eq!(
        consumer(&world, &format!("POST /v1/subscriptions/{id}/approve"), json!({})).await.problem(),
        (403, "forbidden", "")
    );
    assert_eq!(
        world
            .call(Who::Member("acme", Role::Owner), &format!("POST /v1/subscriptions/{id}/approve"), &[], None)
            .await
            .problem(),
        (403, "forbidden", "")
    );
    assert_eq!(provider(&world, &format!("POST /v1/subscriptions/{id}/approve")).await.body["state"], "active");
    assert_eq!(
        provider(&world, &format!("POST /v1/subscriptions/{id}/decline")).await.problem(),
        (409, "state-conflict", "")
    );
    let declined = subscribe(&world, &app, "vip").await.text("/id");
    assert_eq!(
        provider(&world, &format!("POST /v1/subscriptions/{declined}/decline")).await.body["state"],
        "cancelled"
    );
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let world = world().await;
    let id = subscribe(&world, &app(&world).await, "starter").await.text("/id");
    let never = "sub_01h455vb4pex5vsknk084sn02q";
    for action in ["", "/approve", "/suspend", "/cancel"] {
        let method = if action.is_empty() { "GET" } else { "POST" };
        let real = world
            .call(Who::Member("stranger", Role::Owner), &format!("{method} /v1/subscriptions/{id}{action}"), &[], None)
            .await;
        let none = world
            .call(
                Who::Member("stranger", Role::Owner),
                &format!("{method} /v1/subscriptions/{never}{action}"),
                &[],
                None,
            )
            .await;
        assert_eq!((real.problem(), &real.body), ((404, "not-found", ""), &none.body));
    }
    for (app, product, plan, pointer) in [
        ("app_01h455vb4pex5vsknk084sn02q", "nimbus/weather", "starter", "/app"),
        (&app(&world).await, "nimbus/hidden", "starter", "/product"),
        (&app(&world).await, "weather", "starter", "/product"),
        (&app(&world).await, "nimbus/weather", "none", "/plan"),
    ] {
        let answer =
            consumer(&world, "POST /v1/subscriptions", json!({"app": app, "product": product, "plan": plan})).await;
        assert_eq!(answer.problem(), (404, "not-found", pointer), "{product} {plan}");
    }
    assert_eq!(subscribe(&world, &app(&world).await, "old").await.problem(), (409, "state-conflict", ""));
}

#[tokio::test]
async fn a_repeated_request_gets_its_answer_and_the_door_is_told_again() {
    let world = world().await;
    let body = json!({"app": app(&world).await, "product": "nimbus/weather", "plan": "starter"});
    let by = Who::Member("acme", Role::Developer);
    let key = [("idempotency-key", "once")];
    world.door.goes_away(true);
    let first = world.call(by, "POST /v1/subscriptions", &key, Some(body.clone())).await;
    assert_eq!(first.problem(), (503, "unavailable", ""));
    assert_eq!(
        world.call(by, "POST /v1/subscriptions", &key, Some(body.clone())).await.status,
        503,
        "no promise while the door is deaf"
    );
    world.door.goes_away(false);
    let again = world.call(by, "POST /v1/subscriptions", &key, Some(body.clone())).await;
    assert_eq!((again.status, world.door.states()[0]["id"].as_str()), (201, Some(again.text("/id").as_str())));
    assert_eq!(
        world
            .call(
                by,
                "POST /v1/subscriptions",
                &key,
                Some(json!({"app": body["app"], "product": "nimbus/weather", "plan": "pro"}))
            )
            .await
            .problem(),
        (409, "idempotency-conflict", "/header/idempotency-key")
    );
    assert_eq!(consumer(&world, "GET /v1/subscriptions", json!(null)).await.body["items"].as_array().unwrap().len(), 1);

    let cancel = format!("POST /v1/subscriptions/{}/cancel", again.text("/id"));
    world.door.goes_away(true);
    assert_eq!(consumer(&world, &cancel, json!({})).await.status, 503);
    assert_eq!(consumer(&world, &cancel, json!({})).await.status, 503, "not even a refusal before the door knows");
    world.door.goes_away(false);
    assert_eq!(consumer(&world, &cancel, json!({})).await.problem(), (409, "state-conflict", ""));
    assert_eq!(world.door.states()[0]["state"], "cancelled");
}

#[tokio::test]
async fn an_app_is_changed_with_its_etag_and_removed_when_nobody_calls() {
    let world = world().await;
    let app = app(&world).await;
    let by = Who::Member("acme", Role::Developer);
    let line = format!("PATCH /v1/subscriptions/apps/{app}");
    assert_eq!(
        world.call(by, &line, &[], Some(json!({"name": "B"}))).await.problem(),
        (428, "precondition-required", "/header/if-match")
    );
    assert_eq!(
        world.call(by, &line, &[("if-match", "\"7\"")], Some(json!({"name": "B"}))).await.problem(),
        (412, "precondition-failed", "/header/if-match")
    );
    let changed =
        world.call(by, &line, &[("if-match", "\"1\"")], Some(json!({"name": "B", "description": "for tests"}))).await;
    assert_eq!((changed.status, changed.headers["etag"].as_str(), &changed.body["name"]), (200, "\"2\"", &json!("B")));
    let cleared = world.call(by, &line, &[("if-match", "\"2\"")], Some(json!({"description": null}))).await;
    assert_eq!((&cleared.body["name"], cleared.body.get("description")), (&json!("B"), None));

    let subscription = subscribe(&world, &app, "starter").await.text("/id");
    let delete = format!("DELETE /v1/subscriptions/apps/{app}");
    assert_eq!(consumer(&world, &delete, json!(null)).await.problem(), (409, "state-conflict", ""));
    consumer(&world, &format!("POST /v1/subscriptions/{subscription}/cancel"), json!({})).await;
    assert_eq!(consumer(&world, &delete, json!(null)).await.status, 204);
    assert_eq!(consumer(&world, &delete, json!(null)).await.problem(), (404, "not-found", ""));
    assert_eq!(subscribe(&world, &app, "starter").await.problem(), (404, "not-found", "/app"));
    assert_eq!(
        world
            .outbox("")
            .await
            .iter()
            .filter(|event| event.kind == "subscriptions.app" && event.id == app && event.revision == 4)
            .count(),
        1
    );
    world.tells_all_again().await;
}

#[tokio::test]
async fn an_app_may_be_a_service_of_its_organization() {
    let world = world().await;
    let by = Who::Member("acme", Role::Developer);
    let path = "POST /v1/subscriptions/apps";
    let made = consumer(&world, path, json!({"name": "Planner", "service": "planner"})).await;
    assert_eq!((made.status, &made.body["service"]), (201, &json!("planner")));
    let line = format!("/v1/subscriptions/apps/{}", made.text("/id"));
    assert_eq!(world.get(by, &line).await.body, made.body);
    for (service, status, kind, pointer) in [
        (json!("nobody"), 404, "not-found", "/service"),
        (json!("Not a slug"), 422, "validation-failed", "/service"),
        (json!("away"), 503, "unavailable", ""),
    ] {
        let answer = consumer(&world, path, json!({"name": "X", "service": service})).await;
        assert_eq!(answer.problem(), (status, kind, pointer), "{service}");
        let change = Some(json!({"service": service}));
        let answer = world.call(by, &format!("PATCH {line}"), &[("if-match", "\"1\"")], change).await;
        assert_eq!(answer.problem(), (status, kind, pointer), "{service}");
    }
    let renamed = Some(json!({"name": "Trip planner"}));
    let renamed = world.call(by, &format!("PATCH {line}"), &[("if-match", "\"1\"")], renamed).await;
    assert_eq!((&renamed.body["service"], &renamed.body["name"]), (&json!("planner"), &json!("Trip planner")));
    let none = world.call(by, &format!("PATCH {line}"), &[("if-match", "\"2\"")], Some(json!({"service": null}))).await;
    assert_eq!((none.status, none.body.get("service")), (200, None));
    let stranger = world
        .call(
            Who::Member("other", Role::Owner),
            &format!("PATCH {line}"),
            &[("if-match", "\"3\"")],
            Some(json!({"service": "planner"})),
        )
        .await;
    assert_eq!(stranger.problem(), (404, "not-found", ""));
    let told: Vec<Value> = world
        .outbox("")
        .await
        .iter()
        .filter(|event| event.kind == "subscriptions.app")
        .map(|event| serde_json::from_str::<Value>(&event.data).unwrap()["service"].clone())
        .collect();
    assert_eq!(told, [json!("planner"), json!("planner"), Value::Null]);

    let body = json!({"name": "Again", "service": "planner"});
    let first = world.call(by, path, &[("idempotency-key", "k")], Some(body.clone())).await;
    let again = world.call(by, path, &[("idempotency-key", "k")], Some(body)).await;
    assert_eq!((again.is(201), again.headers["idempotency-replayed"].as_str()), (first.is(201), "true"));
    let other = world.call(by, path, &[("idempotency-key", "k")], Some(json!({"name": "Other"}))).await;
    assert_eq!(other.problem(), (409, "idempotency-conflict", "/header/idempotency-key"));
}
