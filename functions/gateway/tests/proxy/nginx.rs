//! Odd requests, side by side with nginx before the same upstream: what the upstream saw, and what the caller got. Where the door does
//! otherwise, the difference and its reason stand here. The door gets what API Gateway makes of a request: the path decoded, a header
//! that comes twice joined.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use percent_encoding::percent_decode_str;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::scene::{Deed, Scene, answer};

/// nginx as Debian has it, before an upstream.
struct Nginx {
    folder: TempDir,
}

impl Nginx {
    fn command(folder: &Path) -> Command {
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("conf")).arg("-e").arg(folder.join("log"));
        command
    }

    /// It listens when the command that starts it has ended.
    fn before(upstream: std::net::SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let spools: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", at(kind)))
            .concat();
        let conf = format!(
            "master_process off;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{spools}\
             large_client_header_buffers 8 64k;\nproxy_buffer_size 64k;\nproxy_buffers 8 64k;\nproxy_busy_buffers_size 128k;\n\
             server {{\nlisten unix:{};\nlocation / {{\nproxy_pass http://{upstream};\nproxy_http_version 1.1;\n}}\n}}\n}}\n",
            at("pid"),
            at("socket"),
        );
        std::fs::write(folder.path().join("conf"), conf).unwrap();
        let started = Self::command(folder.path()).status().expect("nginx is installed");
        assert!(started.success(), "{}", std::fs::read_to_string(folder.path().join("log")).unwrap_or_default());
        Self { folder }
    }

    /// One request on a connection of its own: the answer's status, headers and the length of its body.
    async fn call(&self, request: &Request) -> (u16, Headers) {
        let mut stream = UnixStream::connect(self.folder.path().join("socket")).await.unwrap();
        let mut bytes = format!("{} HTTP/1.1\r\nHost: nginx\r\n", request.line).into_bytes();
        let closing = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection"));
        for (name, value) in &request.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(if closing { b"" } else { b"Connection: close\r\n" });
        if !request.body.is_empty() {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", request.body.len()).as_bytes());
        }
        bytes.extend_from_slice(&[b"\r\n", request.body].concat());
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let text: String = answer.iter().map(|byte| char::from(*byte)).collect();
        let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, headers(head.lines().skip(1).filter_map(|line| line.split_once(':'))))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Self::command(self.folder.path()).args(["-s", "stop"]).status();
    }
}

type Headers = BTreeMap<String, String>;

/// By name; a header that comes twice is the same as one with both values (RFC 9110, 5.3).
fn headers<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in lines {
        let joined = headers.entry(name.to_lowercase()).or_default();
        for part in value.split(',').map(str::trim) {
            joined.push_str(if joined.is_empty() { "" } else { "," });
            joined.push_str(part);
        }
    }
    headers
}

#[derive(Default)]
struct Request {
    line: &'static str,
    headers: Vec<(String, String)>,
    body: &'static [u8],
    /// What the upstream answers; 200 where nothing is said.
    answer: Option<Vec<u8>>,
}

impl Request {
    fn new(line: &'static str, own: &[(&str, &str)]) -> Self {
        let headers = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { line, headers, ..Self::default() }
    }

    fn answered(line: &'static str, status: &str, headers: &str) -> Self {
        let bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n\r\n").into_bytes();
        Self { answer: Some(bytes), ..Self::new(line, &[]) }
    }
}

/// What every proxy says for itself, and what the tests' own door adds.
fn is_own(name: &str) -> bool {
    let own = ["host", "connection", "via", "x-request-id", "authorization", "content-type", "date", "server"];
    own.contains(&name) || name.starts_with("x-forwarded-") || name.starts_with("ratelimit")
}

