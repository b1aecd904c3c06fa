//! Every route on a real table, and the authorizer between.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // It is all tests.

use accounts::App;
use house::{Answer, House, Who};
use serde_json::{Value, json};

/// When every call comes, unless it says otherwise.
const NOW_MS: i64 = 1_769_860_800_000;

/// The function, which is its own authorizer.
struct World(House<App>);

impl World {
    /// What the operator sends, and is answered.
    async fn operate(&self, payload: Value) -> Value {
        self.0.send(&payload).await
    }

    /// What the authorizer says of a token.
    async fn authorize(&self, header: Option<&str>, now_ms: i64) -> Value {
        let headers = header.map_or_else(|| json!({}), |header| json!({ "authorization": header }));
        let payload = json!({ "version": "2.0", "type": "REQUEST", "routeArn": "arn", "headers": headers, "requestContext": { "requestId": "r1", "timeEpoch": now_ms } });
        let answer = self.0.send(&payload).await;
        assert_eq!(answer["isAuthorized"], true);
        answer["context"].clone()
    }

    /// A call with a token, through the authorizer.
    async fn call(&self, token: &str, line: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let header = (!token.is_empty()).then(|| format!("Bearer {token}"));
        let found = self.authorize(header.as_deref(), NOW_MS).await;
        self.0.call(Who::Found(&found), line, headers, body).await
    }

    /// The events in the outbox of an organization: type, revision and whether it is a tombstone.
    async fn outbox(&self, organization: &str) -> Vec<(String, u64, bool)> {
        let events = self.0.outbox(&format!("ORG#{organization}")).await;
        events.into_iter().map(|event| (event.kind, event.revision, event.data == "null")).collect()
    }
}

async fn founded() -> (World, String, String) {
    let mut house = House::new(App::new).await;
    house.now_ms = NOW_MS;
    let world = World(house);
    let answer = world.operate(json!({"operator": "create_organization", "slug": "acme", "name": "Acme", "owner": {"name": "Ada", "email": "ada@example.com"}})).await;
    let token = answer["token"]["secret"].as_str().unwrap().to_owned();
    let id = answer["organization"]["id"].as_str().unwrap().to_owned();
    assert_eq!((answer["member"]["role"].as_str(), answer["token"]["role"].as_str()), (Some("owner"), Some("owner")));
    (world, token, id)
}

async fn token(world: &World, owner: &str, body: Value) -> Answer {
    world.call(owner, "POST /v1/accounts/tokens", &[], Some(body)).await
}

#[tokio::test]
async fn the_operator_makes_the_first_owner_and_a_taken_slug_is_a_problem() {
    let (world, token, id) = founded().await;
    let own = world.call(&token, "GET /v1/accounts/organization", &[], None).await;
    assert_eq!((own.status, own.text("/id"), own.text("/slug")), (200, id.clone(), "acme".into()));
    assert_eq!(own.headers["etag"], "\"1\"");
    let mut events = world.outbox(&id).await;
    events.sort();
    assert_eq!(
        events,
        [
            ("accounts.member".into(), 1, false),
            ("accounts.organization".into(), 1, false),
            ("accounts.token".into(), 1, false)
        ]
    );

    let again = world.operate(json!({"operator": "create_organization", "slug": "acme", "name": "Other", "owner": {"name": "Eve", "email": "eve@example.com"}})).await;
    assert_eq!(again["problem"]["type"], "urn:doorway:problem:already-exists");
    let wrong = world.operate(json!({"operator": "create_organization", "slug": "b", "name": "B", "owner": {"name": "B", "email": "nobody"}})).await;
    assert_eq!(wrong["problem"]["errors"][0]["pointer"], "/owner/email");
    assert_eq!(world.operate(json!({"operator": "drop"})).await["problem"]["errors"][0]["pointer"], "/operator");
    assert_eq!(
        world.operate(json!({"operator": "create_owner_token", "organization": "nobody"})).await["problem"]["errors"]
            [0]["pointer"],
        "/organization"
    );
    let rescued = world.operate(json!({"operator": "create_owner_token", "organization": "acme"})).await;
    let own =
        world.call(rescued["token"]["secret"].as_str().unwrap(), "GET /v1/accounts/organization", &[], None).await;
    assert_eq!(own.text("/id"), id);
}

