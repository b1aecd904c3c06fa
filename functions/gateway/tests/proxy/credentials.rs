//! What the door sends along to an upstream.

use gateway::credentials::Keys;
use gateway::{App, Settings};
use house::Who;
use serde_json::json;
use shared::principal::Role;

use crate::scene::{Scene, settings};
use crate::{is, outcome};

const PATH: &str = "/v1/gateway/apis/weather/credentials";
const PUBLISHER: Who<'_> = Who::Member("nimbus", Role::Publisher);

/// The lines of the last request's head that have this name.
fn sent(scene: &Scene, name: &str) -> Vec<String> {
    let heads = scene.upstream.got();
    let prefix = format!("{name}: ");
    heads.last().unwrap().lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_a_publisher_sets_is_sent_along_and_never_shown() {
    let mut scene = Scene::new().await;
    let house = &scene.house;
    let put = async |body| house.call(PUBLISHER, &format!("PUT {PATH}"), &[], Some(body)).await;
    assert_eq!(outcome(&house.get(PUBLISHER, PATH).await), is(404, "not-found"));
    let set = put(json!({"type": "header", "name": "X-Upstream-Key", "value": "s3cret"})).await.is(200);
    let told = json!({"type": "header", "header": "x-upstream-key", "set_at": "2027-01-15T08:00:00.000Z"});
    assert_eq!((&set, &house.get(PUBLISHER, PATH).await.is(200)), (&told, &told));
    let row = scene.item("A#nimbus/weather", "C").await.unwrap();
    assert!(!format!("{row:?}").contains("s3cret"), "{row:?}");

    // The caller's own header of that name does not pass.
    let answer = scene.call_with("GET /things/1", &[("x-upstream-key", "guess")], None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(sent(&scene, "x-upstream-key"), ["s3cret"]);
    assert!(!format!("{answer:?}").contains("s3cret"), "{answer:?}");

    let set = put(json!({"type": "basic", "username": "door", "password": "s3cret"})).await.is(200);
    assert_eq!((&set["type"], &set["header"]), (&json!("basic"), &json!("authorization")));
    assert_eq!(scene.house.call(PUBLISHER, &format!("DELETE {PATH}"), &[], None).await.status, 204);
    assert_eq!(outcome(&scene.house.get(PUBLISHER, PATH).await), is(404, "not-found"));
    put(json!({"type": "basic", "username": "door", "password": "s3cret"})).await.is(200);
    // A sandbox looks an API up every 10 s.
    scene.house.now_ms += 10_000;
    scene.call_with("GET /things/1", &[("x-upstream-key", "own")], None).await.is(200);
    let heads = scene.upstream.got();
    assert!(heads[0].contains("\r\nauthorization: Basic ZG9vcjpzM2NyZXQ=\r\n"), "{heads:?}");
    assert!(heads[0].contains("\r\nx-upstream-key: own\r\n"), "{heads:?}");

    assert_eq!(scene.house.call(PUBLISHER, &format!("DELETE {PATH}"), &[], None).await.status, 204);
    scene.house.now_ms += 10_000;
    scene.call("GET /things/1").await.is(200);
    // What the house itself sends.
    assert_eq!(sent(&scene, "authorization"), ["Bearer dwt_x"]);
}

#[tokio::test]
async fn only_who_offers_the_api_may_set_them() {
    let scene = Scene::new().await;
    let body = json!({"type": "header", "name": "x-key", "value": "v"});
    for (who, path, expected) in [
        (Who::Anyone, PATH, is(401, "unauthenticated")),
        (Who::Member("nimbus", Role::Developer), PATH, is(403, "forbidden")),
        (Who::Member("nimbus", Role::Viewer), PATH, is(403, "forbidden")),
        (Who::Member("acme", Role::Owner), PATH, is(404, "not-found")),
        (PUBLISHER, "/v1/gateway/apis/nothing/credentials", is(404, "not-found")),
    ] {
        for method in ["PUT", "DELETE"] {
            let answer = scene.house.call(who, &format!("{method} {path}"), &[], Some(body.clone())).await;
            assert_eq!(outcome(&answer), expected, "{who:?} {method} {path}");
        }
    }
    for (wrong, pointers) in [
        (json!({"type": "header", "name": "Host", "value": "v"}), "/name"),
        (json!({"type": "header", "name": "x-key", "value": "a\nb"}), "/value"),
        (json!({"type": "basic", "username": "a:b", "password": "v"}), "/username"),
    ] {
        let answer = scene.house.call(PUBLISHER, &format!("PUT {PATH}"), &[], Some(wrong)).await;
        assert_eq!(answer.problem(), (422, "validation-failed", pointers));
    }
    for wrong in [
        json!({"type": "oauth"}),
        json!({"name": "x-key", "value": "v"}),
        json!({"type": "header", "name": "x-key", "value": "v", "more": 1}),
    ] {
        let answer = scene.house.call(PUBLISHER, &format!("PUT {PATH}"), &[], Some(wrong)).await;
        assert_eq!(outcome(&answer), is(422, "validation-failed"));
    }
    assert!(scene.item("A#nimbus/weather", "C").await.is_none());
}

#[tokio::test]
async fn credentials_that_do_not_open_stop_the_call_before_it_is_counted() {
    let mut scene = Scene::new().await;
    let body = json!({"type": "header", "name": "x-key", "value": "v"});
    scene.house.call(PUBLISHER, &format!("PUT {PATH}"), &[], Some(body)).await.is(200);
    let with = |keys: &str| Settings { keys: Keys::new(keys).unwrap(), ..settings() };
    scene.house.app = App::new(scene.house.table.clone(), with("another"));
    assert_eq!(outcome(&scene.call("GET /things/1").await), is(500, "internal"));
    assert_eq!((scene.upstream.got().len(), scene.counted().await), (0, (0, 0)));
    scene.house.app = App::new(scene.house.table.clone(), with("another,upstream"));
    scene.call("GET /things/1").await.is(200);
    assert_eq!(sent(&scene, "x-key"), ["v"]);
}
