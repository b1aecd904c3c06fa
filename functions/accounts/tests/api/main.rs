//! Every route on a real table, and the authorizer between.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // It is all tests.

mod house;

use house::{Answer, House, NOW_MS};
use serde_json::{Value, json};

async fn founded() -> (House, String, String) {
    let house = House::new().await;
    let answer = house.operate(json!({"operator": "create_organization", "slug": "acme", "name": "Acme", "owner": {"name": "Ada", "email": "ada@example.com"}})).await;
    let token = answer["token"]["secret"].as_str().unwrap().to_owned();
    let id = answer["organization"]["id"].as_str().unwrap().to_owned();
    assert_eq!((answer["member"]["role"].as_str(), answer["token"]["role"].as_str()), (Some("owner"), Some("owner")));
    (house, token, id)
}

async fn token(house: &House, owner: &str, body: Value) -> Answer {
    house.call("POST", "/v1/accounts/tokens", owner, &[], Some(body)).await
}

#[tokio::test]
async fn the_operator_makes_the_first_owner_and_a_taken_slug_is_a_problem() {
    let (house, token, id) = founded().await;
    let own = house.call("GET", "/v1/accounts/organization", &token, &[], None).await;
    assert_eq!((own.status, own.text("/id"), own.text("/slug")), (200, id.clone(), "acme".into()));
    assert_eq!(own.headers["etag"], "\"1\"");
    let mut events = house.outbox(&format!("ORG#{id}")).await;
    events.sort();
    assert_eq!(
        events,
        [
            ("accounts.member".into(), 1, false),
            ("accounts.organization".into(), 1, false),
            ("accounts.token".into(), 1, false)
        ]
    );

    let again = house.operate(json!({"operator": "create_organization", "slug": "acme", "name": "Other", "owner": {"name": "Eve", "email": "eve@example.com"}})).await;
    assert_eq!(again["problem"]["type"], "urn:doorway:problem:already-exists");
    let wrong = house.operate(json!({"operator": "create_organization", "slug": "b", "name": "B", "owner": {"name": "B", "email": "nobody"}})).await;
    assert_eq!(wrong["problem"]["errors"][0]["pointer"], "/owner/email");
    assert_eq!(house.operate(json!({"operator": "drop"})).await["problem"]["errors"][0]["pointer"], "/operator");
    assert_eq!(
        house.operate(json!({"operator": "create_owner_token", "organization": "nobody"})).await["problem"]["errors"]
            [0]["pointer"],
        "/organization"
    );
    let rescued = house.operate(json!({"operator": "create_owner_token", "organization": "acme"})).await;
    let own =
        house.call("GET", "/v1/accounts/organization", rescued["token"]["secret"].as_str().unwrap(), &[], None).await;
    assert_eq!(own.text("/id"), id);
}

