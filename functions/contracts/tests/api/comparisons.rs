//! What may be asked, by whom, and what is wrong with a question.

use house::Who;
use serde_json::{Value, json};
use shared::chassis::gzip;
use shared::principal::Role;

use crate::{PATH, Scene, VIEWER, question};

#[tokio::test(flavor = "multi_thread")]
async fn documents_go_to_the_catalog_in_the_callers_name_and_the_same_is_identical() {
    let scene = Scene::new().await;
    let answer = scene.compare(&question("openapi: 3.1.0", "openapi: 3.1.0")).await.is(200);
    let wanted =
        json!({"verdict": "identical", "findings": [], "not_compared": [], "warnings": {"before": [], "after": []}});
    assert_eq!(answer, wanted);
    let asked = scene.catalog.asked();
    assert_eq!(
        (asked.len(), asked[0].query.as_str(), asked[0].bearer.as_str()),
        (2, "filename=pets%2Eyaml", "Bearer dwt_x")
    );

    let several = json!({
        "before": {"files": {"api/a.yaml": "one", "b.yaml": "two"}, "root": "api/a.yaml"},
        "after": {"files": {"api/a.yaml": "three"}}, "level": "WIRE_JSON", "format": "openapi"
    });
    scene.compare(&several).await.is(200);
    let asked = scene.catalog.asked();
    let queries: Vec<&str> = asked.iter().map(|asked| asked.query.as_str()).collect();
    assert_eq!(queries, ["root=api%2Fa%2Eyaml&format=openapi", "root=api%2Fa%2Eyaml&format=openapi"]);
    assert_eq!((asked[0].files["b.yaml"].as_str(), asked[1].files["api/a.yaml"].as_str()), ("two", "three"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_is_answered_with_the_same_bytes_in_every_form() {
    let scene = Scene::new().await;
    let question = question("warn", "other").to_string();
    for accept in [
        "application/json",
        "text/plain",
        "text/markdown",
        "application/sarif+json",
        "application/xml",
        "text/vnd.github.annotations",
    ] {
        let ask = async || {
            scene.house.call(VIEWER, &format!("POST {PATH}"), &[("accept", accept)], question.as_bytes()).await
        };
        let (first, second) = (ask().await, ask().await);
        assert_eq!((first.status, second.status), (200, 200), "{accept}: {first:?}");
        assert_eq!(first.bytes, second.bytes, "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalog_warns_of_is_shown() {
    let scene = Scene::new().await;
    let answer = scene.compare(&question("warn", "warn")).await.is(200);
    let warning = json!([{"code": "dangling-ref", "message": "It leads nowhere.", "line": 7, "pointer": "/paths"}]);
    assert_eq!(answer["warnings"], json!({"before": warning, "after": warning}));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_documents_compares_none() {
    let scene = Scene::new().await;
    let question = question("a", "a");
    let kind = async |who: Who<'_>| scene.house.post(who, PATH, &question).await.kind().1.to_owned();
    assert_eq!(kind(Who::Anyone).await, "unauthenticated");
    assert_eq!(kind(Who::Found(&json!({"state": "invalid", "principal": ""}))).await, "token-invalid");
    assert_eq!(kind(Who::Found(&json!({"state": "expired", "principal": ""}))).await, "token-expired");
    let narrow =
        json!({"organization": house::party("acme"), "actor": "token", "role": "owner", "scopes": ["keys:read"]});
    assert_eq!(kind(Who::Found(&json!({"state": "principal", "principal": narrow.to_string()}))).await, "forbidden");
    assert_eq!(scene.catalog.asked(), [], "nothing is asked for who may not");
    for role in Role::ALL {
        scene.house.post(Who::Member("acme", *role), PATH, &question).await.is(200);
    }
    // The catalog's word counts, too.
    assert_eq!(scene.compare(&crate::question("forbidden", "a")).await.kind(), (403, "forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_is_wrong_is_named() {
    let scene = Scene::new().await;
    let good = question("a", "b");
    let with = |pointer: &str, value: Value| {
        let mut question = good.clone();
        *question.pointer_mut(pointer).unwrap() = value;
        question
    };
    let mut extra = good.clone();
    extra["colour"] = json!(true);
    let mut level = good.clone();
    level["level"] = json!("SOURCE");
    let mut format = good.clone();
    format["format"] = json!("open api");
    let mut root = good.clone();
    root["before"]["root"] = json!("other.yaml");
    for (question, pointer) in [
        (json!({"before": good["before"]}), ""),
        (extra, "/colour"),
        (level, "/level"),
        (format, "/format"),
        (root, "/before/root"),
        (with("/before", json!([])), "/before"),
        (with("/after/files", json!({})), "/after/files"),
        (with("/after/files", json!({"a": 7})), "/after/files/a"),
        (with("/after/files", json!({"": "a"})), "/after/files/"),
        (with("/after/files", json!({"/etc/a": "a"})), "/after/files/~1etc~1a"),
        (with("/after/files", json!({"../a": "a"})), "/after/files/..~1a"),
        (with("/after/files", json!({"a//b": "a"})), "/after/files/a~1~1b"),
        (with("/before/files", json!({"c:\\a": "a"})), "/before/files/c:\\a"),
        (with("/before/files", json!({"a\u{1b}": "a"})), "/before/files/a\u{1b}"),
        (with("/before/files", json!({"a".repeat(501): "a"})), &format!("/before/files/{}", "a".repeat(501))),
    ] {
        assert_eq!(scene.compare(&question).await.problem(), (422, "validation-failed", pointer), "{question}");
    }
    assert_eq!(scene.house.call(VIEWER, &format!("POST {PATH}"), &[], "{").await.kind(), (400, "invalid-json"));
    assert_eq!(
        scene.house.post(VIEWER, &format!("{PATH}?color=red"), &good).await.problem(),
        (400, "invalid-parameter", "/query/color")
    );
    assert_eq!(
        scene.house.post(VIEWER, &format!("{PATH}?colour=true"), &good).await.kind(),
        (400, "invalid-parameter")
    );
    assert_eq!(scene.catalog.asked(), [], "nothing was asked for any of them");
    assert_eq!(scene.house.get(VIEWER, PATH).await.kind(), (405, "method-not-allowed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_comes_as_json_or_packed_and_in_no_other_way() {
    let scene = Scene::new().await;
    let text = question("openapi: 3.1.0", "openapi: 3.1.0").to_string();
    let packed = gzip::pack(text.as_bytes()).unwrap();
    let call = async |headers: &[(&str, &str)], body: &[u8]| {
        scene.house.call(VIEWER, &format!("POST {PATH}"), headers, body).await
    };
    for headers in [
        &[("content-type", "application/gzip")][..],
        &[("content-type", "application/x-gzip")],
        &[("content-type", "application/json; charset=utf-8"), ("content-encoding", "gzip")],
    ] {
        assert_eq!(call(headers, &packed).await.is(200)["verdict"], "identical", "{headers:?}");
    }
    let gzip = [("content-type", "application/gzip")];
    assert_eq!(call(&gzip, &packed[..packed.len() - 5]).await.kind(), (400, "invalid-json"));
    assert_eq!(call(&gzip, text.as_bytes()).await.kind(), (400, "invalid-json"));
    let plain = call(&[("content-type", "text/plain")], text.as_bytes()).await;
    assert_eq!(plain.problem(), (415, "unsupported-media-type", "/header/content-type"));
    let brotli = call(&[("content-encoding", "br")], text.as_bytes()).await;
    assert_eq!(brotli.problem(), (415, "unsupported-media-type", "/header/content-encoding"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_the_catalog_is_asked() {
    let scene = Scene::new().await;
    let send = async |packed: &[u8]| {
        scene.house.call(VIEWER, &format!("POST {PATH}"), &[("content-type", "application/gzip")], packed).await
    };
    // In members of a megabyte, so that nobody has to pack all of it.
    let pack = |text: &str| gzip::pack(text.as_bytes()).unwrap();
    let swelling = |megabytes: usize| {
        let (begin, end) = ("{\"before\":{\"files\":{\"a\":\"a\"}},\"after\":{\"files\":{\"b\":\"", "\"}}}");
        [pack(begin), pack(&"x".repeat(1024 * 1024)).repeat(megabytes), pack(end)].concat()
    };
    assert_eq!(send(&swelling(33)).await.problem(), (413, "too-large", "/after/files"));
    assert_eq!(send(&swelling(81)).await.kind(), (413, "too-large"));
    let files: serde_json::Map<String, Value> =
        (0..2_001).map(|number| (format!("{number}.yaml"), json!(""))).collect();
    let many = json!({"before": {"files": files}, "after": {"files": {"a": "a"}}});
    assert_eq!(send(&pack(&many.to_string())).await.problem(), (413, "too-large", "/before/files"));
    assert_eq!(scene.catalog.asked(), []);
    // What the catalog finds too large.
    assert_eq!(scene.compare(&question("a", "swollen")).await.problem(), (413, "too-large", "/after/files/pets.yaml"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_refused_is_named_with_its_side_its_file_and_its_line() {
    let scene = Scene::new().await;
    let answer = scene.compare(&question("fine", "broken")).await;
    assert_eq!(answer.problem(), (422, "document-invalid", "/after/files/pets.yaml"));
    assert_eq!(answer.body["errors"][0]["line"], 3);
    assert_eq!(answer.body["errors"][0]["detail"], "this is broken (at `/paths`)");
    assert_eq!(answer.body["detail"], "/after: pets.yaml, line 3, column 1: this is broken");
    let several =
        json!({"before": {"files": {"a/x.yaml": "", "y.yaml": "broken"}}, "after": {"files": {"pets.yaml": "broken"}}});
    let answer = scene.compare(&several).await;
    assert_eq!(answer.problem(), (422, "document-invalid", "/before/files/y.yaml /after/files/pets.yaml"));
    assert_eq!(
        scene.compare(&question("unknown", "fine")).await.problem(),
        (422, "format-unknown", "/before/files/pets.yaml")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_two_families_are_not_compared() {
    let scene = Scene::new().await;
    let answer = scene.compare(&question("openapi", "graphql")).await;
    assert_eq!(answer.problem(), (422, "validation-failed", "/after"));
    assert!(answer.text("/detail").contains("GraphQL") && answer.text("/detail").contains("OpenAPI"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_catalog_nothing_is_compared_and_trying_again_may_help() {
    let scene = Scene::new().await;
    // It answers something that is no surface.
    assert_eq!(scene.compare(&question("fine", "damaged")).await.kind(), (503, "unavailable"));
    scene.catalog.goes_away();
    let answer = scene.compare(&question("a", "a")).await;
    assert_eq!((answer.kind(), answer.headers["retry-after"].as_str()), ((503, "unavailable"), "1"));
}
