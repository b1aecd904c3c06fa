//! The public side tells nothing of what it does not show.

use house::{Who, party};
use serde_json::json;
use shared::principal::Role;

use crate::{WEATHER, member, new, upload};

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_without_anything_to_see_looks_like_none() {
    let house = new().await;
    let owner = member("acme", Role::Owner);
    house.post(owner, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    for name in ["acme".to_owned(), party("acme").id.to_string(), "nobody".to_owned(), party("nobody").id.to_string()] {
        let list = house.get(Who::Anyone, &format!("/v1/catalog/public/{name}")).await;
        assert_eq!(list.is(200), json!({"items": []}), "{name}");
        let token = house.get(Who::Anyone, &format!("/v1/catalog/public/{name}?page_token=x")).await;
        assert_eq!(token.problem(), (400, "invalid-parameter", "/query/page_token"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_cut_from_what_is_seen_and_end_with_it() {
    let house = new().await;
    let owner = member("acme", Role::Owner);
    for (slug, visibility) in
        [("a", "partner"), ("b", "public"), ("c", "partner"), ("d", "public"), ("e", "partner"), ("f", "partner")]
    {
        let api = json!({"slug": slug, "name": slug, "visibility": visibility});
        house.post(owner, "/v1/catalog/apis", &api).await.is(201);
        upload(&house, owner, slug, "1.0.0", WEATHER.as_bytes()).await.is(201);
        house.post(owner, &format!("/v1/catalog/apis/{slug}/versions/1.0.0/publish"), &json!({})).await.is(200);
    }
    for version in ["2.0.0-draft", "3.0.0", "4.0.0-draft"] {
        upload(&house, owner, "b", version, WEATHER.as_bytes()).await.is(201);
    }
    house.post(owner, "/v1/catalog/apis/b/versions/3.0.0/publish", &json!({})).await.is(200);
    // By slug and by id the same.
    for organization in ["acme".to_owned(), party("acme").id.to_string()] {
        for (list, field, expected) in [("", "slug", ["b", "d"]), ("/b/versions", "version", ["1.0.0", "3.0.0"])] {
            let address = format!("/v1/catalog/public/{organization}{list}");
            let first = house.get(Who::Anyone, &format!("{address}?page_size=1")).await;
            assert_eq!(first.text(&format!("/items/0/{field}")), expected[0], "{address}");
            let token = first.text("/next_page_token");
            let last = house.get(Who::Anyone, &format!("{address}?page_size=1&page_token={token}")).await;
            assert_eq!(last.text(&format!("/items/0/{field}")), expected[1], "{address}");
            assert_eq!(last.body.get("next_page_token"), None, "{address}: what follows is seen by others only");
            let whole = house.get(Who::Anyone, &format!("{address}?page_size=2")).await.is(200);
            assert_eq!((whole["items"].as_array().unwrap().len(), whole.get("next_page_token")), (2, None));
        }
        assert_eq!(house.all(owner, &format!("/v1/catalog/public/{organization}"), 2).await.len(), 6);
        let document = format!("/v1/catalog/public/{organization}/b/versions/3.0.0/document");
        assert_eq!(house.get(Who::Anyone, &document).await.bytes, WEATHER.as_bytes());
    }
}
