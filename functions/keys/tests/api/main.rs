//! The real router on the real store.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // It is all tests.

use axum::Json;
use axum::extract::Path;
use axum::routing::get;
use house::{Answer, House, Who, door_secret, not_found, party};
use keys::App;
use serde_json::{Value, json};
use shared::principal::Role;
use shared::secret_key;

const ACTIVE: &str = "sub_01h455vb4pex5vsknk084sn02q";
const SUSPENDED: &str = "sub_01h455vb4pex5vsknk084sn02r";

/// With `subscriptions`, which knows two subscriptions of `acme`.
async fn world() -> House<App> {
    let subscription = async |Path(id): Path<String>| match id.as_str() {
        ACTIVE => Ok(Json(json!({"id": id, "state": "active", "organization": party("acme")}))),
        SUSPENDED => Ok(Json(json!({"id": id, "state": "suspended", "organization": party("acme")}))),
        _ => Err(not_found()),
    };
    let others = axum::Router::new().route("/v1/subscriptions/{id}", get(subscription));
    House::among(others, |environment| App::new(environment, door_secret())).await
}

async fn consumer(world: &House<App>, line: &str, body: Value) -> Answer {
    world.call(Who::Member("acme", Role::Developer), line, &[], Some(body)).await
}

async fn issue(world: &House<App>, name: &str) -> Answer {
    consumer(world, "POST /v1/keys", json!({"subscription": ACTIVE, "name": name})).await
}

#[tokio::test]
async fn a_key_is_told_to_the_door_before_it_is_shown() {
    let world = world().await;
    let made = issue(&world, "production").await;
    let secret = made.body["secret"].as_str().unwrap();
    assert_eq!((made.status, &made.body["number"], &made.body["state"]), (201, &json!(1), &json!("active")));
    assert!(secret_key::is_ours(&door_secret(), secret) && secret.starts_with(made.body["prefix"].as_str().unwrap()));
    let told = world.door.states();
    assert_eq!(
        (told.len(), &told[0]["id"], &told[0]["secret_sha256"]),
        (1, &made.body["id"], &json!(shared::seal::sha256_hex(secret.as_bytes())))
    );

    let read = consumer(&world, &format!("GET /v1/keys/{}", made.text("/id")), json!(null)).await;
    assert!(read.status == 200 && read.body.get("secret").is_none() && read.body.get("secret_sha256").is_none());
    assert_eq!(issue(&world, "staging").await.body["number"], 2);
    for list in [format!("GET /v1/keys?subscription={ACTIVE}"), "GET /v1/keys".to_owned()] {
        let names: Vec<_> = consumer(&world, &list, json!(null)).await.body["items"]
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
    let revoke = format!("POST /v1/keys/{}/revoke", issue(&world, "a").await.text("/id"));
    world.door.states();
    world.door.goes_away(true);
    assert_eq!(consumer(&world, &revoke, json!({})).await.problem(), (503, "unavailable", ""));
    world.door.goes_away(false);
    let revoked = consumer(&world, &revoke, json!({})).await;
    assert_eq!((revoked.status, &revoked.body["state"]), (200, &json!("revoked")));
    assert!(world.door.states()[0]["revoked_at"].is_string());
    assert_eq!(world.outbox("").await.len(), 2, "issued and revoked, once each");
}

#[tokio::test]
async fn a_rotation_tells_the_door_of_both_keys_and_is_not_done_twice() {
    let world = world().await;
    let old = issue(&world, "a").await.text("/id");
    world.door.states();
    let rotate = format!("POST /v1/keys/{old}/rotate");
    let by = Who::Member("acme", Role::Developer);
    let first = world.call(by, &rotate, &[("idempotency-key", "k")], Some(json!({"overlap_seconds": 60}))).await;
    assert_eq!((first.status, &first.body["rotated_from"], &first.body["number"]), (201, &json!(old), &json!(2)));
    let told = world.door.states();
    assert_eq!(
        (told.len(), &told[0]["id"], &told[1]["id"], &told[1]["expires_at"]),
        (2, &first.body["id"], &json!(old), &json!("2027-01-15T08:01:00.000Z"))
    );
    let again = world.call(by, &rotate, &[("idempotency-key", "k")], Some(json!({"overlap_seconds": 60}))).await;
    assert_eq!(
        (again.status, again.text("/id"), &again.body["secret_shown"], again.body.get("secret")),
        (201, first.text("/id"), &json!(true), None)
    );
    assert_eq!(world.door.states().len(), 2, "the promise is kept before it is given again");
    assert_eq!(consumer(&world, &rotate, json!({})).await.problem(), (409, "state-conflict", ""));
    // The body may be left out.
    assert_eq!(world.call(by, &format!("POST /v1/keys/{}/rotate", first.text("/id")), &[], None).await.status, 201);
    assert_eq!(
        consumer(&world, &format!("GET /v1/keys/{}", first.text("/id")), json!(null)).await.body["state"],
        "expired"
    );
    world.tells_all_again().await;
}

#[tokio::test]
async fn a_key_that_the_door_does_not_hear_of_is_taken_back() {
    let world = world().await;
    let by = Who::Member("acme", Role::Developer);
    let body = json!({"subscription": ACTIVE, "name": "a"});
    world.door.goes_away(true);
    assert_eq!(
        world.call(by, "POST /v1/keys", &[("idempotency-key", "k")], Some(body.clone())).await.problem(),
        (503, "unavailable", "")
    );
    world.door.goes_away(false);
    let again = world.call(by, "POST /v1/keys", &[("idempotency-key", "k")], Some(body)).await;
    assert!(again.status == 201 && again.body["secret"].is_string(), "the same request makes a key that works");
    let list = consumer(&world, "GET /v1/keys", json!(null)).await;
    let states: Vec<_> = list.body["items"].as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["revoked", "active"]);
}

