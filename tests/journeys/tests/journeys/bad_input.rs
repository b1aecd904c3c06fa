//! Wrong input: a problem that names the field, nothing stored, and never a fault of ours.

use dev::workspace;
use http::Method;
use journeys::{Answer, Call, Market, Platform, together};
use serde_json::{Value, json};

use crate::problem;

/// The longest body that a function reads as JSON, and one more.
const JSON_BYTES: usize = 256 * 1024 + 1;

/// What must come of a request: status, problem, and the field that is named (empty: none).
#[track_caller]
pub(crate) fn check(what: &str, answer: &Answer, status: u16, kind: &str, pointer: &str) {
    assert_eq!((answer.status.as_u16(), problem(answer).as_str()), (status, kind), "{what}: {}", answer.refused());
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let json = answer.json().unwrap();
    assert_eq!(json["status"], status, "{what}: {json}");
    assert!(json["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{what}: {json}");
    let named = json["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["pointer"] == pointer));
    assert!(pointer == "-" || named, "{what}: {pointer} is not named: {json}");
}

/// How many things each list of an organization has.
async fn stored(platform: &Platform, token: &str) -> Vec<usize> {
    let lists = [
        "accounts/members",
        "accounts/tokens",
        "catalog/services",
        "catalog/apis",
        "products",
        "subscriptions/apps",
        "subscriptions",
        "keys",
    ];
    let mut counts = Vec::new();
    for list in lists {
        counts.push(platform.get(token, format!("/v1/{list}?page_size=200")).await["items"].as_array().unwrap().len());
    }
    counts
}

async fn market(platform: &Platform) -> Market {
    platform.market(json!({})).await
}

#[test]
fn wrong_bodies_name_the_field_and_leave_nothing_behind() {
    together(async |platform| {
        let market = market(platform).await;
        let (seller, buyer) = (market.provider.token.as_str(), market.consumer.token.as_str());
        let before = (stored(platform, seller).await, stored(platform, buyer).await);
        let far = "x".repeat(101);
        let app = &market.app;
        let product = format!("{}/weather", market.provider.slug);
        let cases: Vec<(&str, &str, Value, &str)> = vec![
            (seller, "/v1/accounts/members", json!({ "email": "no address", "name": "N", "role": "viewer" }), "/email"),
            (seller, "/v1/accounts/members", json!({ "email": "a@example.com", "name": "N", "role": "king" }), "/role"),
            (
                seller,
                "/v1/accounts/members",
                json!({ "email": "a@example.com", "name": "", "role": "viewer" }),
                "/name",
            ),
            (
                seller,
                "/v1/accounts/tokens",
                json!({ "name": "N", "role": "viewer", "scopes": ["catalog:write"] }),
                "/scopes/0",
            ),
            (
                seller,
                "/v1/accounts/tokens",
                json!({ "name": "N", "role": "viewer", "scopes": ["everything"] }),
                "/scopes/0",
            ),
            (
                seller,
                "/v1/accounts/tokens",
                json!({ "name": "N", "role": "viewer", "expires_at": "yesterday" }),
                "/expires_at",
            ),
            (
                seller,
                "/v1/accounts/tokens",
                json!({ "name": "N", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z" }),
                "/expires_at",
            ),
            (seller, "/v1/accounts/organizations", json!({ "slug": "Not A Slug", "name": "N" }), "/slug"),
            (seller, "/v1/catalog/services", json!({ "slug": "-", "name": "N", "owner": "t", "domain": "d" }), "/slug"),
            (seller, "/v1/catalog/apis", json!({ "slug": "ok", "name": far, "visibility": "public" }), "/name"),
            (seller, "/v1/catalog/apis", json!({ "slug": "ok", "name": "N", "visibility": "secret" }), "/visibility"),
            (
                seller,
                "/v1/catalog/apis",
                json!({ "slug": "ok", "name": "N", "upstream_url": "ftp://example.com" }),
                "/upstream_url",
            ),
            (
                seller,
                "/v1/catalog/apis",
                json!({ "slug": "ok", "name": "N", "upstream_url": "http://user:secret@example.com" }),
                "/upstream_url",
            ),
            (seller, "/v1/catalog/apis", json!({ "slug": 7, "name": "N" }), "/slug"),
            (seller, "/v1/catalog/apis", json!({ "slug": "api_01h455vb4pex5vsknk084sn02q", "name": "N" }), "/slug"),
            (seller, "/v1/products", json!({ "slug": "ok", "name": "N", "apis": [] }), "/apis"),
            (
                seller,
                "/v1/products",
                json!({ "slug": "ok", "name": "N", "apis": ["weather", "product_01h455vb4pex5vsknk084sn02q"] }),
                "/apis/1",
            ),
            (seller, "/v1/products", json!({ "slug": "ok", "name": "N", "apis": "weather" }), "/apis"),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "monthly_price": 9.0, "currency": "EUR" }),
                "/monthly_price",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "monthly_price": "-1", "currency": "EUR" }),
                "/monthly_price",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "monthly_price": "1e3", "currency": "EUR" }),
                "/monthly_price",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "monthly_price": "1" }),
                "/currency",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "currency": "euro" }),
                "/currency",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "quota": { "calls": 0, "period": "month" } }),
                "/quota/calls",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "quota": { "calls": -1, "period": "month" } }),
                "/quota/calls",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "quota": { "calls": 1.5, "period": "month" } }),
                "/quota/calls",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "quota": { "calls": 5, "period": "year" } }),
                "/quota/period",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "rate": { "calls": 1, "per_seconds": 0 } }),
                "/rate/per_seconds",
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "p", "name": "P", "quota": { "calls": 3, "period": "day" }, "weights": { "echo": 4 } }),
                "/weights/echo",
            ),
            (buyer, "/v1/subscriptions/apps", json!({ "name": "a\u{0}b" }), "/name"),
            (
                buyer,
                "/v1/subscriptions",
                json!({ "app": "app_nonsense", "product": product, "plan": "standard" }),
                "/app",
            ),
            (buyer, "/v1/subscriptions", json!({ "app": app, "product": "a/b/c", "plan": "standard" }), "/product"),
            (
                buyer,
                "/v1/subscriptions",
                json!({ "app": market.key.id, "product": product, "plan": "standard" }),
                "/app",
            ),
            (buyer, "/v1/keys", json!({ "subscription": market.app, "name": "N" }), "/subscription"),
            (
                buyer,
                "/v1/keys",
                json!({ "subscription": market.subscription, "name": "N", "expires_at": "2020-01-01T00:00:00Z" }),
                "/expires_at",
            ),
            (buyer, "/v1/keys", json!({ "subscription": market.subscription, "name": ["N"] }), "/name"),
        ];
        for (token, path, body, pointer) in &cases {
            let answer = platform.send(Call::post(*path).bearer(token).json(body)).await;
            check(&format!("{path} {body}"), &answer, 422, "validation-failed", pointer);
        }
        // A field that does not exist is named where it stands, and one that is missing is named too.
        for (token, path, body) in [
            (seller, "/v1/catalog/apis", json!({ "slug": "ok", "name": "N", "colour": "red" })),
            (seller, "/v1/products", json!({ "slug": "ok", "name": "N" })),
            (buyer, "/v1/keys", json!({ "name": "N" })),
            (buyer, "/v1/subscriptions", json!({})),
            (seller, "/v1/accounts/members", json!([])),
        ] {
            let answer = platform.send(Call::post(path).bearer(token).json(&body)).await;
            check(&format!("{path} {body}"), &answer, 422, "validation-failed", "-");
        }
        // What a body names and is not there.
        let ghost = "sub_01h455vb4pex5vsknk084sn02q";
        for (token, path, body, statuses) in [
            (seller, "/v1/catalog/apis", json!({ "slug": "ok", "name": "N", "service": "nothing" }), [404, 409, 422]),
            (seller, "/v1/products", json!({ "slug": "ok", "name": "N", "apis": ["nothing"] }), [404, 409, 422]),
            (
                buyer,
                "/v1/subscriptions",
                json!({ "app": app, "product": "nobody/nothing", "plan": "standard" }),
                [404, 404, 404],
            ),
            (buyer, "/v1/subscriptions", json!({ "app": app, "product": product, "plan": "nothing" }), [404, 404, 404]),
            (
                buyer,
                "/v1/keys",
                json!({ "subscription": market.subscription.replace(&market.subscription[4..], &ghost[4..]), "name": "N" }),
                [404, 404, 422],
            ),
        ] {
            let answer = platform.send(Call::post(path).bearer(token).json(&body)).await;
            assert!(statuses.contains(&answer.status.as_u16()), "{path} {body}: {}", answer.refused());
        }
        assert_eq!((stored(platform, seller).await, stored(platform, buyer).await), before, "something was stored");
    });
}

