//! Every route on a real table; only the catalog is played.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // It is all tests.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use house::{Answer, Who, not_found, party};
use products::App;
use serde_json::{Value, json};
use shared::principal::Role;

const SELLER: Who = Who::Member("acme", Role::Publisher);
const VIEWER: Who = Who::Member("acme", Role::Viewer);
const FRIEND: Who = Who::Member("friend", Role::Developer);
const STRANGER: Who = Who::Member("stranger", Role::Owner);
const NOBODY: Who = Who::Anyone;

type House = house::House<App>;

/// With a `catalog` that knows the APIs `weather` and `maps`.
async fn new() -> House {
    let api = async |Path(name): Path<String>| match name.as_str() {
        "weather" | "api_01h455vb4pex5vsknk084sn02q" => {
            Ok(Json(json!({"id": "api_01h455vb4pex5vsknk084sn02q", "slug": "weather", "name": "more"})))
        }
        "maps" => Ok(Json(json!({"id": "api_01h455vb4pex5vsknk084sn02r", "slug": "maps"}))),
        _ => Err(not_found()),
    };
    House::among(Router::new().route("/v1/catalog/apis/{api}", get(api)), App::new).await
}

async fn product(house: &House, slug: &str, visibility: &str) -> Answer {
    let body = json!({"slug": slug, "name": "Weather data", "visibility": visibility, "apis": ["weather", "maps", "api_01h455vb4pex5vsknk084sn02q"], "partners": ["friend"]});
    house.call(SELLER, "POST /v1/products", &[("idempotency-key", slug)], Some(body)).await
}

fn starter() -> Value {
    json!({"slug": "starter", "name": "Starter", "currency": "EUR", "monthly_price": "9.00", "included_calls": 1000, "price_per_call": "0.005",
        "quota": {"calls": 10_000, "period": "month", "kind": "soft"}, "rate": {"calls": 50, "per_seconds": 1, "burst": 100}, "weights": {"getForecast": 2}})
}

#[tokio::test]
async fn a_product_is_made_of_ones_own_apis() {
    let house = new().await;
    let made = product(&house, "weather", "public").await;
    assert_eq!((made.status, made.headers["location"].as_str()), (201, "/v1/products/weather"));
    assert_eq!(
        made.body["apis"],
        json!([{"id": "api_01h455vb4pex5vsknk084sn02q", "slug": "weather"}, {"id": "api_01h455vb4pex5vsknk084sn02r", "slug": "maps"}])
    );
    let again = product(&house, "weather", "public").await;
    assert_eq!(
        (again.status, again.body, again.headers["idempotency-replayed"].as_str()),
        (201, made.body.clone(), "true")
    );
    let events = house.outbox(&format!("ORG#{}", party("acme").id)).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind.as_str(), events[0].revision, &events[0].data == "null"),
        ("products.product", 1, false)
    );

    let wish = |slug: &str, apis: Value| Some(json!({"slug": slug, "name": "N", "apis": apis}));
    let call = async |who, body| house.call(who, "POST /v1/products", &[], body).await;
    assert_eq!(call(SELLER, wish("weather", json!(["maps"]))).await.problem(), (409, "already-exists", "/slug"));
    assert_eq!(
        call(SELLER, wish("other", json!(["maps", "nothing"]))).await.problem(),
        (422, "validation-failed", "/apis/1")
    );
    assert_eq!(call(SELLER, wish("other", json!([]))).await.problem(), (422, "validation-failed", "/apis"));
    assert_eq!(call(SELLER, wish("public", json!(["maps"]))).await.problem(), (422, "validation-failed", "/slug"));
    assert_eq!(
        call(SELLER, wish("other", json!(["key_01h455vb4pex5vsknk084sn02q"]))).await.problem(),
        (422, "validation-failed", "/apis/0")
    );
    assert_eq!(call(VIEWER, wish("other", json!(["maps"]))).await.problem(), (403, "forbidden", ""));
    assert_eq!(call(NOBODY, wish("other", json!(["maps"]))).await.problem(), (401, "unauthenticated", ""));

    for name in ["weather".to_owned(), made.text("/id")] {
        assert_eq!(house.call(VIEWER, &format!("GET /v1/products/{name}"), &[], None).await.body, made.body);
        assert_eq!(
            house.call(STRANGER, &format!("GET /v1/products/{name}"), &[], None).await.problem(),
            (404, "not-found", "")
        );
    }
    let page = house.call(VIEWER, "GET /v1/products", &[], None).await;
    assert_eq!(page.body, json!({"items": [made.body]}));
}

#[tokio::test]
async fn a_change_needs_the_revision_that_was_read() {
    let house = new().await;
    product(&house, "weather", "private").await;
    let change = async |etag: &str, body| {
        house.call(SELLER, "PATCH /v1/products/weather", &[("if-match", etag)], Some(body)).await
    };
    let described = change("\"1\"", json!({"description": "Rain", "visibility": "public"})).await;
    assert_eq!(
        (described.status, described.text("/description"), described.text("/visibility")),
        (200, "Rain".into(), "public".into())
    );
    assert_eq!(change("\"1\"", json!({"name": "X"})).await.problem(), (412, "precondition-failed", ""));
    let bare = change("\"2\"", json!({"description": null})).await;
    assert!(bare.status == 200 && bare.body.get("description").is_none() && bare.body["visibility"] == "public");
    assert_eq!(change("\"3\"", json!({"slug": "other"})).await.problem().0, 422);
}

