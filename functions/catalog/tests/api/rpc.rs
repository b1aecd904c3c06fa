//! Protocol Buffers: a `.proto` file or an archive of them, as a version and as a surface; methods told to the door with their bindings.

use std::net::TcpListener;

use house::Who;
use serde_json::{Value, json};
use shared::event::RoutesState;
use shared::principal::Role;
use shared::surface::Surface;

use crate::{House, member, new, upload};

const SHOP: &str = r#"// The shop.
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";

message Order { string name = 1; }

service Orders {
  // Gets one order.
  rpc Get(Order) returns (Order) {
    option (google.api.http) = { get: "/v1/{name=orders/*}" };
  }
  rpc Watch(Order) returns (stream Order) { option deprecated = true; }
}
"#;

async fn made(house: &House, who: Who<'_>) {
    house.post(who, "/v1/catalog/apis", &json!({"slug": "shop", "name": "Shop"})).await.is(201);
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proto_file_is_a_version_whose_methods_are_listed_found_and_told_to_the_door() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    made(&house, who).await;
    let version = upload(&house, who, "shop", "1", SHOP.as_bytes()).await.is(201);
    for (field, value) in [
        ("format", json!("protobuf")),
        ("format_version", json!("proto3")),
        ("syntax", json!("protobuf")),
        ("title", json!("shop.v1")),
        ("document_version", json!("v1")),
        ("operations", json!(2)),
        ("warnings", json!([])),
    ] {
        assert_eq!(version[field], value, "{field}");
    }
    let document = house.get(who, "/v1/catalog/apis/shop/versions/1/document").await;
    assert_eq!((document.bytes.as_slice(), &*document.headers["content-type"]), (SHOP.as_bytes(), "text/x-protobuf"));
    let operations = house.get(who, "/v1/catalog/apis/shop/versions/1/operations").await.is(200);
    assert_eq!(
        operations["items"],
        json!([
            {"id": "shop.v1.Orders/Get", "method": "POST", "path": "/shop.v1.Orders/Get", "bindings": [{"method": "GET", "path": "/v1/orders/{name}"}], "summary": "Gets one order.", "deprecated": false, "line": 10},
            {"id": "shop.v1.Orders/Watch", "method": "POST", "path": "/shop.v1.Orders/Watch", "summary": "", "deprecated": true, "line": 13},
        ])
    );
    let shown = house.get(who, "/v1/catalog/apis/shop/versions/1/surface").await;
    let read = house.call(who, "POST /v1/catalog/surfaces", &[("content-type", "text/plain")], SHOP.as_bytes()).await;
    assert_eq!((shown.status, read.status), (200, 200));
    let surface = Surface::unpack(&shown.bytes).unwrap();
    assert_eq!(Surface::unpack(&read.bytes).unwrap(), surface);
    assert_eq!(surface.operations.len(), 2);
    let hits = house.all(who, "/v1/catalog/search?q=gets%20order", 50).await;
    assert_eq!(hits[0]["id"], "shop.v1.Orders/Get");

    house.post(who, "/v1/catalog/apis/shop/versions/1/publish", &json!({})).await.is(200);
    let heard = house.door.heard();
    let routes: Vec<String> = heard
        .iter()
        .filter_map(|event| event.state::<RoutesState>().ok().flatten())
        .flat_map(|part| part.routes)
        .map(|route| format!("{} {} {} {}", route.n, route.method, route.path, route.operation))
        .collect();
    assert_eq!(
        routes,
        [
            "0 POST /shop.v1.Orders/Get shop.v1.Orders/Get",
            "0 GET /v1/orders/{name} shop.v1.Orders/Get",
            "1 POST /shop.v1.Orders/Watch shop.v1.Orders/Watch",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_proto_files_is_read_whole_or_from_its_root() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    made(&house, who).await;
    let more = "syntax = \"proto3\";\npackage shop.v1;\nimport \"shop.proto\";\nservice More { rpc Add(Order) returns (Order); }\n";
    let archive = tar(&[("api/more.proto", more), ("api/shop.proto", SHOP), ("README.md", "# Shop")]);
    let version = upload(&house, who, "shop", "1", &archive).await.is(201);
    assert_eq!(
        (&version["operations"], &version["syntax"], &version["warnings"]),
        (&json!(3), &json!("tar"), &json!([]))
    );
    let line = "POST /v1/catalog/apis/shop/versions?version=2&root=api/more.proto&format=protobuf";
    let version = house.call(who, line, &[], archive.as_slice()).await.is(201);
    assert_eq!(version["operations"], 1);
    let shown = house.get(who, "/v1/catalog/apis/shop/versions/2/surface").await;
    let surface = Surface::unpack(&shown.bytes).unwrap();
    assert_eq!((surface.operations.len(), &*surface.operations[0].id), (1, "shop.v1.More/Add"));
    let document = house.get(who, "/v1/catalog/apis/shop/versions/2/document").await;
    assert_eq!(document.bytes, archive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_proto_file_is_refused_with_its_line_and_a_missing_import_is_a_warning() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    made(&house, who).await;
    let broken = SHOP.replace("string name = 1;", "string name = ;");
    let answer = upload(&house, who, "shop", "1", broken.as_bytes()).await;
    assert_eq!(answer.kind(), (422, "document-invalid"));
    assert_eq!(answer.body["errors"][0]["line"], 6);
    assert_eq!(house.all(who, "/v1/catalog/apis/shop/versions", 50).await, [Value::Null; 0]);
    // What the sender says goes before what it looks like.
    let line = "POST /v1/catalog/surfaces?filename=shop.yaml";
    assert_eq!(house.call(who, line, &[], SHOP.as_bytes()).await.status, 422);
    let line = "POST /v1/catalog/surfaces?filename=shop.yaml&format=protobuf";
    assert_eq!(house.call(who, line, &[], SHOP.as_bytes()).await.status, 200);
    let answer = house.call(who, "POST /v1/catalog/surfaces?format=thrift", &[], SHOP.as_bytes()).await;
    assert_eq!(answer.kind(), (422, "format-unknown"));
    assert!(answer.body["detail"].as_str().unwrap().contains("Protocol Buffers of proto2, proto3"), "{}", answer.body);

    // Nobody is asked for what is imported.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for target in [format!("http://127.0.0.1:{port}/a.proto"), "file:///etc/passwd".into(), "/etc/passwd".into()] {
        let text =
            format!("syntax = \"proto3\";\npackage a;\nimport \"{target}\";\nmessage M {{ a.Gone gone = 1; }}\n");
        let answer = house.call(who, "POST /v1/catalog/surfaces", &[], text.as_bytes()).await.is(200);
        let warnings: Vec<(&Value, &Value)> =
            answer["warnings"].as_array().unwrap().iter().map(|one| (&one["code"], &one["line"])).collect();
        assert_eq!(
            warnings,
            [(&json!("unresolved-import"), &json!(3)), (&json!("unresolved-type"), &json!(4))],
            "{target}"
        );
    }
    assert!(listener.accept().is_err(), "somebody came");
}