#[tokio::test]
async fn nobody_else_sees_a_key() {
    let world = world().await;
    let id = issue(&world, "a").await.text("/id");
    for organization in ["nimbus", "stranger"] {
        for line in [
            format!("GET /v1/keys/{id}"),
            format!("POST /v1/keys/{id}/rotate"),
            format!("POST /v1/keys/{id}/revoke"),
            format!("GET /v1/keys?subscription={ACTIVE}"),
        ] {
            assert_eq!(
                world.call(Who::Member(organization, Role::Owner), &line, &[], None).await.problem(),
                (404, "not-found", ""),
                "{line}"
            );
        }
        let issue = world
            .call(
                Who::Member(organization, Role::Owner),
                "POST /v1/keys",
                &[],
                Some(json!({"subscription": ACTIVE, "name": "x"})),
            )
            .await;
        assert_eq!(issue.problem(), (404, "not-found", "/subscription"));
    }
    assert_eq!(
        consumer(&world, "POST /v1/keys", json!({"subscription": SUSPENDED, "name": "x"})).await.problem(),
        (409, "state-conflict", "")
    );
    assert_eq!(
        consumer(
            &world,
            "POST /v1/keys",
            json!({"subscription": ACTIVE, "name": "x", "expires_at": "2026-01-01T00:00:00Z"})
        )
        .await
        .problem(),
        (422, "validation-failed", "/expires_at")
    );
    assert_eq!(
        consumer(&world, &format!("GET /v1/keys?subscription={SUSPENDED}"), json!(null)).await.body["items"],
        json!([])
    );
}

#[tokio::test]
async fn keys_issued_at_once_get_numbers_of_their_own() {
    let world = world().await;
    let issue = || issue(&world, "x");
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
    let made = issue(&world, "a").await;
    let line = format!("PATCH /v1/keys/{}", made.text("/id"));
    let by = Who::Member("acme", Role::Developer);
    assert_eq!(
        world.call(by, &line, &[], Some(json!({"name": "b"}))).await.problem(),
        (428, "precondition-required", "/header/if-match")
    );
    let renamed = world.call(by, &line, &[("if-match", &made.headers["etag"])], Some(json!({"name": "b"}))).await;
    assert_eq!((renamed.status, renamed.headers["etag"].as_str(), &renamed.body["name"]), (200, "\"2\"", &json!("b")));
    assert_eq!(
        world.call(by, &line, &[("if-match", &made.headers["etag"])], Some(json!({"name": "c"}))).await.problem(),
        (412, "precondition-failed", "/header/if-match")
    );
}

#[tokio::test]
async fn many_events_are_told_again_page_by_page_and_a_wrong_command_is_refused() {
    let world = world().await;
    for n in 0..4 {
        issue(&world, &format!("key {n}")).await.is(201);
    }
    world.tells_all_again().await;
    for (bad, said) in [
        (json!({"schedule": "sweep"}), "republish"),
        (json!({"schedule": "republish"}), "shard"),
        (json!({"schedule": "republish", "shard": 16}), "0 to 15"),
        (json!({"schedule": "republish", "shard": 0, "all": true}), "all"),
    ] {
        let refused = world.send(&bad).await.to_string();
        assert!(refused.contains("validation-failed") && refused.contains(said), "{refused}");
    }
}