#[test]
fn what_is_no_json_is_told_so() {
    together(async |platform| {
        let organization = platform.found("json").await;
        let paths = [
            "/v1/accounts/members",
            "/v1/accounts/tokens",
            "/v1/accounts/organizations",
            "/v1/catalog/services",
            "/v1/catalog/apis",
            "/v1/products",
            "/v1/subscriptions/apps",
            "/v1/subscriptions",
            "/v1/keys",
        ];
        for path in paths {
            let post = || Call::post(path).bearer(&organization.token);
            for text in ["", "{", "{\"", "{]", "nonsense", "\u{feff}{}"] {
                check(
                    &format!("{path} {text}"),
                    &platform.send(post().body("application/json", text)).await,
                    400,
                    "invalid-json",
                    "",
                );
            }
            check(
                path,
                &platform.send(post().body("application/json", vec![0xff, 0xfe])).await,
                400,
                "invalid-json",
                "-",
            );
            check(
                path,
                &platform.send(post().body("text/plain", "{}")).await,
                415,
                "unsupported-media-type",
                "/header/content-type",
            );
            check(path, &platform.send(post()).await, 415, "unsupported-media-type", "/header/content-type");
            let long = format!("{{\"name\": \"{}\"}}", "x".repeat(JSON_BYTES));
            check(path, &platform.send(post().body("application/json", long)).await, 413, "too-large", "-");
            let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
            let answer = platform.send(post().body("application/json", deep)).await;
            assert!(matches!(answer.status.as_u16(), 400 | 422), "{path}, deep: {}", answer.refused());
        }
        assert_eq!(stored(platform, &organization.token).await, [1, 1, 0, 0, 0, 0, 0, 0]);
    });
}

