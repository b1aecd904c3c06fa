//! The real router on the real store.

#[cfg(test)]
mod world;

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use shared::id::{PlanId, ProductId};
use shared::principal::{Party, Role};
use world::{Answer, World, party};

fn plan(slug: &str, approval: &str, state: &str) -> Value {
    let id = PlanId::new();
    json!({"id": id, "slug": slug, "name": slug, "state": state, "revision": 1, "terms": {
        "plan": id, "plan_slug": slug, "plan_version": 1, "apis": [], "currency": "EUR", "monthly_price": "9.00", "included_calls": 1000,
        "price_per_call": "0.005", "quota": {"calls": 200, "period": "month", "kind": "hard"}, "weights": {"GET /search": 5}, "approval": approval}})
}

fn products(_: &Party, provider: &Party) -> axum::Router {
    let id = ProductId::new();
    let product = json!({"id": id, "slug": "weather", "name": "Weather", "visibility": "public", "revision": 1, "organization": provider, "apis": [],
        "plans": [plan("starter", "automatic", "active"), plan("pro", "automatic", "active"), plan("vip", "manual", "active"), plan("old", "automatic", "retired")]});
    let answer = move |Path((organization, name)): Path<(String, String)>| async move {
        if organization == "nimbus" && (name == "weather" || name == id.to_string()) {
            Ok(Json(product))
        } else {
            Err((
                StatusCode::NOT_FOUND,
                Json(json!({"type": "urn:doorway:problem:not-found", "title": "", "status": 404, "detail": ""})),
            ))
        }
    };
    axum::Router::new().route("/v1/products/public/{organization}/{product}", get(answer))
}

async fn world() -> World {
    World::new(products).await
}

impl World {
    async fn consumer(&self, line: &str, body: Value) -> Answer {
        self.call((&self.consumer, Role::Developer), line, Some(body), &[]).await
    }

    async fn provider(&self, line: &str) -> Answer {
        self.call((&self.provider, Role::Publisher), line, None, &[]).await
    }

    async fn app(&self) -> String {
        self.consumer("POST /v1/subscriptions/apps", json!({"name": "Trip planner"})).await.id()
    }

    async fn subscribe(&self, app: &str, plan: &str) -> Answer {
        self.consumer("POST /v1/subscriptions", json!({"app": app, "product": "nimbus/weather", "plan": plan})).await
    }
}

