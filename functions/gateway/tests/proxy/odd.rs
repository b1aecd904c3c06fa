//! Requests and answers as the world makes them, too: what nginx hands on is handed on, and what may be read two ways is not.

use crate::scene::{Deed, Scene, answer};
use crate::{is, outcome};

#[tokio::test]
async fn a_path_is_handed_on_as_one_can_read_it_and_not_at_all_if_one_can_read_it_two_ways() {
    let scene = Scene::new().await;
    // API Gateway hands paths over decoded.
    for (path, sent) in [
        ("/things/1", "/things/1"),
        ("/things/ä b", "/things/%C3%A4%20b"),
        ("/things/100%", "/things/100%25"),
        ("/things/%2e%2e", "/things/%252e%252e"),
        ("/things/a;b=c,d", "/things/a;b=c,d"),
        ("/things/a+b&c=d@e:f", "/things/a+b&c=d@e:f"),
        ("/things/<\"{|}>^`", "/things/%3C%22%7B%7C%7D%3E%5E%60"),
        ("/things/...", "/things/..."),
        ("/things/1#2", "/things/1%232"),
    ] {
        assert_eq!(scene.call(&format!("GET {path}")).await.status, 200, "{path}");
        let head = scene.upstream.got().remove(0);
        assert_eq!(head.lines().next().unwrap(), format!("GET {sent} HTTP/1.1"));
    }
    for path in [
        "/things/..",
        "/things/.",
        "/things/..;x",
        "/things/a/b",
        "/things/a\\b",
        "/things/\0",
        "/things//1",
        "//things/1",
        "/things/1/",
    ] {
        assert_eq!(outcome(&scene.call(&format!("GET {path}")).await), is(404, "not-found"), "{path}");
    }
    for (query, sent) in [("a=%2F&b=+&c", "?a=%2F&b=+&c"), ("a[]=1&ä={}", "?a[]=1&%C3%A4=%7B%7D"), ("??", "???")] {
        assert_eq!(scene.call(&format!("GET /things/1?{query}")).await.status, 200, "{query}");
        let head = scene.upstream.got().remove(0);
        assert_eq!(head.lines().next().unwrap(), format!("GET /things/1{sent} HTTP/1.1"));
    }
}

#[tokio::test]
async fn methods_and_bodies_that_are_rare_are_what_they_are() {
    let scene = Scene::new().await;
    for method in ["PATCH", "OPTIONS", "TRACE", "CONNECT", "PURGE", "get"] {
        let refused = scene.call(&format!("{method} /things/1")).await;
        assert_eq!(outcome(&refused), is(405, "method-not-allowed"), "{method}");
        assert_eq!(refused.headers["allow"], "DELETE, GET, POST, PUT");
    }
    // The GET that the document has, without its body (RFC 9110, 9.3.2).
    scene.upstream.will([Deed::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n".to_vec())]);
    let head = scene.call("HEAD /things/1").await;
    assert_eq!((head.status, head.headers["content-length"].as_str(), head.bytes.len()), (200, "7", 0));
    assert!(scene.upstream.got()[0].starts_with("HEAD /things/1 "));
    // A body of a GET has no meaning, and is still the caller's.
    assert_eq!(scene.call_with("GET /things/1", &[], Some(b"why not")).await.status, 200);
    assert!(scene.upstream.got()[0].contains("\r\ncontent-length: 7\r\n"));
    for (status, line) in
        [(204, "204 No Content"), (304, "304 Not Modified"), (418, "418 I'm a teapot"), (299, "299 Odd")]
    {
        scene
            .upstream
            .will([Deed::Answer(format!("HTTP/1.1 {line}\r\netag: \"x\"\r\nConnection: close\r\n\r\n").into_bytes())]);
        let got = scene.call("GET /things/1").await;
        assert_eq!((got.status, got.headers["etag"].as_str()), (status, "\"x\""));
    }
    for status in ["101 Switching Protocols", "600 Beyond", "999 Far beyond"] {
        scene.upstream.will([answer(status, "x-a: 1", b"")]);
        assert_eq!(outcome(&scene.call("POST /things/1").await), is(502, "upstream-failed"), "{status}");
    }
}

#[tokio::test]
async fn many_headers_the_same_header_twice_and_bytes_that_are_no_text_pass() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..200).map(|n| format!("x-{n:03}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let lines: Vec<String> = names.iter().map(|name| format!("{name}: v")).collect();
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{}\r\nx-twice: a\r\nx-twice: b\r\n", lines.join("\r\n"))
            .into_bytes();
    bytes.extend_from_slice(
        b"x-latin: caf\xe9\r\nx-utf8: caf\xc3\xa9\r\nx-empty:\r\nContent-Length: 3\r\n\r\n\xff\xfe\x00",
    );
    scene.upstream.will([Deed::Answer(bytes)]);
    let got = scene.call_with("GET /things/1", &many, None).await;
    assert_eq!((got.status, got.bytes.as_slice()), (200, &b"\xff\xfe\x00"[..]));
    let head = scene.upstream.got().remove(0);
    for name in &names {
        assert!(head.contains(&format!("\r\n{name}: v\r\n")), "{name}");
        assert_eq!(got.headers.get(name).map(String::as_str), Some("v"), "{name}");
    }
    assert_eq!((got.headers["x-twice"].as_str(), got.headers["x-utf8"].as_str()), ("a, b", "café"));
    assert_eq!(got.headers["x-empty"], "");
    // Lambda's answer is JSON: what is no UTF-8 has no place in it.
    assert!(!got.headers.contains_key("x-latin"));
}