#[tokio::test]
async fn the_authorizer_tells_nobody_somebody_and_the_expired_apart() {
    let (house, owner, _) = founded().await;
    let state = |context: Value| context["state"].as_str().unwrap().to_owned();
    assert_eq!(state(house.authorize(None, NOW_MS).await), "anonymous");
    for header in ["Bearer nonsense", "Bearer ", "Basic abc", "Bearer dwt_"] {
        assert_eq!(state(house.authorize(Some(header), NOW_MS).await), "invalid", "{header}");
    }
    let unknown = accounts::domain::TokenSecret::mint().reveal();
    assert_eq!(state(house.authorize(Some(&format!("Bearer {unknown}")), NOW_MS).await), "invalid");
    let short =
        token(&house, &owner, json!({"name": "short", "role": "viewer", "expires_at": "2026-01-31T12:00:01Z"})).await;
    let header = format!("Bearer {}", short.text("/secret"));
    assert_eq!(state(house.authorize(Some(&header), NOW_MS + 999).await), "principal");
    assert_eq!(state(house.authorize(Some(&header), NOW_MS + 1_000).await), "expired");
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_from_the_next_call_on() {
    let (house, owner, _) = founded().await;
    let made = token(&house, &owner, json!({"name": "ci", "role": "developer"})).await;
    assert_eq!(made.status, 201);
    let (id, secret) = (made.text("/id"), made.text("/secret"));
    assert!(secret.starts_with(&made.text("/prefix")));
    assert_eq!(house.call("GET", "/v1/accounts/tokens", &secret, &[], None).await.status, 200);
    assert_eq!(
        house.call("POST", &format!("/v1/accounts/tokens/{id}/revoke"), &secret, &[], None).await.problem(),
        (403, "forbidden", "")
    );
    let revoked = house.call("POST", &format!("/v1/accounts/tokens/{id}/revoke"), &owner, &[], None).await;
    assert_eq!((revoked.status, revoked.body["revision"].as_u64()), (200, Some(2)));
    assert_eq!(
        house.call("GET", "/v1/accounts/tokens", &secret, &[], None).await.problem(),
        (401, "token-invalid", "")
    );
    let again = house.call("POST", &format!("/v1/accounts/tokens/{id}/revoke"), &owner, &[], None).await;
    assert_eq!((again.status, again.body), (200, revoked.body));
    let read = house.call("GET", &format!("/v1/accounts/tokens/{id}"), &owner, &[], None).await;
    assert!(
        read.body.get("secret").is_none()
            && read.body.get("secret_sha256").is_none()
            && read.body["revoked_at"].is_string()
    );
}

#[tokio::test]
async fn a_repeated_request_is_answered_the_same_without_the_secret() {
    let (house, owner, _) = founded().await;
    let key = [("idempotency-key", "k1")];
    let body = json!({"name": "ci", "role": "viewer"});
    let first = house.call("POST", "/v1/accounts/tokens", &owner, &key, Some(body.clone())).await;
    let second = house.call("POST", "/v1/accounts/tokens", &owner, &key, Some(body)).await;
    assert_eq!(
        (second.status, second.text("/id"), &second.body["secret_shown"]),
        (201, first.text("/id"), &json!(true))
    );
    assert!(second.body.get("secret").is_none());
    assert_eq!(second.headers["idempotency-replayed"], "true");
    let other =
        house.call("POST", "/v1/accounts/tokens", &owner, &key, Some(json!({"name": "cd", "role": "viewer"}))).await;
    assert_eq!(other.problem(), (409, "idempotency-conflict", "/header/idempotency-key"));
}

#[tokio::test]
async fn a_narrow_token_makes_no_wider_one() {
    let (house, owner, _) = founded().await;
    let narrow =
        token(&house, &owner, json!({"name": "n", "role": "owner", "scopes": ["accounts:write", "keys:read"]}))
            .await
            .text("/secret");
    assert_eq!(token(&house, &narrow, json!({"name": "w", "role": "owner"})).await.problem(), (403, "forbidden", ""));
    assert_eq!(
        token(&house, &narrow, json!({"name": "w", "role": "developer", "scopes": ["keys:read"]})).await.status,
        201
    );
    assert_eq!(
        token(&house, &owner, json!({"name": "w", "role": "viewer", "scopes": ["keys:read", "keys:write"]}))
            .await
            .problem(),
        (422, "validation-failed", "/scopes/1")
    );
    assert_eq!(
        token(&house, &owner, json!({"name": "w", "role": "viewer", "scopes": []})).await.problem(),
        (422, "validation-failed", "/scopes")
    );
    assert_eq!(
        token(&house, &owner, json!({"name": "w", "role": "king"})).await.problem(),
        (422, "validation-failed", "/role")
    );
    assert_eq!(
        token(&house, &owner, json!({"name": "w", "role": "viewer", "expires_at": "2026-01-31T12:00:00Z"}))
            .await
            .problem(),
        (422, "validation-failed", "/expires_at")
    );
}

#[tokio::test]
async fn the_last_owner_stays() {
    let (house, owner, id) = founded().await;
    let members = house.call("GET", "/v1/accounts/members", &owner, &[], None).await;
    let ada = format!("/v1/accounts/members/{}", members.text("/items/0/id"));
    assert_eq!(house.call("DELETE", &ada, &owner, &[], None).await.problem(), (409, "state-conflict", ""));
    let demote = Some(json!({"role": "viewer"}));
    assert_eq!(
        house.call("PATCH", &ada, &owner, &[("if-match", "\"1\"")], demote.clone()).await.problem(),
        (409, "state-conflict", "")
    );

    let bo = house
        .call(
            "POST",
            "/v1/accounts/members",
            &owner,
            &[],
            Some(json!({"email": "bo@example.com", "name": "Bo", "role": "owner"})),
        )
        .await;
    assert_eq!(bo.status, 201);
    let twice = house
        .call(
            "POST",
            "/v1/accounts/members",
            &owner,
            &[],
            Some(json!({"email": "BO@example.com", "name": "Bo", "role": "viewer"})),
        )
        .await;
    assert_eq!(twice.problem(), (409, "already-exists", "/email"));
    let demoted = house.call("PATCH", &ada, &owner, &[("if-match", "\"1\"")], demote.clone()).await;
    assert_eq!(
        (demoted.status, demoted.text("/role"), &demoted.headers["etag"]),
        (200, "viewer".into(), &json!("\"2\""))
    );
    assert_eq!(
        house.call("PATCH", &ada, &owner, &[("if-match", "\"1\"")], demote.clone()).await.problem(),
        (412, "precondition-failed", "")
    );
    assert_eq!(
        house.call("PATCH", &ada, &owner, &[], demote).await.problem(),
        (428, "precondition-required", "/header/if-match")
    );
    let bo = format!("/v1/accounts/members/{}", bo.text("/id"));
    assert_eq!(house.call("DELETE", &bo, &owner, &[], None).await.problem(), (409, "state-conflict", ""));
    assert_eq!(house.call("DELETE", &ada, &owner, &[], None).await.status, 204);
    assert_eq!(house.call("GET", &ada, &owner, &[], None).await.problem(), (404, "not-found", ""));
    assert!(house.outbox(&format!("ORG#{id}")).await.contains(&("accounts.member".into(), 3, true)));
    // A removed member's address is free again.
    assert_eq!(
        house
            .call(
                "POST",
                "/v1/accounts/members",
                &owner,
                &[],
                Some(json!({"email": "ada@example.com", "name": "Ada", "role": "viewer"}))
            )
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn another_organization_does_not_exist() {
    let (house, owner, id) = founded().await;
    let body = json!({"slug": "beta", "name": "Beta"});
    let beta =
        house.call("POST", "/v1/accounts/organizations", &owner, &[("idempotency-key", "b")], Some(body.clone())).await;
    assert_eq!((beta.status, beta.text("/slug"), beta.text("/token/role")), (201, "beta".into(), "owner".into()));
    let replay =
        house.call("POST", "/v1/accounts/organizations", &owner, &[("idempotency-key", "b")], Some(body.clone())).await;
    assert_eq!(
        (replay.status, replay.text("/id"), &replay.body["token"]["secret_shown"]),
        (201, beta.text("/id"), &json!(true))
    );
    assert_eq!(
        house.call("POST", "/v1/accounts/organizations", &owner, &[], Some(body)).await.problem(),
        (409, "already-exists", "/slug")
    );

    let stranger = beta.text("/token/secret");
    let members = house.call("GET", "/v1/accounts/members", &stranger, &[], None).await;
    assert_eq!(
        (members.body["items"].as_array().map(Vec::len), members.text("/items/0/email")),
        (Some(1), "ada@example.com".into())
    );
    let theirs = members.text("/items/0/id");
    let absent = house.call("GET", "/v1/accounts/organizations/nobody", &stranger, &[], None).await;
    for path in [format!("/v1/accounts/organizations/{id}"), "/v1/accounts/organizations/acme".into()] {
        let hidden = house.call("GET", &path, &stranger, &[], None).await;
        assert_eq!((hidden.status, &hidden.body, &hidden.headers), (404, &absent.body, &absent.headers));
    }
    assert_eq!(house.call("GET", &format!("/v1/accounts/members/{theirs}"), &owner, &[], None).await.body, absent.body);
    for name in ["beta".to_owned(), beta.text("/id")] {
        assert_eq!(
            house.call("GET", &format!("/v1/accounts/organizations/{name}"), &stranger, &[], None).await.status,
            200
        );
    }
}

#[tokio::test]
async fn lists_come_in_pages_and_wrong_input_names_its_field() {
    let (house, owner, _) = founded().await;
    for n in 0..4 {
        assert_eq!(token(&house, &owner, json!({"name": format!("t{n}"), "role": "viewer"})).await.status, 201);
    }
    let (mut names, mut path) = (Vec::new(), "/v1/accounts/tokens?page_size=2".to_owned());
    loop {
        let page = house.call("GET", &path, &owner, &[], None).await;
        names.extend(
            page.body["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next_page_token"].as_str() else { break };
        path = format!("/v1/accounts/tokens?page_size=2&page_token={next}");
    }
    names.sort();
    assert_eq!(names, ["First owner's token", "t0", "t1", "t2", "t3"]);
    let stolen = path.replace("/tokens?", "/members?");
    assert_eq!(
        house.call("GET", &stolen, &owner, &[], None).await.problem(),
        (400, "invalid-parameter", "/query/page_token")
    );
    assert_eq!(
        house.call("GET", "/v1/accounts/tokens?page_size=many", &owner, &[], None).await.problem(),
        (400, "invalid-parameter", "/query/page_size")
    );
    assert_eq!(
        house.call("GET", "/v1/accounts/members/token_01h455vb4pex5vsknk084sn02q", &owner, &[], None).await.problem(),
        (400, "invalid-parameter", "/path/member")
    );
    assert_eq!(
        house.call("GET", "/v1/accounts/organizations/NOPE", &owner, &[], None).await.problem(),
        (400, "invalid-parameter", "/path/organization")
    );
    assert_eq!(
        house
            .call("PATCH", "/v1/accounts/organization", &owner, &[("if-match", "\"1\"")], Some(json!({"name": ""})))
            .await
            .problem(),
        (422, "validation-failed", "/name")
    );
    let renamed = house
        .call(
            "PATCH",
            "/v1/accounts/organization",
            &owner,
            &[("if-match", "\"1\"")],
            Some(json!({"name": "Acme & Co"})),
        )
        .await;
    assert_eq!(
        (renamed.status, renamed.text("/name"), renamed.body["revision"].as_u64()),
        (200, "Acme & Co".into(), Some(2))
    );
    assert_eq!(house.call("PUT", "/v1/accounts/organization", &owner, &[], None).await.status, 405);
    assert_eq!(house.call("GET", "/v1/accounts/nothing", &owner, &[], None).await.problem(), (404, "not-found", ""));
    assert_eq!(house.call("GET", "/v1/accounts/openapi.json", "", &[], None).await.body["openapi"], "3.1.0");
}