#[tokio::test]
async fn a_subscription_lives_and_both_sides_see_it() {
    let world = world().await;
    let app = world.app().await;
    let made = world.subscribe(&app, "starter").await;
    assert_eq!((made.status, &made.body["state"], made.etag.as_str()), (201, &json!("active"), "\"1\""));
    assert_eq!(made.body["terms"]["weights"], json!({"GET /search": 5}));
    let id = made.id();
    let told = world.door.told();
    assert_eq!((told.len(), &told[0]["id"], &told[0]["terms"]["quota"]["calls"]), (1, &json!(id), &json!(200)));

    assert_eq!(world.provider(&format!("GET /v1/subscriptions/{id}")).await.body, made.body);
    assert_eq!(world.consumer("GET /v1/subscriptions", json!(null)).await.body["items"][0]["id"], json!(id));
    assert_eq!(world.provider("GET /v1/subscriptions?side=provider").await.body["items"][0]["state"], "active");
    assert_eq!(world.provider("GET /v1/subscriptions").await.body["items"], json!([]));

    let suspended = world
        .call(
            (&world.provider, Role::Owner),
            &format!("POST /v1/subscriptions/{id}/suspend"),
            Some(json!({"reason": "unpaid"})),
            &[],
        )
        .await;
    assert_eq!(
        (suspended.status, &suspended.body["state"], &suspended.body["reason"]),
        (200, &json!("suspended"), &json!("unpaid"))
    );
    assert_eq!(world.provider("GET /v1/subscriptions?side=provider").await.body["items"][0]["state"], "suspended");
    assert_eq!(world.provider(&format!("POST /v1/subscriptions/{id}/resume")).await.body["state"], "active");
    let changed = world.consumer(&format!("POST /v1/subscriptions/{id}/change-plan"), json!({"plan": "pro"})).await;
    assert_eq!(
        (&changed.body["plan"]["slug"], &changed.body["terms_revision"], &changed.body["revision"]),
        (&json!("pro"), &json!(2), &json!(4))
    );
    assert_eq!(
        world.consumer(&format!("POST /v1/subscriptions/{id}/cancel"), json!({})).await.body["state"],
        "cancelled"
    );
    assert_eq!(
        world.door.told().iter().map(|state| state["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        ["suspended", "active", "active", "cancelled"]
    );
    let events = world.outbox().await;
    let revisions: Vec<_> = events
        .iter()
        .filter(|(kind, ..)| kind == "subscriptions.subscription")
        .map(|(_, _, revision)| revision.as_str())
        .collect();
    assert_eq!(revisions, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_plan_with_approval_waits_for_the_provider() {
    let world = world().await;
    let app = world.app().await;
    let id = world.subscribe(&app, "vip").await.id();
    assert_eq!(
        world.consumer(&format!("POST /v1/subscriptions/{id}/approve"), json!({})).await.problem(),
        (403, "forbidden")
    );
    assert_eq!(
        world
            .call((&world.consumer, Role::Owner), &format!("POST /v1/subscriptions/{id}/approve"), None, &[])
            .await
            .problem(),
        (403, "forbidden")
    );
    assert_eq!(world.provider(&format!("POST /v1/subscriptions/{id}/approve")).await.body["state"], "active");
    assert_eq!(
        world.provider(&format!("POST /v1/subscriptions/{id}/decline")).await.problem(),
        (409, "state-conflict")
    );
    let declined = world.subscribe(&app, "vip").await.id();
    assert_eq!(world.provider(&format!("POST /v1/subscriptions/{declined}/decline")).await.body["state"], "cancelled");
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let world = world().await;
    let id = world.subscribe(&world.app().await, "starter").await.id();
    let stranger = party("stranger");
    let never = "sub_01h455vb4pex5vsknk084sn02q";
    for action in ["", "/approve", "/suspend", "/cancel"] {
        let method = if action.is_empty() { "GET" } else { "POST" };
        let real =
            world.call((&stranger, Role::Owner), &format!("{method} /v1/subscriptions/{id}{action}"), None, &[]).await;
        let none = world
            .call((&stranger, Role::Owner), &format!("{method} /v1/subscriptions/{never}{action}"), None, &[])
            .await;
        assert_eq!((real.problem(), &real.body), ((404, "not-found"), &none.body));
    }
    for (app, product, plan) in [
        ("app_01h455vb4pex5vsknk084sn02q", "nimbus/weather", "starter"),
        (&world.app().await, "nimbus/hidden", "starter"),
        (&world.app().await, "weather", "starter"),
        (&world.app().await, "nimbus/weather", "none"),
    ] {
        let answer =
            world.consumer("POST /v1/subscriptions", json!({"app": app, "product": product, "plan": plan})).await;
        assert_eq!(answer.problem(), (404, "not-found"), "{product} {plan}");
    }
    assert_eq!(world.subscribe(&world.app().await, "old").await.problem(), (409, "state-conflict"));
}

#[tokio::test]
async fn a_repeated_request_gets_its_answer_and_the_door_is_told_again() {
    let world = world().await;
    let body = json!({"app": world.app().await, "product": "nimbus/weather", "plan": "starter"});
    let by = (&world.consumer, Role::Developer);
    let key = [("idempotency-key", "once")];
    world.door.deafen(true);
    let first = world.call(by, "POST /v1/subscriptions", Some(body.clone()), &key).await;
    assert_eq!(first.problem(), (503, "unavailable"));
    assert_eq!(
        world.call(by, "POST /v1/subscriptions", Some(body.clone()), &key).await.status,
        503,
        "no promise while the door is deaf"
    );
    world.door.deafen(false);
    let again = world.call(by, "POST /v1/subscriptions", Some(body.clone()), &key).await;
    assert_eq!((again.status, world.door.told()[0]["id"].as_str()), (201, Some(again.id().as_str())));
    assert_eq!(
        world
            .call(
                by,
                "POST /v1/subscriptions",
                Some(json!({"app": body["app"], "product": "nimbus/weather", "plan": "pro"})),
                &key
            )
            .await
            .problem(),
        (409, "idempotency-conflict")
    );
    assert_eq!(world.consumer("GET /v1/subscriptions", json!(null)).await.body["items"].as_array().unwrap().len(), 1);

    let cancel = format!("POST /v1/subscriptions/{}/cancel", again.id());
    world.door.deafen(true);
    assert_eq!(world.consumer(&cancel, json!({})).await.status, 503);
    assert_eq!(world.consumer(&cancel, json!({})).await.status, 503, "not even a refusal before the door knows");
    world.door.deafen(false);
    assert_eq!(world.consumer(&cancel, json!({})).await.problem(), (409, "state-conflict"));
    assert_eq!(world.door.told()[0]["state"], "cancelled");
}

#[tokio::test]
async fn an_app_is_changed_with_its_etag_and_removed_when_nobody_calls() {
    let world = world().await;
    let app = world.app().await;
    let by = (&world.consumer, Role::Developer);
    let line = format!("PATCH /v1/subscriptions/apps/{app}");
    assert_eq!(world.call(by, &line, Some(json!({"name": "B"})), &[]).await.problem(), (428, "precondition-required"));
    assert_eq!(
        world.call(by, &line, Some(json!({"name": "B"})), &[("if-match", "\"7\"")]).await.problem(),
        (412, "precondition-failed")
    );
    let changed =
        world.call(by, &line, Some(json!({"name": "B", "description": "for tests"})), &[("if-match", "\"1\"")]).await;
    assert_eq!((changed.status, changed.etag.as_str(), &changed.body["name"]), (200, "\"2\"", &json!("B")));
    let cleared = world.call(by, &line, Some(json!({"description": null})), &[("if-match", "\"2\"")]).await;
    assert_eq!((&cleared.body["name"], cleared.body.get("description")), (&json!("B"), None));

    let subscription = world.subscribe(&app, "starter").await.id();
    let delete = format!("DELETE /v1/subscriptions/apps/{app}");
    assert_eq!(world.consumer(&delete, json!(null)).await.problem(), (409, "state-conflict"));
    world.consumer(&format!("POST /v1/subscriptions/{subscription}/cancel"), json!({})).await;
    assert_eq!(world.consumer(&delete, json!(null)).await.status, 204);
    assert_eq!(world.consumer(&delete, json!(null)).await.problem(), (404, "not-found"));
    assert_eq!(world.subscribe(&app, "starter").await.problem(), (404, "not-found"));
    assert_eq!(
        world
            .outbox()
            .await
            .iter()
            .filter(|(kind, id, revision)| kind == "subscriptions.app" && *id == app && revision == "4")
            .count(),
        1
    );
}