#[test]
fn names_and_parameters_of_every_wrong_kind_are_refused() {
    together(async |platform| {
        let market = market(platform).await;
        let (seller, buyer) = (market.provider.token.as_str(), market.consumer.token.as_str());
        for (token, path) in [
            (seller, format!("/v1/catalog/apis/{}", market.product)),
            (seller, "/v1/catalog/apis/Not-A-Slug".to_owned()),
            (seller, "/v1/catalog/apis/%00".to_owned()),
            (seller, "/v1/catalog/apis/..%2f..".to_owned()),
            (seller, format!("/v1/catalog/apis/{}", "a".repeat(300))),
            (seller, format!("/v1/products/{}", market.api)),
            (seller, "/v1/products/weather/plans/standard/versions/one".to_owned()),
            (seller, "/v1/products/weather/plans/standard/versions/-1".to_owned()),
            (seller, "/v1/accounts/members/ada".to_owned()),
            (seller, format!("/v1/accounts/tokens/{}", market.api)),
            (buyer, "/v1/subscriptions/weather".to_owned()),
            (buyer, format!("/v1/subscriptions/{}", market.key.id)),
            (buyer, format!("/v1/subscriptions/apps/{}", market.subscription)),
            (buyer, format!("/v1/keys/{}", market.subscription)),
            (buyer, "/v1/keys/key_zzzzzzzzzzzzzzzzzzzzzzzzzz".to_owned()),
        ] {
            let answer = platform.send(Call::get(&path).bearer(token)).await;
            assert!(
                matches!(
                    (answer.status.as_u16(), problem(&answer).as_str()),
                    (400, "invalid-parameter") | (404, "not-found")
                ),
                "{path}: {}",
                answer.refused()
            );
        }
        for (token, path, pointer) in [
            (seller, "/v1/catalog/apis?page_size=0", "/query/page_size"),
            (seller, "/v1/catalog/apis?page_size=201", "/query/page_size"),
            (seller, "/v1/catalog/apis?page_size=ten", "/query/page_size"),
            (seller, "/v1/catalog/apis?page_token=made-up", "/query/page_token"),
            (seller, "/v1/catalog/apis?colour=red", "/query/colour"),
            (seller, "/v1/catalog/search?q=", "/query/q"),
            (seller, "/v1/catalog/search", "/query/q"),
            (seller, "/v1/usage/callers?api=weather&operation=getForecast&window=1w", "/query/window"),
            (seller, "/v1/usage/callers?api=weather", "/query/operation"),
            (buyer, "/v1/subscriptions?side=upper", "/query/side"),
            (buyer, "/v1/usage", "/query/subscription"),
            (buyer, "/v1/usage?subscription=weather", "/query/subscription"),
            (buyer, "/v1/billing/preview?subscription=7", "/query/subscription"),
            (buyer, "/v1/billing/invoices?side=upper", "/query/side"),
        ] {
            check(path, &platform.send(Call::get(path).bearer(token)).await, 400, "invalid-parameter", pointer);
        }
        // A page token is good for its own list only.
        for name in ["one", "two"] {
            platform.post(seller, "/v1/catalog/apis", &json!({ "slug": name, "name": name })).await;
        }
        let page = platform.get(seller, "/v1/catalog/apis?page_size=1").await;
        let token = page["next_page_token"].as_str().unwrap();
        check(
            "another list",
            &platform.send(Call::get(format!("/v1/products?page_token={token}")).bearer(seller)).await,
            400,
            "invalid-parameter",
            "/query/page_token",
        );
        check(
            "another owner",
            &platform.send(Call::get(format!("/v1/catalog/apis?page_token={token}")).bearer(buyer)).await,
            400,
            "invalid-parameter",
            "/query/page_token",
        );
        let (method, path) = (Method::DELETE, "/v1/catalog/apis/weather");
        let answer = platform.send(Call::new(method, path).bearer(seller)).await;
        check("DELETE", &answer, 405, "method-not-allowed", "-");
        assert!(answer.header("allow").contains("PATCH"), "{:?}", answer.headers);
        check(
            "no route",
            &platform.send(Call::get("/v1/catalog/nothing/here").bearer(seller)).await,
            404,
            "not-found",
            "-",
        );
    });
}

