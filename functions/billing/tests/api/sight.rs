//! Who sees what.

use billing::App;
use house::{House, Who};
use serde_json::{Value, json};
use shared::principal::Role;

use crate::story::{CONSUMER, PROVIDER, SUBSCRIPTION, basic_month, list, only, path, tell_seal, told};

/// Every route, for an invoice and a subscription.
fn routes(invoice: &str, subscription: &str) -> [String; 5] {
    [
        format!("GET /v1/billing/invoices/{invoice}"),
        format!("GET /v1/billing/invoices/{invoice}/usage"),
        format!("POST /v1/billing/invoices/{invoice}/recompute"),
        format!("GET /v1/billing/invoices?subscription={subscription}"),
        format!("GET /v1/billing/preview?subscription={subscription}"),
    ]
}

const NONE: (&str, &str) = ("invoice_01h455vb4pex5vsknk084sn099", "sub_01h455vb4pex5vsknk084sn099");

#[tokio::test]
async fn who_is_neither_side_sees_what_does_not_exist() {
    let house = told().await;
    let id = only(&house).await["id"].as_str().unwrap().to_owned();
    let stranger = Who::Member("stranger", Role::Owner);
    for (real, none) in routes(&id, SUBSCRIPTION).iter().zip(routes(NONE.0, NONE.1)) {
        let (real, none) = (house.call(stranger, real, &[], None).await, house.call(stranger, &none, &[], None).await);
        assert_eq!((real.kind(), &real.bytes), ((404, "not-found"), &none.bytes));
    }
    assert_eq!(list(&house, stranger, "").await, Vec::<Value>::new());
    assert_eq!(list(&house, stranger, "&side=provider").await, Vec::<Value>::new());
}

#[tokio::test]
async fn only_roles_with_the_permission_come_in() {
    let house = told().await;
    let id = only(&house).await["id"].as_str().unwrap().to_owned();
    let expired = json!({"state": "expired", "principal": ""});
    let mut routes = routes(&id, SUBSCRIPTION).to_vec();
    routes.push("GET /v1/billing/invoices".to_owned());
    for route in &routes {
        let call = async |who| house.call(who, route, &[], None).await;
        assert_eq!(call(Who::Anyone).await.kind(), (401, "unauthenticated"), "{route}");
        assert_eq!(call(Who::Found(&expired)).await.kind(), (401, "token-expired"), "{route}");
        for role in [Role::Publisher, Role::Developer, Role::Viewer] {
            assert_eq!(call(Who::Member("beta", role)).await.kind(), (403, "forbidden"), "{route} as {role:?}");
        }
        // The preview asks usage, which is not in this house.
        let status = if route.contains("preview") { 503 } else { 200 };
        for (slug, role) in
            [("beta", Role::Billing), ("beta", Role::Owner), ("acme", Role::Billing), ("acme", Role::Owner)]
        {
            assert_eq!(call(Who::Member(slug, role)).await.status, status, "{route} as {role:?} of {slug}");
        }
    }
}

#[tokio::test]
async fn lists_are_of_one_side_or_one_subscription() {
    let house = told().await;
    let one = list(&house, CONSUMER, "").await;
    assert_eq!(one.len(), 1);
    for (who, query, sees) in [
        (CONSUMER, "&side=consumer", true),
        (CONSUMER, "&side=provider", false),
        (PROVIDER, "", false),
        (PROVIDER, "&side=provider", true),
    ] {
        let expected = if sees { one.clone() } else { Vec::new() };
        assert_eq!(list(&house, who, query).await, expected, "{who:?} {query}");
    }
    for (who, side, sees) in [
        (CONSUMER, "", true),
        (CONSUMER, "&side=consumer", true),
        (CONSUMER, "&side=provider", false),
        (PROVIDER, "", true),
        (PROVIDER, "&side=provider", true),
        (PROVIDER, "&side=consumer", false),
    ] {
        let answer = house.get(who, &format!("/v1/billing/invoices?subscription={SUBSCRIPTION}{side}")).await;
        if sees {
            assert_eq!(answer.is(200)["items"], json!(one), "{who:?} {side}");
        } else {
            assert_eq!(answer.kind(), (404, "not-found"), "{who:?} {side}");
        }
    }
}