/// The status, what the upstream saw, and what came back of its headers.
fn outcome(status: u16, answered: &Headers, seen: &[String], is_head: bool) -> String {
    let told = |headers: &Headers| {
        let kept = headers.iter().filter(|(name, _)| !is_own(name));
        kept.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let Some(head) = seen.first() else { return format!("{status} by itself") };
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
    let sent = headers(head.lines().skip(1).filter_map(|line| line.split_once(':')));
    let mut answered = answered.clone();
    // Of a body that is there everybody tells the length in a way of their own.
    if !is_head {
        answered.remove("content-length");
    }
    answered.remove("transfer-encoding");
    format!("{status} {line} [{}] [{}]", told(&sent), told(&answered))
}

async fn both(scene: &Scene, nginx: &Nginx, request: &Request) -> (String, String) {
    let is_head = request.line.starts_with("HEAD");
    let deed = || match &request.answer {
        Some(bytes) => Deed::Answer(bytes.clone()),
        None if is_head => Deed::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n".to_vec()),
        None => answer("200 OK", "x-a: 1", b"hi"),
    };
    scene.upstream.will([deed()]);
    let (status, answered) = nginx.call(request).await;
    let seen = scene.upstream.got();
    let theirs = outcome(status, &answered, &seen, is_head);
    if seen.is_empty() {
        scene.upstream.forget();
    }

    scene.upstream.will([deed()]);
    let (path, query) = request.line.split_once('?').map_or((request.line, None), |(path, query)| (path, Some(query)));
    let mut line = percent_decode_str(path).decode_utf8().unwrap().into_owned();
    if let Some(query) = query {
        line = format!("{line}?{query}");
    }
    let joined = headers(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let joined: Vec<(&str, &str)> = joined.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let got = scene.call_with(&line, &joined, Some(request.body)).await;
    let seen = scene.upstream.got();
    let answered = headers(got.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let ours = outcome(got.status, &answered, &seen, is_head);
    if seen.is_empty() {
        scene.upstream.forget();
    }
    (theirs, ours)
}

#[tokio::test]
#[ignore = "needs nginx; `cargo ci` runs it where that is installed"]
async fn what_nginx_hands_on_is_handed_on() {
    let scene = Scene::new().await;
    let nginx = Nginx::before(scene.upstream.address);
    let many: Vec<(String, String)> = (0..200).map(|n| (format!("x-{n:03}"), "v".to_owned())).collect();
    let long: &'static str = format!("GET /things/1?q={}", "a".repeat(8_000)).leak();
    let mut same = vec![
        Request::new("HEAD /things/1", &[]),
        Request::new("DELETE /things/1", &[]),
        Request::new("GET /things/1", &[("X-Twice", "a"), ("X-Twice", "b")]),
        Request::new("GET /things/1", &[("X-Empty", ""), ("X-Quote", "\"a;b\", c=d")]),
        Request::new("GET /things/1", &[("Keep-Alive", "timeout=5"), ("Upgrade", "h2c"), ("TE", "trailers")]),
        Request { body: b"why not", ..Request::new("GET /things/1", &[]) },
        Request { body: b"continue", ..Request::new("POST /things/1", &[("Expect", "100-continue")]) },
        Request::new("GET /things/a%20b", &[]),
        Request::new("GET /things/caf%C3%A9", &[]),
        Request::new("GET /things/100%25", &[]),
        Request::new("GET /things/a;b=c,d@e:f&g", &[]),
        Request::new("GET /things/...", &[]),
        Request::new("GET /things/1?a=%2F&b=+&c", &[]),
        Request::new("GET /things/1???a[]=1", &[]),
        Request::new(long, &[]),
        Request { headers: many, ..Request::new("GET /things/1", &[]) },
        Request::answered("GET /things/1", "204 No Content", "etag: \"x\""),
        Request::answered("GET /things/1", "304 Not Modified", "etag: \"x\""),
        Request::answered("GET /things/1", "418 I'm a teapot", "content-length: 0\r\nx-twice: a\r\nx-twice: b"),
        Request::answered("GET /things/1", "299 Odd", "content-length: 0\r\nx-empty:"),
        Request::answered("GET /things/1", "302 Found", "content-length: 0\r\nlocation: /elsewhere"),
    ];
    for request in same.drain(..) {
        let (theirs, ours) = both(&scene, &nginx, &request).await;
        assert!(theirs.contains(" /things/"), "{}: nginx handed nothing on: {theirs}", request.line);
        assert_eq!(ours, theirs, "{}", request.line);
    }
}

#[tokio::test]
#[ignore = "needs nginx; `cargo ci` runs it where that is installed"]
async fn where_the_door_does_otherwise_than_nginx_there_is_a_reason() {
    let scene = Scene::new().await;
    let nginx = Nginx::before(scene.upstream.address);
    let (plain, refused) = ("200 GET /things/1 [] [x-a=1]", "by itself");
    let latin =
        [&b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\nx-latin: caf\xe9\r\n\r\n"[..]].concat();
    for (reason, request, theirs, ours) in [
        (
            "only the operations of the API's document are there",
            Request::new("PURGE /things/1", &[]),
            "200 PURGE /things/1 [] [x-a=1]",
            "405 by itself",
        ),
        (
            "a method's name has its case (RFC 9110, 9.1), and the document has no `get`",
            Request::new("get /things/1", &[]),
            "400 by itself",
            "405 by itself",
        ),
        (
            "API Gateway decodes paths: what an upstream could read as another path goes nowhere",
            Request::new("GET /things/%2e%2e", &[]),
            "200 GET /things/%2e%2e [] [x-a=1]",
            "404 by itself",
        ),
        ("the same", Request::new("GET /things/a/../b", &[]), "200 GET /things/a/../b [] [x-a=1]", "404 by itself"),
        ("the same", Request::new("GET /things/a%2Fb", &[]), "200 GET /things/a%2Fb [] [x-a=1]", "404 by itself"),
        (
            "API Gateway decodes paths: the character comes, in another spelling that means the same (RFC 3986, 3.3)",
            Request::new("GET /things/a%2Bb", &[]),
            "200 GET /things/a%2Bb [] [x-a=1]",
            "200 GET /things/a+b [] [x-a=1]",
        ),
        (
            "what `Connection` names ends here (RFC 9110, 7.6.1)",
            Request::new("GET /things/1", &[("Connection", "close, X-Hop"), ("X-Hop", "1")]),
            "200 GET /things/1 [x-hop=1] [x-a=1]",
            plain,
        ),
        (
            "proxy credentials are for the proxy that is asked (RFC 9110, 11.7.2)",
            Request::new("GET /things/1", &[("Proxy-Authorization", "Basic eDp5")]),
            "200 GET /things/1 [proxy-authorization=Basic eDp5] [x-a=1]",
            plain,
        ),
        (
            "a header's name may have an underscore (RFC 9110, 5.1); nginx drops it for the sake of CGI",
            Request::new("GET /things/1", &[("x_under", "1")]),
            plain,
            "200 GET /things/1 [x_under=1] [x-a=1]",
        ),
        (
            "Lambda answers in JSON: a value that is no UTF-8 has no place in it",
            Request { answer: Some(latin), ..Request::new("GET /things/1", &[]) },
            "200 GET /things/1 [] [x-latin=caf\u{e9}]",
            "200 GET /things/1 [] []",
        ),
        (
            "Lambda answers with a status from 200 to 599",
            Request::answered("POST /things/1", "999 Far beyond", "content-length: 0"),
            "999 POST /things/1 [] []",
            "502 POST /things/1 [] [cache-control=no-store]",
        ),
    ] {
        let both = both(&scene, &nginx, &request).await;
        assert_eq!(both, (theirs.to_owned(), ours.to_owned()), "{}: {reason}", request.line);
        assert!(both.0 != both.1 && (ours.contains(refused) || ours.contains("/things/")), "{reason}");
    }
}
