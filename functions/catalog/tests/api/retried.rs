//! What was done while the door was away is refused when it is sent again; then the door knows.

use serde_json::json;
use shared::event::ApiState;
use shared::principal::Role;

use crate::{WEATHER, member, new, upload};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_sent_again_without_a_key_tells_the_door_before_it_is_refused() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    upload(&house, who, "weather", "1.0.0", WEATHER.as_bytes()).await.is(201);
    let versions = "/v1/catalog/apis/weather/versions/1.0.0";
    house.post(who, &format!("{versions}/publish"), &json!({})).await.is(200);
    let sunset = json!({"sunset_at": "2027-06-01T00:00:00Z"});
    house.post(who, &format!("{versions}/deprecate"), &sunset).await.is(200);
    house.door.heard();
    let etag = house.get(who, "/v1/catalog/apis/weather").await.headers["etag"].clone();
    let upstream = json!({"upstream_url": "https://new.example"});
    let change = async || {
        let body = Some(upstream.clone());
        house.call(who, "PATCH /v1/catalog/apis/weather", &[("if-match", &etag)], body).await
    };
    let retire = async || house.post(who, &format!("{versions}/retire"), &json!({})).await;
    let told = || house.door.heard().pop().unwrap().state::<ApiState>().unwrap().unwrap();

    house.door.goes_away(true);
    assert_eq!(change().await.kind(), (503, "unavailable"));
    assert_eq!(change().await.kind(), (503, "unavailable"), "while the door does not know, it is not answered");
    house.door.goes_away(false);
    assert_eq!(change().await.kind(), (412, "precondition-failed"));
    assert_eq!(told().upstream_url.as_deref(), Some("https://new.example"));

    house.door.goes_away(true);
    assert_eq!(retire().await.kind(), (503, "unavailable"));
    house.door.goes_away(false);
    assert_eq!(retire().await.kind(), (409, "state-conflict"));
    assert_eq!(told().current, None, "the only version is retired: the door serves none");
}
