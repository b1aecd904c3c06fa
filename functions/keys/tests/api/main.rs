//! The real router on the real store.

#[cfg(test)]
mod world;

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use shared::principal::{Party, Role};
use shared::seal::Secret;
use shared::secret_key;
use world::{Answer, World, party};

const ACTIVE: &str = "sub_01h455vb4pex5vsknk084sn02q";
const SUSPENDED: &str = "sub_01h455vb4pex5vsknk084sn02r";

fn others(consumer: &Party, _: &Party) -> axum::Router {
    let consumer = consumer.clone();
    let subscription = move |Path(id): Path<String>| async move {
        match id.as_str() {
            ACTIVE => Ok(Json(json!({"id": id, "state": "active", "organization": consumer}))),
            SUSPENDED => Ok(Json(json!({"id": id, "state": "suspended", "organization": consumer}))),
            _ => Err((
                StatusCode::NOT_FOUND,
                Json(json!({"type": "urn:doorway:problem:not-found", "title": "", "status": 404, "detail": ""})),
            )),
        }
    };
    axum::Router::new().route("/v1/subscriptions/{id}", get(subscription))
}

async fn world() -> World {
    World::new(others).await
}

impl World {
    async fn consumer(&self, line: &str, body: Value) -> Answer {
        self.call((&self.consumer, Role::Developer), line, Some(body), &[]).await
    }

    async fn issue(&self, name: &str) -> Answer {
        self.consumer("POST /v1/keys", json!({"subscription": ACTIVE, "name": name})).await
    }
}

#[tokio::test]
async fn a_key_is_told_to_the_door_before_it_is_shown() {
    let world = world().await;
    let made = world.issue("production").await;
    let secret = made.body["secret"].as_str().unwrap();
    assert_eq!((made.status, &made.body["number"], &made.body["state"]), (201, &json!(1), &json!("active")));
    assert!(
        secret_key::is_ours(&Secret::new("door"), secret) && secret.starts_with(made.body["prefix"].as_str().unwrap())
    );
    let told = world.door.told();
    assert_eq!(
        (told.len(), &told[0]["id"], &told[0]["secret_sha256"]),
        (1, &made.body["id"], &json!(shared::seal::sha256_hex(secret.as_bytes())))
    );

    let read = world.consumer(&format!("GET /v1/keys/{}", made.id()), json!(null)).await;
    assert!(read.status == 200 && read.body.get("secret").is_none() && read.body.get("secret_sha256").is_none());
    assert_eq!(world.issue("staging").await.body["number"], 2);
    for list in [format!("GET /v1/keys?subscription={ACTIVE}"), "GET /v1/keys".to_owned()] {
        let names: Vec<_> = world.consumer(&list, json!(null)).await.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["name"].clone())
            .collect();
        assert_eq!(names, ["production", "staging"]);
    }
}

#[tokio::test]
async fn a_revoked_key_is_told_to_the_door_as_often_as_one_asks() {
    let world = world().await;
    let revoke = format!("POST /v1/keys/{}/revoke", world.issue("a").await.id());
    world.door.told();
    world.door.deafen(true);
    assert_eq!(world.consumer(&revoke, json!({})).await.problem(), (503, "unavailable"));
    world.door.deafen(false);
    let revoked = world.consumer(&revoke, json!({})).await;
    assert_eq!((revoked.status, &revoked.body["state"]), (200, &json!("revoked")));
    assert!(world.door.told()[0]["revoked_at"].is_string());
    assert_eq!(world.outbox().await.len(), 2, "issued and revoked, once each");
}

#[tokio::test]
async fn a_rotation_tells_the_door_of_both_keys_and_is_not_done_twice() {
    let world = world().await;
    let old = world.issue("a").await.id();
    world.door.told();
    let rotate = format!("POST /v1/keys/{old}/rotate");
    let by = (&world.consumer, Role::Developer);
    let first = world.call(by, &rotate, Some(json!({"overlap_seconds": 60})), &[("idempotency-key", "k")]).await;
    assert_eq!((first.status, &first.body["rotated_from"], &first.body["number"]), (201, &json!(old), &json!(2)));
    let told = world.door.told();
    assert_eq!(
        (told.len(), &told[0]["id"], &told[1]["id"], &told[1]["expires_at"]),
        (2, &first.body["id"], &json!(old), &json!("2027-01-15T08:01:00.000Z"))
    );
    let again = world.call(by, &rotate, Some(json!({"overlap_seconds": 60})), &[("idempotency-key", "k")]).await;
    assert_eq!(
        (again.status, again.id(), &again.body["secret_shown"], again.body.get("secret")),
        (201, first.id(), &json!(true), None)
    );
    assert_eq!(world.door.told().len(), 2, "the promise is kept before it is given again");
    assert_eq!(world.consumer(&rotate, json!({})).await.problem(), (409, "state-conflict"));
    // The body may be left out.
    assert_eq!(world.call(by, &format!("POST /v1/keys/{}/rotate", first.id()), None, &[]).await.status, 201);
    assert_eq!(world.consumer(&format!("GET /v1/keys/{}", first.id()), json!(null)).await.body["state"], "expired");
}