#[test]
fn documents_that_cannot_be_read_are_refused_and_nothing_is_kept_of_them() {
    together(async |platform| {
        let organization = platform.found("documents").await;
        let token = organization.token.as_str();
        platform.post(token, "/v1/catalog/apis", &json!({ "slug": "api", "name": "API" })).await;
        let versions = "/v1/catalog/apis/api/versions";
        let upload = |query: &str, kind: &str, body: Vec<u8>| {
            Call::post(format!("{versions}?{query}")).bearer(token).body(kind, body)
        };
        let good = weather::DOCUMENT.as_bytes().to_vec();
        let truncated = r#"{"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": {"#;
        for (what, query, kind, body, status, problem) in [
            ("truncated JSON", "version=1", "application/json", truncated.as_bytes().to_vec(), 422, "document-invalid"),
            ("no document", "version=1", "application/json", Vec::new(), 422, "format-unknown"),
            (
                "another format",
                "version=1",
                "application/json",
                br#"{"asyncapi": "3.0.0", "info": {"title": "T", "version": "1"}, "channels": {}}"#.to_vec(),
                422,
                "format-unknown",
            ),
            (
                "a version of tomorrow",
                "version=1",
                "application/json",
                br#"{"openapi": "4.0.0", "info": {}, "paths": {}}"#.to_vec(),
                422,
                "format-unknown",
            ),
            ("some text", "version=1", "text/plain", b"hello, world".to_vec(), 422, "format-unknown"),
            ("an array", "version=1", "application/json", b"[]".to_vec(), 422, "format-unknown"),
            (
                "paths that are a list",
                "version=1",
                "application/json",
                br#"{"openapi": "3.0.0", "info": {"title": "T", "version": "1"}, "paths": []}"#.to_vec(),
                422,
                "document-invalid",
            ),
            (
                "broken YAML",
                "version=1",
                "application/yaml",
                b"openapi: 3.0.3\ninfo:\n\t- x: [".to_vec(),
                422,
                "document-invalid",
            ),
            (
                "a format that is not read here",
                "version=1&format=raml",
                "application/yaml",
                good.clone(),
                422,
                "format-unknown",
            ),
            (
                "damaged packing",
                "version=1",
                "application/gzip",
                b"\x1f\x8b\x08\x00broken".to_vec(),
                422,
                "document-invalid",
            ),
            ("no version", "filename=a.yaml", "application/yaml", good.clone(), 400, "invalid-parameter"),
            ("a version that is none", "version=a%20b", "application/yaml", good.clone(), 400, "invalid-parameter"),
        ] {
            let answer = platform.send(upload(query, kind, body)).await;
            let accepted = (answer.status.as_u16(), crate::problem(&answer));
            // Whether something is broken or of another kind is not always to be told apart.
            let alike = status == 422
                && accepted.0 == 422
                && matches!(accepted.1.as_str(), "document-invalid" | "format-unknown");
            assert!(accepted == (status, problem.to_owned()) || alike, "{what}: {}", answer.refused());
            assert!(
                answer.json().unwrap()["errors"].as_array().is_some_and(|errors| !errors.is_empty()),
                "{what} names nothing: {}",
                answer.refused()
            );
        }
        assert_eq!(platform.get(token, versions).await["items"], json!([]), "something was kept");
        assert_eq!(platform.get(token, "/v1/catalog/search?q=forecast").await["items"], json!([]));

        platform.expect(upload("version=1.0.0", "application/yaml", good.clone()), 201).await;
        check(
            "the same version again",
            &platform.send(upload("version=1.0.0", "application/yaml", good)).await,
            409,
            "already-exists",
            "/query/version",
        );
        check(
            "the same slug again",
            &platform
                .send(Call::post("/v1/catalog/apis").bearer(token).json(&json!({ "slug": "api", "name": "API" })))
                .await,
            409,
            "already-exists",
            "/slug",
        );
    });
}

#[test]
fn every_malformed_document_of_the_corpus_is_a_refusal_or_a_version_and_never_a_fault() {
    together(async |platform| {
        let folder = workspace::root().join("../shared/corpus/malformed");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("SKIPPED: the corpus is not beside this repository");
            return;
        };
        let organization = platform.found("malformed").await;
        platform.post(&organization.token, "/v1/catalog/apis", &json!({ "slug": "api", "name": "API" })).await;
        for (number, entry) in entries.enumerate() {
            let path = entry.unwrap().path();
            let upload = Call::post(format!("/v1/catalog/apis/api/versions?version={number}"))
                .bearer(&organization.token)
                .body("application/octet-stream", std::fs::read(&path).unwrap());
            let answer = platform.send(upload).await;
            assert!(matches!(answer.status.as_u16(), 201 | 413 | 422), "{}: {}", path.display(), answer.refused());
        }
    });
}
