//! Who sees what: one's own, the invited, anyone, and nobody else.

use house::Who;
use serde_json::json;
use shared::principal::Role;

use crate::{WEATHER, member, new, upload};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_not_found_and_looks_like_what_does_not_exist() {
    let house = new().await;
    let (owner, stranger) = (member("acme", Role::Owner), member("other", Role::Owner));
    let service = house.post(owner, "/v1/catalog/services", &json!({"slug": "sky", "name": "Sky"})).await.is(201);
    let api = house.post(owner, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    let version = upload(&house, owner, "weather", "1.0.0", WEATHER.as_bytes()).await.is(201);
    let own = house.post(stranger, "/v1/catalog/apis", &json!({"slug": "own", "name": "Own"})).await.is(201);
    let (service, api, version, own) = (
        service["id"].as_str().unwrap(),
        api["id"].as_str().unwrap(),
        version["id"].as_str().unwrap(),
        own["id"].as_str().unwrap(),
    );
    let nothing = house.get(stranger, "/v1/catalog/apis/api_01h455vb4pex5vsknk084sn02q").await;
    assert_eq!(nothing.status, 404);
    for (method, target) in [
        ("GET", format!("/v1/catalog/services/{service}")),
        ("GET", "/v1/catalog/services/sky".into()),
        ("PATCH", "/v1/catalog/services/sky".into()),
        ("DELETE", "/v1/catalog/services/sky".into()),
        ("GET", "/v1/catalog/apis/weather".into()),
        ("GET", format!("/v1/catalog/apis/{api}")),
        ("PATCH", format!("/v1/catalog/apis/{api}")),
        ("GET", format!("/v1/catalog/apis/{api}/versions")),
        ("POST", format!("/v1/catalog/apis/{api}/versions?version=2")),
        ("GET", format!("/v1/catalog/apis/{own}/versions/{version}")),
        ("GET", format!("/v1/catalog/apis/{api}/versions/1.0.0/document")),
        ("GET", format!("/v1/catalog/apis/{api}/versions/1.0.0/operations")),
        ("POST", format!("/v1/catalog/apis/{api}/versions/1.0.0/publish")),
        ("POST", format!("/v1/catalog/apis/{api}/versions/1.0.0/retire")),
        ("GET", "/v1/catalog/public/acme/weather".into()),
    ] {
        let answer = house.call(stranger, &format!("{method} {target}"), &[("if-match", "\"1\"")], b"{}").await;
        assert_eq!((answer.status, &answer.bytes), (404, &nothing.bytes), "{method} {target}");
    }
    assert_eq!(house.get(stranger, "/v1/catalog/search?q=weather").await.is(200)["items"], json!([]));
    assert_eq!(house.all(stranger, "/v1/catalog/apis", 50).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_come_in_is_told_why() {
    let house = new().await;
    let viewer = member("acme", Role::Viewer);
    let body = json!({"slug": "weather", "name": "Weather"});
    let answer = house.post(Who::Anyone, "/v1/catalog/apis", &body).await;
    assert_eq!(answer.kind(), (401, "unauthenticated"));
    let answer = house.post(viewer, "/v1/catalog/apis", &body).await;
    assert_eq!(answer.kind(), (403, "forbidden"));
    assert_eq!(house.get(viewer, "/v1/catalog/apis").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_side_shows_what_is_published_to_those_who_may_see_it() {
    let house = new().await;
    let (owner, friend, stranger) =
        (member("acme", Role::Owner), member("friend", Role::Viewer), member("stranger", Role::Owner));
    for visibility in ["private", "partner", "public"] {
        let api = json!({"slug": visibility, "name": "An API", "visibility": visibility, "partners": ["friend"], "upstream_url": "http://10.0.0.1"});
        house.post(owner, "/v1/catalog/apis", &api).await.is(201);
        upload(&house, owner, visibility, "1.0.0", WEATHER.as_bytes()).await.is(201);
        upload(&house, owner, visibility, "2.0.0-draft", WEATHER.as_bytes()).await.is(201);
    }
    let readers = [("anyone", Who::Anyone), ("stranger", stranger), ("friend", friend), ("owner", owner)];
    for (name, reader) in readers {
        assert_eq!(house.all(reader, "/v1/catalog/public/acme", 50).await.len(), 0, "{name}: nothing is published");
        assert_eq!(house.get(reader, "/v1/catalog/public/acme/public").await.status, 404, "{name}");
    }
    for visibility in ["private", "partner", "public"] {
        house.post(owner, &format!("/v1/catalog/apis/{visibility}/versions/1.0.0/publish"), &json!({})).await.is(200);
    }
    for ((name, reader), (seen, listed)) in readers.into_iter().zip([
        (vec!["public"], vec!["public"]),
        (vec!["public"], vec!["public"]),
        (vec!["partner", "public"], vec!["partner", "public"]),
        (vec!["private", "partner", "public"], vec!["partner", "public"]),
    ]) {
        let list = house.all(reader, "/v1/catalog/public/acme", 1).await;
        let slugs: Vec<&str> = list.iter().map(|api| api["slug"].as_str().unwrap()).collect();
        assert_eq!(slugs, listed, "{name}");
        assert!(list.iter().all(|api| api.get("upstream_url").is_none() && api.get("partners").is_none()), "{list:?}");
        for visibility in ["private", "partner", "public"] {
            let base = format!("/v1/catalog/public/acme/{visibility}");
            for rest in ["", "/versions", "/versions/1.0.0", "/versions/1.0.0/document", "/versions/1.0.0/operations"] {
                let answer = house.get(reader, &format!("{base}{rest}")).await;
                assert_eq!(answer.status, if seen.contains(&visibility) { 200 } else { 404 }, "{name} {base}{rest}");
            }
            assert_eq!(
                house.get(reader, &format!("{base}/versions/2.0.0-draft")).await.status,
                404,
                "{name}: a draft is no one's"
            );
        }
    }
    let document = house.get(Who::Anyone, "/v1/catalog/public/acme/public/versions/1.0.0/document").await;
    assert_eq!(document.bytes, WEATHER.as_bytes());
    let operations = house.all(Who::Anyone, "/v1/catalog/public/acme/public/versions/1.0.0/operations", 1).await;
    assert_eq!(operations.len(), 2);
    let versions = house.all(Who::Anyone, "/v1/catalog/public/acme/public/versions", 50).await;
    assert_eq!(versions.iter().map(|version| version["version"].as_str().unwrap()).collect::<Vec<_>>(), ["1.0.0"]);
    // No longer public: gone from the list and from its address.
    let etag = house.get(owner, "/v1/catalog/apis/public").await.headers["etag"].clone();
    house
        .call(owner, "PATCH /v1/catalog/apis/public", &[("if-match", &etag)], br#"{"visibility": "private"}"#)
        .await
        .is(200);
    assert_eq!(house.all(Who::Anyone, "/v1/catalog/public/acme", 50).await.len(), 0);
    assert_eq!(house.get(Who::Anyone, "/v1/catalog/public/acme/public").await.status, 404);
    let documents = house.get(Who::Anyone, "/v1/openapi.json").await.is(200);
    assert!(
        documents["documents"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "catalog", "path": "/v1/catalog/openapi.json"}))
    );
    assert_eq!(house.get(Who::Anyone, "/v1/catalog/openapi.json").await.is(200)["info"]["title"], "Doorway: catalog");
}
