//! Large documents: packed on the way in and out, paged, searched, and told to the door in parts.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Instant;

use house::Who;
use serde_json::{Value, json};
use shared::event::{ApiState, RoutesState};
use shared::principal::Role;

use crate::{House, generated, member, new};

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut whole).unwrap();
    whole
}

async fn found(house: &House, who: Who<'_>, question: &str) -> Vec<String> {
    let hits = house.all(who, &format!("/v1/catalog/search?q={question}"), 200).await;
    hits.iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_a_thousand_operations_is_paged_and_searched() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "things", "name": "Things"})).await.is(201);
    let document = generated::document(1_000);
    let packed = pack(document.as_bytes());
    let answer = house
        .call(
            who,
            "POST /v1/catalog/apis/things/versions?version=1&filename=things.json",
            &[("content-type", "application/gzip")],
            &packed,
        )
        .await;
    assert_eq!(answer.is(201)["operations"], 1_000);
    house.post(who, "/v1/catalog/apis/things/versions/1/publish", &json!({})).await.is(200);
    for size in [7, 200] {
        let operations = house.all(who, "/v1/catalog/apis/things/versions/1/operations", size).await;
        let ids: Vec<&str> = operations.iter().map(|operation| operation["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1_000);
        assert_eq!((ids[0], ids[1], ids[26], ids[999]), ("get_0", "post_1", "put_26", "delete_999"));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1_000);
    }
    assert_eq!(found(&house, who, "delete_999").await, ["delete_999"]);
    // The path of 399 is `/resource-99`.
    assert_eq!(
        found(&house, who, "REMOVE%20thing%2099").await,
        ["delete_99", "delete_399", "delete_991", "delete_995", "delete_999"]
    );
    assert_eq!(found(&house, who, "create").await.len(), 250);
    // Four on each of the paths 17 and 170 to 179, and those that have such a number themselves.
    assert_eq!(found(&house, who, "resource-17").await.len(), 4 * 11 + 11);
    assert_eq!(found(&house, who, "create%20remove").await, Vec::<String>::new());
    assert_eq!(found(&house, who, "---").await, Vec::<String>::new());
    let page = house.get(who, "/v1/catalog/search?q=put_2&page_size=1").await.is(200);
    assert_eq!(
        (&page["items"][0]["api"], &page["items"][0]["version"], &page["items"][0]["path"], &page["partial"]),
        (&json!("things"), &json!("1"), &json!("/resource-0/{id}"), &json!(false))
    );
    let token = page["next_page_token"].as_str().unwrap();
    assert_eq!(
        house.get(who, &format!("/v1/catalog/search?q=put_3&page_token={token}")).await.status,
        400,
        "a token holds for its own question"
    );
    let heard = house.door.heard();
    let parts: Vec<RoutesState> =
        heard.iter().filter_map(|event| event.state::<RoutesState>().ok().flatten()).collect();
    assert_eq!(parts.iter().map(|part| part.routes.len()).sum::<usize>(), 1_000);
    let plain = house.get(who, "/v1/catalog/apis/things/versions/1/document").await;
    assert_eq!(plain.bytes, document.as_bytes());
    let encoded =
        house.call(who, "GET /v1/catalog/apis/things/versions/1/document", &[("accept-encoding", "gzip")], b"").await;
    assert_eq!(
        (encoded.headers["content-encoding"].as_str(), encoded.headers["content-type"].as_str()),
        ("gzip", "application/json")
    );
    assert_eq!(unpack(&encoded.bytes), document.as_bytes());
    assert_ne!(plain.headers["etag"], encoded.headers["etag"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_over_four_megabytes_goes_out_packed_or_not_at_all() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "long", "name": "Long"})).await.is(201);
    let document = format!(
        "{{\"openapi\":\"3.0.3\",\"info\":{{\"title\":\"t\",\"version\":\"1\",\"description\":\"{}\"}},\"paths\":{{}}}}",
        "long ".repeat(900_000)
    );
    let answer = house
        .call(
            who,
            "POST /v1/catalog/apis/long/versions?version=1",
            &[("content-encoding", "gzip")],
            &pack(document.as_bytes()),
        )
        .await;
    assert_eq!(answer.is(201)["document_bytes"], document.len());
    let address = "/v1/catalog/apis/long/versions/1/document";
    let refused = house.call(who, &format!("GET {address}"), &[("accept", "*/*")], b"").await;
    assert_eq!(refused.problem(), (406, "not-acceptable", "/header/accept-encoding"));
    let file = house.call(who, &format!("GET {address}"), &[("accept", "application/gzip")], b"").await;
    assert_eq!(
        (file.headers["content-type"].as_str(), file.headers.get("content-encoding")),
        ("application/gzip", None)
    );
    assert_eq!(unpack(&file.bytes), document.as_bytes());
    let bomb = pack(&vec![b' '; 33 * 1024 * 1024]);
    let answer = house
        .call(who, "POST /v1/catalog/apis/long/versions?version=2", &[("content-type", "application/gzip")], &bomb)
        .await;
    assert_eq!(answer.kind(), (413, "too-large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn github_and_stripe_are_published_come_back_and_are_found() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/openapi-3.0"));
    if !corpus.is_dir() {
        eprintln!("skipped: {} is absent", corpus.display());
        return;
    }
    let house = new().await;
    let who = member("acme", Role::Owner);
    for (slug, file, operations, question, expected) in [
        (
            "github",
            "openapi-generated-api-github-com-36d62a.json.gz",
            1_223_usize,
            "repos%20create%20fork",
            "repos/create-fork",
        ),
        ("stripe", "openapi-openapi-spec3-91edb8.json.gz", 417, "GetCharges", "GetCharges"),
    ] {
        let packed = std::fs::read(corpus.join(file)).unwrap();
        let document = unpack(&packed);
        house.post(who, "/v1/catalog/apis", &json!({"slug": slug, "name": slug})).await.is(201);
        let started = Instant::now();
        let answer = house
            .call(
                who,
                &format!("POST /v1/catalog/apis/{slug}/versions?version=1"),
                &[("content-type", "application/gzip")],
                &packed,
            )
            .await;
        assert_eq!(answer.is(201)["operations"], operations);
        let uploaded = started.elapsed();
        let started = Instant::now();
        house.post(who, &format!("/v1/catalog/apis/{slug}/versions/1/publish"), &json!({})).await.is(200);
        eprintln!("{slug}: uploaded in {uploaded:?}, published in {:?}", started.elapsed());
        let back = house
            .call(who, &format!("GET /v1/catalog/apis/{slug}/versions/1/document"), &[("accept-encoding", "gzip")], b"")
            .await;
        assert!(unpack(&back.bytes) == document, "{slug} comes back byte for byte");
        let listed = house.all(who, &format!("/v1/catalog/apis/{slug}/versions/1/operations"), 100).await;
        assert_eq!(listed.len(), operations);
        // What the document says itself, by a reader that is not ours.
        let json: Value = serde_json::from_slice(&document).unwrap();
        let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
        let ids: BTreeSet<String> = json["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| methods.iter().filter_map(|method| item[method]["operationId"].as_str()))
            .map(str::to_owned)
            .collect();
        assert_eq!(
            listed.iter().map(|operation| operation["id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(),
            ids
        );
        assert!(found(&house, who, question).await.contains(&expected.to_owned()), "{question}");
        let heard = house.door.heard();
        let routes: usize = heard
            .iter()
            .filter_map(|event| event.state::<RoutesState>().ok().flatten())
            .map(|part| part.routes.len())
            .sum();
        assert_eq!(routes, operations);
        assert!(heard.iter().all(|event| event.data.len() < 100_000));
        assert_eq!(heard.last().unwrap().state::<ApiState>().unwrap().unwrap().current.unwrap().version, "1");
    }
}