#[tokio::test]
async fn plans_have_immutable_versions() {
    let house = new().await;
    product(&house, "weather", "public").await;
    let made = house.call(SELLER, "POST /v1/products/weather/plans", &[], Some(starter())).await;
    assert_eq!(
        (made.status, &made.body["version"], &made.body["monthly_price"], &made.body["approval"]),
        (201, &json!(1), &json!("9"), &json!("automatic"))
    );
    assert_eq!(
        house.call(SELLER, "POST /v1/products/weather/plans", &[], Some(starter())).await.problem(),
        (409, "already-exists", "/slug")
    );
    let plan = "/v1/products/weather/plans/starter";
    let dear = Some(json!({"currency": "EUR", "price_per_call": "1"}));
    let revised =
        house.call(SELLER, &format!("POST {plan}/versions"), &[("idempotency-key", "v2")], dear.clone()).await;
    assert_eq!(
        (revised.status, &revised.body["version"], &revised.body["monthly_price"]),
        (201, &json!(2), &json!("0"))
    );
    let again = house.call(SELLER, &format!("POST {plan}/versions"), &[("idempotency-key", "v2")], dear.clone()).await;
    assert_eq!(again.body, revised.body);
    let first = house.call(VIEWER, &format!("GET {plan}/versions/1"), &[], None).await;
    assert_eq!(
        (first.status, &first.body["monthly_price"], &first.body["weights"]),
        (200, &json!("9"), &json!({"getForecast": 2}))
    );
    assert_eq!(
        house.call(VIEWER, &format!("GET {plan}/versions"), &[], None).await.body["items"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(
        house.call(VIEWER, &format!("GET {plan}/versions/3"), &[], None).await.problem(),
        (404, "not-found", "")
    );
    assert_eq!(
        house.call(VIEWER, &format!("GET {plan}/versions/x"), &[], None).await.problem(),
        (400, "invalid-parameter", "/path/version")
    );
    assert_eq!(house.call(VIEWER, "GET /v1/products/weather/plans/NO", &[], None).await.status, 400);
    let by_id = house.call(VIEWER, &format!("GET /v1/products/weather/plans/{}", made.text("/id")), &[], None).await;
    assert_eq!(by_id.body, revised.body);

    let retired = house.call(SELLER, &format!("POST {plan}/retire"), &[], None).await;
    assert_eq!((retired.status, retired.text("/state"), &retired.body["revision"]), (200, "retired".into(), &json!(3)));
    assert_eq!(house.call(SELLER, &format!("POST {plan}/retire"), &[], None).await.body, retired.body);
    assert_eq!(
        house.call(SELLER, &format!("POST {plan}/versions"), &[], dear).await.problem(),
        (409, "state-conflict", "")
    );

    product(&house, "other", "public").await;
    house.call(SELLER, "POST /v1/products/other/plans", &[], Some(starter())).await;
    let foreign = house.call(VIEWER, &format!("GET /v1/products/other/plans/{}", made.text("/id")), &[], None).await;
    assert_eq!(foreign.problem(), (404, "not-found", ""));
    let wrong = house
        .call(
            SELLER,
            "POST /v1/products/other/plans",
            &[],
            Some(json!({"slug": "x", "name": "X", "quota": {"calls": 1, "period": "year"}})),
        )
        .await;
    assert_eq!(wrong.problem(), (422, "validation-failed", "/quota/period"));
    house.tells_all_again().await;
}

#[tokio::test]
async fn the_public_side_shows_to_each_what_each_may_see() {
    let house = new().await;
    for (slug, visibility) in
        [("a-open", "public"), ("b-friends", "partner"), ("c-own", "private"), ("d-open", "public")]
    {
        product(&house, slug, visibility).await;
    }
    house.call(SELLER, "POST /v1/products/b-friends/plans", &[], Some(starter())).await;
    let names = async |who| {
        let page = house.call(who, "GET /v1/products/public/acme", &[], None).await;
        page.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["slug"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(NOBODY).await, ["a-open", "d-open"]);
    assert_eq!(names(STRANGER).await, ["a-open", "d-open"]);
    assert_eq!(names(FRIEND).await, ["a-open", "b-friends", "d-open"]);
    assert_eq!(names(VIEWER).await, ["a-open", "b-friends", "c-own", "d-open"]);
    let first = house.call(NOBODY, "GET /v1/products/public/acme?page_size=1", &[], None).await;
    let next = format!("/v1/products/public/acme?page_size=1&page_token={}", first.text("/next_page_token"));
    let second = house.call(NOBODY, &format!("GET {next}"), &[], None).await;
    assert_eq!((second.text("/items/0/slug"), second.body.get("next_page_token")), ("d-open".into(), None));
    assert_eq!(house.call(NOBODY, "GET /v1/products/public/nobody", &[], None).await.body, json!({"items": []}));

    let offer = house.call(FRIEND, "GET /v1/products/public/acme/b-friends", &[], None).await;
    assert_eq!(
        (offer.status, offer.text("/organization/slug"), offer.text("/plans/0/slug"), offer.text("/plans/0/state")),
        (200, "acme".into(), "starter".into(), "active".into())
    );
    let terms: shared::event::Terms = serde_json::from_value(offer.body["plans"][0]["terms"].clone()).unwrap();
    assert_eq!((terms.plan.to_string(), terms.plan_version, terms.apis.len()), (offer.text("/plans/0/id"), 1, 2));
    assert!(offer.body.get("partners").is_none());
    let absent = house.call(STRANGER, "GET /v1/products/public/nobody/nothing", &[], None).await;
    for who in [STRANGER, NOBODY] {
        let hidden = house.call(who, "GET /v1/products/public/acme/b-friends", &[], None).await;
        assert_eq!((hidden.status, &hidden.body, &hidden.headers), (404, &absent.body, &absent.headers));
    }
    let by_ids = format!("/v1/products/public/{}/{}", offer.text("/organization/id"), offer.text("/id"));
    assert_eq!(house.call(FRIEND, &format!("GET {by_ids}"), &[], None).await.body, offer.body);
}