#[tokio::test]
async fn a_key_that_the_door_does_not_hear_of_is_taken_back() {
    let world = world().await;
    let by = (&world.consumer, Role::Developer);
    let body = json!({"subscription": ACTIVE, "name": "a"});
    world.door.deafen(true);
    assert_eq!(
        world.call(by, "POST /v1/keys", Some(body.clone()), &[("idempotency-key", "k")]).await.problem(),
        (503, "unavailable")
    );
    world.door.deafen(false);
    let again = world.call(by, "POST /v1/keys", Some(body), &[("idempotency-key", "k")]).await;
    assert!(again.status == 201 && again.body["secret"].is_string(), "the same request makes a key that works");
    let list = world.consumer("GET /v1/keys", json!(null)).await;
    let states: Vec<_> = list.body["items"].as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["revoked", "active"]);
}

#[tokio::test]
async fn nobody_else_sees_a_key() {
    let world = world().await;
    let id = world.issue("a").await.id();
    let stranger = party("stranger");
    for organization in [&world.provider, &stranger] {
        for line in [
            format!("GET /v1/keys/{id}"),
            format!("POST /v1/keys/{id}/rotate"),
            format!("POST /v1/keys/{id}/revoke"),
            format!("GET /v1/keys?subscription={ACTIVE}"),
        ] {
            assert_eq!(
                world.call((organization, Role::Owner), &line, None, &[]).await.problem(),
                (404, "not-found"),
                "{line}"
            );
        }
        let issue = world
            .call((organization, Role::Owner), "POST /v1/keys", Some(json!({"subscription": ACTIVE, "name": "x"})), &[])
            .await;
        assert_eq!(issue.problem(), (404, "not-found"));
    }
    assert_eq!(
        world.consumer("POST /v1/keys", json!({"subscription": SUSPENDED, "name": "x"})).await.problem(),
        (409, "state-conflict")
    );
    assert_eq!(
        world
            .consumer(
                "POST /v1/keys",
                json!({"subscription": ACTIVE, "name": "x", "expires_at": "2026-01-01T00:00:00Z"})
            )
            .await
            .problem(),
        (422, "validation-failed")
    );
    assert_eq!(
        world.consumer(&format!("GET /v1/keys?subscription={SUSPENDED}"), json!(null)).await.body["items"],
        json!([])
    );
}

#[tokio::test]
async fn keys_issued_at_once_get_numbers_of_their_own() {
    let world = world().await;
    let issue = || world.issue("x");
    let answers = tokio::join!(issue(), issue(), issue(), issue(), issue(), issue());
    let mut numbers: Vec<_> = [&answers.0, &answers.1, &answers.2, &answers.3, &answers.4, &answers.5]
        .map(|answer| answer.body["number"].as_u64().unwrap())
        .to_vec();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_name_is_changed_with_the_etag() {
    let world = world().await;
    let made = world.issue("a").await;
    let line = format!("PATCH /v1/keys/{}", made.id());
    let by = (&world.consumer, Role::Developer);
    assert_eq!(world.call(by, &line, Some(json!({"name": "b"})), &[]).await.problem(), (428, "precondition-required"));
    let renamed = world.call(by, &line, Some(json!({"name": "b"})), &[("if-match", &made.etag)]).await;
    assert_eq!((renamed.status, renamed.etag.as_str(), &renamed.body["name"]), (200, "\"2\"", &json!("b")));
    assert_eq!(
        world.call(by, &line, Some(json!({"name": "c"})), &[("if-match", &made.etag)]).await.problem(),
        (412, "precondition-failed")
    );
}