#[tokio::test]
async fn lists_come_newest_first_and_in_pages() {
    let house = told().await;
    // In no order: an event may come late.
    for month in ["2026-10", "2026-08", "2026-09"] {
        tell_seal(&house, &basic_month(month, 1, 0)).await;
    }
    for target in ["/v1/billing/invoices".to_owned(), format!("/v1/billing/invoices?subscription={SUBSCRIPTION}")] {
        let all = house.all(CONSUMER, &target, 1).await;
        let months: Vec<_> =
            all.iter().map(|invoice| invoice["period"]["from"].as_str().unwrap()).map(|from| &from[..7]).collect();
        assert_eq!(months, ["2026-10", "2026-09", "2026-08", "2026-07"]);
    }
    // A token is its list's.
    let token = house.get(CONSUMER, "/v1/billing/invoices?page_size=1").await.text("/next_page_token");
    for (who, query) in [
        (CONSUMER, format!("side=provider&page_token={token}")),
        (PROVIDER, format!("page_token={token}")),
        (CONSUMER, format!("subscription={SUBSCRIPTION}&page_token={token}")),
        (CONSUMER, "page_token=x".to_owned()),
    ] {
        let answer = house.get(who, &format!("/v1/billing/invoices?{query}")).await;
        assert_eq!(answer.problem(), (400, "invalid-parameter", "/query/page_token"), "{query}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let house = told().await;
    for (target, pointer) in [
        ("/v1/billing/invoices/7", "/path/invoice"),
        ("/v1/billing/invoices/7/usage", "/path/invoice"),
        ("/v1/billing/invoices?side=both", "/query/side"),
        ("/v1/billing/invoices?subscription=7", "/query/subscription"),
        ("/v1/billing/invoices?page_size=0", "/query/page_size"),
        ("/v1/billing/invoices?more=1", "/query/more"),
        ("/v1/billing/preview", "/query/subscription"),
    ] {
        assert_eq!(house.get(CONSUMER, target).await.problem(), (400, "invalid-parameter", pointer), "{target}");
    }
    let unknown = json!({"detail": {"type": "keys.key", "id": "key_x", "revision": 1, "data": "{}"}}).to_string();
    let seal =
        json!({"detail": {"type": "gateway.seal", "id": "x", "revision": 1, "data": "{\"id\":\"x\"}"}}).to_string();
    for body in [unknown, seal] {
        let message = json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body}]});
        assert_eq!(house.send(&message).await, json!({"batchItemFailures": [{"itemIdentifier": "m"}]}));
    }
}

#[tokio::test]
async fn every_sample_is_taken_in_whatever_order() {
    let sample = |name: &str| -> Value {
        let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let names = ["queue-subscription", "queue-seal", "queue-period"];
    for order in [[0, 1, 2], [2, 1, 0]] {
        let house = House::new(App::new).await;
        for name in order.into_iter().chain(order) {
            assert_eq!(house.send(&sample(names[name])).await, json!({"batchItemFailures": []}));
        }
        assert_eq!(house.send(&sample("http-preview")).await["statusCode"], 503, "usage is not there");
        let answer = house.send(&sample("http-list-invoices")).await;
        let page: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!((&page["items"][0]["number"], &page["items"][0]["total"]), (&json!("acme-000001"), &json!("10.40")));
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        let beta = json!({"organization": page["items"][0]["organization"], "actor": "token_x", "role": "billing"});
        let beta = json!({"state": "principal", "principal": beta.to_string()});
        let compared = house.get(Who::Found(&beta), &format!("{}/usage", path(&page["items"][0]))).await.is(200);
        assert_eq!((&compared["equal"], &compared["sealed_units"]), (&json!(true), &json!(1201)));
    }
}
