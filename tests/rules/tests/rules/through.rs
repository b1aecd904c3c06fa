//! A comparison through both functions: `contracts` asks the real catalog.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, RawQuery};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use house::{House, Who, door_secret};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use shared::principal::Role;

const PETS: &str = "openapi: 3.1.0
info: {title: Pets, version: '1'}
paths:
  /pets:
    get:
      operationId: listPets
      responses:
        '200': {description: Pets, content: {application/json: {schema: {$ref: types.yaml#/Pets}}}}
";
const TYPES: &str =
    "Pets: {type: array, items: {type: object, properties: {name: {type: string}, tag: {type: string}}}}\n";

const OWNER: Who<'static> = Who::Member("acme", Role::Owner);

/// `contracts`, beside a catalog that is asked over HTTP.
async fn new() -> House<contracts::App> {
    let catalog = Arc::new(House::new(|environment| catalog::App::new(environment, &door_secret())).await);
    let surfaces = move |RawQuery(query): RawQuery, headers: HeaderMap, body: axum::body::Bytes| {
        let catalog = catalog.clone();
        async move {
            let line = format!("POST /v1/catalog/surfaces?{}", query.unwrap_or_default());
            let wanted = ["content-type", "accept", "accept-encoding"];
            let headers: Vec<(&str, &str)> =
                wanted.iter().filter_map(|name| Some((*name, headers.get(*name)?.to_str().ok()?))).collect();
            let answer = catalog.call(OWNER, &line, &headers, &body[..]).await;
            let mut response: Response = answer.bytes.into_response();
            *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
            for name in ["content-type", "content-encoding"] {
                response.headers_mut().remove(name);
                if let Some(value) = answer.headers.get(name) {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
            }
            response
        }
    };
    let neighbours =
        axum::Router::new().route("/v1/catalog/surfaces", post(surfaces)).layer(DefaultBodyLimit::max(6_000_000));
    House::among(neighbours, contracts::App::new).await
}

fn question(types: &str) -> Value {
    json!({
        "before": {"files": {"api/pets.yaml": PETS, "api/types.yaml": TYPES}, "root": "api/pets.yaml"},
        "after": {"files": {"api/pets.yaml": PETS, "api/types.yaml": types}}
    })
}

async fn compared(house: &House<contracts::App>, question: &Value) -> Value {
    house.post(OWNER, "/v1/contracts/comparisons", question).await.is(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_several_files_are_compared_as_the_catalog_reads_them() {
    let house = new().await;
    let same = compared(&house, &question(&format!("# A note.\n{TYPES}"))).await;
    let nothing =
        json!({"verdict": "identical", "findings": [], "not_compared": [], "warnings": {"before": [], "after": []}});
    assert_eq!(same, nothing);

    let changed = compared(&house, &question(&TYPES.replace(", tag: {type: string}", ""))).await;
    assert_eq!(changed["verdict"], "breaking", "{changed}");
    let finding = &changed["findings"][0];
    assert_eq!((&finding["rule"], &finding["operations"]), (&json!("response-field-removed"), &json!(["listPets"])));
    assert_eq!((&finding["before"]["file"], &finding["before"]["line"]), (&json!("api/types.yaml"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalog_refuses_or_warns_of_is_told_with_its_side_its_file_and_its_line() {
    let house = new().await;
    let answer = house.post(OWNER, "/v1/contracts/comparisons", &question("Pets: {type: [\n")).await;
    assert_eq!(answer.problem(), (422, "document-invalid", "/after/files/api~1types.yaml"), "{answer:?}");
    assert!(answer.body["errors"][0]["line"].is_u64(), "{answer:?}");

    let warned = PETS.replace("types.yaml#/Pets", "'#/components/schemas/Gone'");
    let question = json!({"before": {"files": {"pets.yaml": warned}}, "after": {"files": {"pets.yaml": warned}}});
    let answer = compared(&house, &question).await;
    assert_eq!(answer["warnings"]["before"][0]["line"], 8, "{answer}");
    assert_eq!(answer["warnings"]["before"], answer["warnings"]["after"]);
    let graphql = json!({"before": {"files": {"pets.yaml": PETS.replace("types.yaml#/Pets", "'#/x'")}}, "after": {"files": {"a.graphql": "type Query { pets: Int }"}}});
    let answer = house.post(OWNER, "/v1/contracts/comparisons", &graphql).await;
    assert_eq!(answer.problem(), (422, "validation-failed", "/after"));
}