#[tokio::test]
async fn the_authorizer_tells_nobody_somebody_and_the_expired_apart() {
    let (world, owner, _) = founded().await;
    let state = |context: Value| context["state"].as_str().unwrap().to_owned();
    assert_eq!(state(world.authorize(None, NOW_MS).await), "anonymous");
    for header in ["Bearer nonsense", "Bearer ", "Basic abc", "Bearer dwt_"] {
        assert_eq!(state(world.authorize(Some(header), NOW_MS).await), "invalid", "{header}");
    }
    let unknown = accounts::domain::TokenSecret::mint().reveal();
    assert_eq!(state(world.authorize(Some(&format!("Bearer {unknown}")), NOW_MS).await), "invalid");
    let short =
        token(&world, &owner, json!({"name": "short", "role": "viewer", "expires_at": "2026-01-31T12:00:01Z"})).await;
    let header = format!("Bearer {}", short.text("/secret"));
    assert_eq!(state(world.authorize(Some(&header), NOW_MS + 999).await), "principal");
    assert_eq!(state(world.authorize(Some(&header), NOW_MS + 1_000).await), "expired");
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_from_the_next_call_on() {
    let (world, owner, _) = founded().await;
    let made = token(&world, &owner, json!({"name": "ci", "role": "developer"})).await;
    assert_eq!(made.status, 201);
    let (id, secret) = (made.text("/id"), made.text("/secret"));
    assert!(secret.starts_with(&made.text("/prefix")));
    assert_eq!(world.call(&secret, "GET /v1/accounts/tokens", &[], None).await.status, 200);
    assert_eq!(
        world.call(&secret, &format!("POST /v1/accounts/tokens/{id}/revoke"), &[], None).await.problem(),
        (403, "forbidden", "")
    );
    let revoked = world.call(&owner, &format!("POST /v1/accounts/tokens/{id}/revoke"), &[], None).await;
    assert_eq!((revoked.status, revoked.body["revision"].as_u64()), (200, Some(2)));
    assert_eq!(world.call(&secret, "GET /v1/accounts/tokens", &[], None).await.problem(), (401, "token-invalid", ""));
    let again = world.call(&owner, &format!("POST /v1/accounts/tokens/{id}/revoke"), &[], None).await;
    assert_eq!((again.status, again.body), (200, revoked.body));
    let read = world.call(&owner, &format!("GET /v1/accounts/tokens/{id}"), &[], None).await;
    assert!(
        read.body.get("secret").is_none()
            && read.body.get("secret_sha256").is_none()
            && read.body["revoked_at"].is_string()
    );
}

#[tokio::test]
async fn a_repeated_request_is_answered_the_same_without_the_secret() {
    let (world, owner, _) = founded().await;
    let key = [("idempotency-key", "k1")];
    let body = json!({"name": "ci", "role": "viewer"});
    let first = world.call(&owner, "POST /v1/accounts/tokens", &key, Some(body.clone())).await;
    let second = world.call(&owner, "POST /v1/accounts/tokens", &key, Some(body)).await;
    assert_eq!(
        (second.status, second.text("/id"), &second.body["secret_shown"]),
        (201, first.text("/id"), &json!(true))
    );
    assert!(second.body.get("secret").is_none());
    assert_eq!(second.headers["idempotency-replayed"], "true");
    let other =
        world.call(&owner, "POST /v1/accounts/tokens", &key, Some(json!({"name": "cd", "role": "viewer"}))).await;
    assert_eq!(other.problem(), (409, "idempotency-conflict", "/header/idempotency-key"));
}

#[tokio::test]
async fn a_narrow_token_makes_no_wider_one() {
    let (world, owner, _) = founded().await;
    let narrow =
        token(&world, &owner, json!({"name": "n", "role": "owner", "scopes": ["accounts:write", "keys:read"]}))
            .await
            .text("/secret");
    assert_eq!(token(&world, &narrow, json!({"name": "w", "role": "owner"})).await.problem(), (403, "forbidden", ""));
    assert_eq!(
        token(&world, &narrow, json!({"name": "w", "role": "developer", "scopes": ["keys:read"]})).await.status,
        201
    );
    assert_eq!(
        token(&world, &owner, json!({"name": "w", "role": "viewer", "scopes": ["keys:read", "keys:write"]}))
            .await
            .problem(),
        (422, "validation-failed", "/scopes/1")
    );
    assert_eq!(
        token(&world, &owner, json!({"name": "w", "role": "viewer", "scopes": []})).await.problem(),
        (422, "validation-failed", "/scopes")
    );
    assert_eq!(
        token(&world, &owner, json!({"name": "w", "role": "king"})).await.problem(),
        (422, "validation-failed", "/role")
    );
    assert_eq!(
        token(&world, &owner, json!({"name": "w", "role": "viewer", "expires_at": "2026-01-31T12:00:00Z"}))
            .await
            .problem(),
        (422, "validation-failed", "/expires_at")
    );
}

#[tokio::test]
async fn what_a_token_makes_ends_with_it() {
    let (world, owner, _) = founded().await;
    let (end, later) = ("2026-02-01T00:00:00Z", "2026-02-01T00:00:01Z");
    let ending = token(&world, &owner, json!({"name": "e", "role": "owner", "expires_at": end})).await.text("/secret");
    for wish in [json!({"name": "w", "role": "viewer"}), json!({"name": "w", "role": "viewer", "expires_at": later})] {
        assert_eq!(token(&world, &ending, wish).await.problem(), (422, "validation-failed", "/expires_at"));
    }
    let wish = json!({"name": "w", "role": "viewer", "expires_at": end});
    assert_eq!(token(&world, &ending, wish).await.status, 201);

    let found = async |token: &str, slug: &str| {
        let body = json!({"slug": slug, "name": "Beta"});
        world.call(token, "POST /v1/accounts/organizations", &[], Some(body)).await
    };
    let beta = found(&ending, "beta").await.is(201);
    assert_eq!(
        beta["token"]["expires_at"],
        token(&world, &ending, json!({"name": "w", "role": "viewer", "expires_at": end})).await.body["expires_at"]
    );
    assert!(found(&owner, "gamma").await.is(201)["token"].get("expires_at").is_none());
}

#[tokio::test]
async fn who_may_not_read_owners_names_one() {
    let (world, owner, _) = founded().await;
    let wish = json!({"name": "f", "role": "owner", "scopes": ["organizations:create"]});
    let founder = token(&world, &owner, wish).await.text("/secret");
    let found = async |body| world.call(&founder, "POST /v1/accounts/organizations", &[], Some(body)).await;
    assert_eq!(found(json!({"slug": "beta", "name": "Beta"})).await.problem(), (422, "validation-failed", "/owner"));
    let named = json!({"slug": "beta", "name": "Beta", "owner": {"name": "Bo", "email": "bo@example.com"}});
    assert_eq!(found(named).await.status, 201);
}

#[tokio::test]
async fn the_last_owner_stays() {
    let (world, owner, id) = founded().await;
    let members = world.call(&owner, "GET /v1/accounts/members", &[], None).await;
    let ada = format!("/v1/accounts/members/{}", members.text("/items/0/id"));
    assert_eq!(world.call(&owner, &format!("DELETE {ada}"), &[], None).await.problem(), (409, "state-conflict", ""));
    let demote = Some(json!({"role": "viewer"}));
    assert_eq!(
        world.call(&owner, &format!("PATCH {ada}"), &[("if-match", "\"1\"")], demote.clone()).await.problem(),
        (409, "state-conflict", "")
    );

    let bo = world
        .call(
            &owner,
            "POST /v1/accounts/members",
            &[],
            Some(json!({"email": "bo@example.com", "name": "Bo", "role": "owner"})),
        )
        .await;
    assert_eq!(bo.status, 201);
    let twice = world
        .call(
            &owner,
            "POST /v1/accounts/members",
            &[],
            Some(json!({"email": "BO@example.com", "name": "Bo", "role": "viewer"})),
        )
        .await;
    assert_eq!(twice.problem(), (409, "already-exists", "/email"));
    let demoted = world.call(&owner, &format!("PATCH {ada}"), &[("if-match", "\"1\"")], demote.clone()).await;
    assert_eq!(
        (demoted.status, demoted.text("/role"), demoted.headers["etag"].as_str()),
        (200, "viewer".into(), "\"2\"")
    );
    assert_eq!(
        world.call(&owner, &format!("PATCH {ada}"), &[("if-match", "\"1\"")], demote.clone()).await.problem(),
        (412, "precondition-failed", "")
    );
    assert_eq!(
        world.call(&owner, &format!("PATCH {ada}"), &[], demote).await.problem(),
        (428, "precondition-required", "/header/if-match")
    );
    let bo = format!("/v1/accounts/members/{}", bo.text("/id"));
    assert_eq!(world.call(&owner, &format!("DELETE {bo}"), &[], None).await.problem(), (409, "state-conflict", ""));
    assert_eq!(world.call(&owner, &format!("DELETE {ada}"), &[], None).await.status, 204);
    assert_eq!(world.call(&owner, &format!("GET {ada}"), &[], None).await.problem(), (404, "not-found", ""));
    assert!(world.outbox(&id).await.contains(&("accounts.member".into(), 3, true)));
    // A removed member's address is free again.
    assert_eq!(
        world
            .call(
                &owner,
                "POST /v1/accounts/members",
                &[],
                Some(json!({"email": "ada@example.com", "name": "Ada", "role": "viewer"}))
            )
            .await
            .status,
        201
    );
    world.0.tells_all_again().await;
}

#[tokio::test]
async fn another_organization_does_not_exist() {
    let (world, owner, id) = founded().await;
    let body = json!({"slug": "beta", "name": "Beta"});
    let beta =
        world.call(&owner, "POST /v1/accounts/organizations", &[("idempotency-key", "b")], Some(body.clone())).await;
    assert_eq!((beta.status, beta.text("/slug"), beta.text("/token/role")), (201, "beta".into(), "owner".into()));
    let replay =
        world.call(&owner, "POST /v1/accounts/organizations", &[("idempotency-key", "b")], Some(body.clone())).await;
    assert_eq!(
        (replay.status, replay.text("/id"), &replay.body["token"]["secret_shown"]),
        (201, beta.text("/id"), &json!(true))
    );
    assert_eq!(
        world.call(&owner, "POST /v1/accounts/organizations", &[], Some(body)).await.problem(),
        (409, "already-exists", "/slug")
    );

    let stranger = beta.text("/token/secret");
    let members = world.call(&stranger, "GET /v1/accounts/members", &[], None).await;
    assert_eq!(
        (members.body["items"].as_array().map(Vec::len), members.text("/items/0/email")),
        (Some(1), "ada@example.com".into())
    );
    let theirs = members.text("/items/0/id");
    let absent = world.call(&stranger, "GET /v1/accounts/organizations/nobody", &[], None).await;
    for path in [format!("/v1/accounts/organizations/{id}"), "/v1/accounts/organizations/acme".into()] {
        let hidden = world.call(&stranger, &format!("GET {path}"), &[], None).await;
        assert_eq!((hidden.status, &hidden.body, &hidden.headers), (404, &absent.body, &absent.headers));
    }
    assert_eq!(world.call(&owner, &format!("GET /v1/accounts/members/{theirs}"), &[], None).await.body, absent.body);
    for name in ["beta".to_owned(), beta.text("/id")] {
        assert_eq!(
            world.call(&stranger, &format!("GET /v1/accounts/organizations/{name}"), &[], None).await.status,
            200
        );
    }
}

#[tokio::test]
async fn lists_come_in_pages_and_wrong_input_names_its_field() {
    let (world, owner, _) = founded().await;
    for n in 0..4 {
        assert_eq!(token(&world, &owner, json!({"name": format!("t{n}"), "role": "viewer"})).await.status, 201);
    }
    let (mut names, mut path) = (Vec::new(), "/v1/accounts/tokens?page_size=2".to_owned());
    loop {
        let page = world.call(&owner, &format!("GET {path}"), &[], None).await;
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
        world.call(&owner, &format!("GET {stolen}"), &[], None).await.problem(),
        (400, "invalid-parameter", "/query/page_token")
    );
    assert_eq!(
        world.call(&owner, "GET /v1/accounts/tokens?page_size=many", &[], None).await.problem(),
        (400, "invalid-parameter", "/query/page_size")
    );
    assert_eq!(
        world.call(&owner, "GET /v1/accounts/members/token_01h455vb4pex5vsknk084sn02q", &[], None).await.problem(),
        (400, "invalid-parameter", "/path/member")
    );
    assert_eq!(
        world.call(&owner, "GET /v1/accounts/organizations/NOPE", &[], None).await.problem(),
        (400, "invalid-parameter", "/path/organization")
    );
    assert_eq!(
        world
            .call(&owner, "PATCH /v1/accounts/organization", &[("if-match", "\"1\"")], Some(json!({"name": ""})))
            .await
            .problem(),
        (422, "validation-failed", "/name")
    );
    let renamed = world
        .call(&owner, "PATCH /v1/accounts/organization", &[("if-match", "\"1\"")], Some(json!({"name": "Acme & Co"})))
        .await;
    assert_eq!(
        (renamed.status, renamed.text("/name"), renamed.body["revision"].as_u64()),
        (200, "Acme & Co".into(), Some(2))
    );
    assert_eq!(world.call(&owner, "PUT /v1/accounts/organization", &[], None).await.status, 405);
    assert_eq!(world.call(&owner, "GET /v1/accounts/nothing", &[], None).await.problem(), (404, "not-found", ""));
    assert_eq!(world.call("", "GET /v1/accounts/openapi.json", &[], None).await.body["openapi"], "3.1.0");
}
