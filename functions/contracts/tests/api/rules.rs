//! The rules and their pages, for anyone.

use house::Who;

use crate::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn anyone_may_read_the_rules_and_their_pages() {
    let scene = Scene::new().await;
    let list = scene.house.get(Who::Anyone, "/v1/contracts/rules").await.is(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), contracts::rules::ALL.len());
    let removed = items.iter().find(|rule| rule["id"] == "response-field-removed").unwrap();
    assert_eq!((&removed["severity"], &removed["title"]), (&"breaking".into(), &"A field is gone.".into()));

    let path = "/v1/contracts/rules/response-field-removed";
    let rule = scene.house.get(Who::Anyone, path).await.is(200);
    assert!(rule["markdown"].as_str().unwrap().starts_with("# response-field-removed\n\nA field is gone.\n"), "{rule}");
    let page = scene.house.call(Who::Anyone, &format!("GET {path}"), &[("accept", "text/markdown")], None).await;
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/markdown; charset=utf-8"));
    assert_eq!(page.bytes, rule["markdown"].as_str().unwrap().as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_not_there_is_not_found() {
    let scene = Scene::new().await;
    for rule in ["gone", "..%2Fsecret", "RESPONSE-FIELD-REMOVED", "%00"] {
        assert_eq!(
            scene.house.get(Who::Anyone, &format!("/v1/contracts/rules/{rule}")).await.kind(),
            (404, "not-found")
        );
    }
}
