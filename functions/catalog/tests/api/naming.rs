//! What is taken, repeated, wrong or malformed.

use serde_json::{Value, json};
use shared::principal::Role;

use crate::{WEATHER, member, new, upload};

#[tokio::test(flavor = "multi_thread")]
async fn services_and_apis_are_made_once_listed_and_changed() {
    let house = new().await;
    let who = member("acme", Role::Publisher);
    let service = json!({"slug": "forecasting", "name": "Forecasting", "owner": "Team Sky", "repository": "https://git.example/sky"});
    let made = house.post(who, "/v1/catalog/services", &service).await;
    let service = made.is(201);
    assert_eq!((service["lifecycle"].as_str(), made.headers["etag"].as_str()), (Some("production"), "\"1\""));
    let twice = house.post(who, "/v1/catalog/services", &json!({"slug": "forecasting", "name": "x"})).await;
    assert_eq!(twice.problem(), (409, "already-exists", "/slug"));
    let changed = house
        .call(
            who,
            "PATCH /v1/catalog/services/forecasting",
            &[("if-match", "\"1\"")],
            br#"{"owner": null, "lifecycle": "deprecated"}"#,
        )
        .await
        .is(200);
    assert_eq!(
        (&changed["owner"], &changed["lifecycle"], &changed["repository"]),
        (&Value::Null, &json!("deprecated"), &json!("https://git.example/sky"))
    );
    assert_eq!(
        house.get(who, &format!("/v1/catalog/services/{}", service["id"].as_str().unwrap())).await.is(200),
        changed
    );
    for n in 0..5 {
        let api = json!({"slug": format!("api-{n}"), "name": "An API", "service": if n % 2 == 0 { json!("forecasting") } else { service["id"].clone() }});
        let api = house.post(who, "/v1/catalog/apis", &api).await.is(201);
        assert_eq!(api["service"], json!({"id": service["id"], "slug": "forecasting"}));
        assert_eq!(house.get(who, &format!("/v1/catalog/apis/{}", api["id"].as_str().unwrap())).await.is(200), api);
    }
    let slugs: Vec<Value> =
        house.all(who, "/v1/catalog/apis", 2).await.into_iter().map(|api| api["slug"].clone()).collect();
    assert_eq!(slugs, ["api-0", "api-1", "api-2", "api-3", "api-4"]);
    let twice = house.post(who, "/v1/catalog/apis", &json!({"slug": "api-1", "name": "x"})).await;
    assert_eq!(twice.problem(), (409, "already-exists", "/slug"));
    let homeless = house.post(who, "/v1/catalog/apis", &json!({"slug": "x", "name": "x", "service": "nowhere"})).await;
    assert_eq!(homeless.problem(), (409, "state-conflict", "/service"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_as_the_first_time_and_another_one_under_its_key_is_refused() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let body = br#"{"slug": "weather", "name": "Weather"}"#;
    let first = house.call(who, "POST /v1/catalog/apis", &[("idempotency-key", "k")], body).await;
    let again = house.call(who, "POST /v1/catalog/apis", &[("idempotency-key", "k")], body).await;
    assert_eq!(
        (again.is(201), again.headers["etag"].as_str(), again.headers["idempotency-replayed"].as_str()),
        (first.is(201), "\"1\"", "true")
    );
    let other = house
        .call(who, "POST /v1/catalog/apis", &[("idempotency-key", "k")], br#"{"slug": "other", "name": "Weather"}"#)
        .await;
    assert_eq!(other.problem(), (409, "idempotency-conflict", "/header/idempotency-key"));
    let address = "/v1/catalog/apis/weather/versions?version=1.0.0";
    let first = house.call(who, &format!("POST {address}"), &[("idempotency-key", "u")], WEATHER.as_bytes()).await;
    let again = house.call(who, &format!("POST {address}"), &[("idempotency-key", "u")], WEATHER.as_bytes()).await;
    assert_eq!(again.is(201), first.is(201));
    assert_eq!(house.all(who, "/v1/catalog/apis/weather/versions", 50).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_exists_is_not_uploaded_again() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    upload(&house, who, "weather", "1.0.0", WEATHER.as_bytes()).await.is(201);
    let again = upload(&house, who, "weather", "1.0.0", WEATHER.as_bytes()).await;
    assert_eq!(again.problem(), (409, "already-exists", "/query/version"));
    // Two at once: one of them.
    let (a, b) = tokio::join!(
        upload(&house, who, "weather", "2.0.0", WEATHER.as_bytes()),
        upload(&house, who, "weather", "2.0.0", WEATHER.as_bytes())
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(house.all(who, "/v1/catalog/apis/weather/versions", 50).await.len(), 2);
    assert_eq!(house.get(who, "/v1/catalog/apis/weather/versions/2.0.0/document").await.bytes, WEATHER.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_read_is_refused_with_its_line_and_leaves_nothing() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    let with = |line: &str| WEATHER.replace("openapi: 3.1.0", line);
    for (document, status, kind, line) in [
        ("{\"openapi\": \"3.0.3\",\n \"paths\": {},\n}".to_owned(), 422, "document-invalid", Some(3)),
        ("{\"openapi\": \"3.0.3\",\n \"paths\": {".to_owned(), 422, "document-invalid", Some(2)),
        (String::new(), 422, "document-invalid", None),
        (format!("{WEATHER}paths: {{}}\n"), 422, "document-invalid", Some(13)),
        (with("openapi: 4.0.0"), 422, "format-unknown", Some(1)),
        (with("swagger: '1.2'"), 422, "format-unknown", Some(1)),
        (with("asyncapi: 3.0.0"), 422, "format-unknown", Some(1)),
        ("type Query { a: }".to_owned(), 422, "document-invalid", Some(1)),
        ("syntax = \"proto3\";\nmessage A { int32 a = ; }".to_owned(), 422, "document-invalid", Some(2)),
        ("<definitions/>".to_owned(), 422, "format-unknown", None),
    ] {
        let answer = upload(&house, who, "weather", "1.0.0", document.as_bytes()).await;
        assert_eq!(answer.kind(), (status, kind), "{document}");
        assert_eq!(answer.body["errors"][0]["line"].as_u64(), line, "{document}");
    }
    let answer = upload(&house, who, "weather", "1.0.0", b"openapi: 3.0.0\ninfo: \xff\n").await;
    assert_eq!((answer.status, answer.body["errors"][0]["line"].as_u64()), (422, Some(2)));
    for (content_type, body) in [("application/gzip", &b"nonsense"[..]), ("text/plain", &[0x1f, 0x8b, 8, 0, 0][..])] {
        let answer = house
            .call(who, "POST /v1/catalog/apis/weather/versions?version=1.0.0", &[("content-type", content_type)], body)
            .await;
        assert_eq!(answer.kind(), (422, "document-invalid"), "{content_type}");
    }
    let answer = house
        .call(
            who,
            "POST /v1/catalog/apis/weather/versions?version=1.0.0",
            &[("content-type", "application/zstd")],
            b"x",
        )
        .await;
    assert_eq!(answer.kind(), (415, "unsupported-media-type"));
    assert_eq!(house.all(who, "/v1/catalog/apis/weather/versions", 50).await, [Value::Null; 0]);
    assert_eq!(house.get(who, "/v1/catalog/search?q=weather&kind=operation").await.is(200)["items"], json!([]));
    upload(&house, who, "weather", "1.0.0", WEATHER.as_bytes()).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_is_named() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    for (body, field) in [
        (json!({"slug": "Weather", "name": "x"}), "/slug"),
        (json!({"slug": "x", "name": ""}), "/name"),
        (json!({"slug": "x", "name": "x", "visibility": "secret"}), "/visibility"),
        (json!({"slug": "x", "name": "x", "upstream_url": "ftp://x.example"}), "/upstream_url"),
        (json!({"slug": "x", "name": "x", "cors": {"origins": []}}), "/cors/origins"),
        (json!({"slug": "x", "name": "x", "cors": {"origins": ["https://a.example/path"]}}), "/cors/origins/0"),
        (json!({"slug": "x", "name": "x", "cors": {"origins": ["*", "https://a.example:443"]}}), "/cors/origins/1"),
        (json!({"slug": "x", "name": "x", "cors": {"origins": ["null"]}}), "/cors/origins/0"),
        (json!({"slug": "x", "name": "x", "partners": ["ok", "Not"]}), "/partners/1"),
        (
            json!({"slug": "x", "name": "x", "partners": (0..101).map(|n| format!("p{n}")).collect::<Vec<_>>()}),
            "/partners",
        ),
    ] {
        let answer = house.post(who, "/v1/catalog/apis", &body).await;
        assert_eq!(answer.problem(), (422, "validation-failed", field), "{body}");
    }
    for (target, field) in [
        ("/v1/catalog/apis?page_size=0", "/query/page_size"),
        ("/v1/catalog/apis?page_size=x", "/query/page_size"),
        ("/v1/catalog/apis?page_token=x", "/query/page_token"),
        ("/v1/catalog/apis?colour=red", "/query/colour"),
        ("/v1/catalog/apis/Weather", "/path/api"),
        ("/v1/catalog/apis/key_01h455vb4pex5vsknk084sn02q", "/path/api"),
        ("/v1/catalog/apis/weather/versions/a_b", "/path/version"),
        ("/v1/catalog/search", "/query/q"),
        ("/v1/catalog/search?q=", "/query/q"),
        ("/v1/catalog/public/Acme", "/path/organization"),
    ] {
        let answer = house.get(who, target).await;
        assert_eq!(answer.problem(), (400, "invalid-parameter", field), "{target}");
    }
    for (query, field) in [("", "/query/version"), ("?version=a_b", "/query/version"), ("?version=1&x=2", "/query/x")] {
        let answer =
            house.call(who, &format!("POST /v1/catalog/apis/weather/versions{query}"), &[], WEATHER.as_bytes()).await;
        assert_eq!(answer.problem(), (400, "invalid-parameter", field), "{query}");
    }
    let token = house.get(who, "/v1/catalog/apis?page_size=1").await.is(200)["next_page_token"].clone();
    if let Some(token) = token.as_str() {
        assert_eq!(
            house.get(who, &format!("/v1/catalog/services?page_token={token}")).await.status,
            400,
            "a token holds for its own list"
        );
    }
    assert_eq!(house.call(who, "DELETE /v1/catalog/apis/weather", &[], b"").await.kind().1, "method-not-allowed");
    assert_eq!(house.get(who, "/v1/catalog/nothing").await.kind().1, "not-found");
}
