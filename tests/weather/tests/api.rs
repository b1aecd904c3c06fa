//! The upstream over a socket, as the gateway meets it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail like tests"
)]

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use weather::Weather;

/// Status and body of one request.
async fn ask(weather: &Weather, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", weather.port())).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: weather\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is broken off on demand is no failure of the test.
    let _read = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn the_same_call_gets_the_same_weather() {
    let weather = Weather::start(0).await.unwrap();
    let first = ask(&weather, "GET", "/forecast/oslo?days=1", "").await;
    assert_eq!(first.0, 200);
    assert_eq!(first.1, r#"{"city":"oslo","units":"celsius","days":[{"day":0,"high":8,"low":5,"sky":"clear"}]}"#);
    assert_eq!(ask(&weather, "GET", "/forecast/oslo?days=1", "").await, first);
    assert_eq!(ask(&weather, "GET", "/forecast/atlantis", "").await.0, 404);
    assert_eq!(ask(&weather, "GET", "/forecast/oslo?days=15", "").await.0, 400);
    assert_eq!((weather.calls(), weather.calls_of("/forecast/oslo")), (4, 3));
    weather.stop().await;
}

#[tokio::test]
async fn observations_are_kept() {
    let weather = Weather::start(0).await.unwrap();
    let seen = r#"{"station":"oslo-hovin","observed_at":"2026-01-01T00:00:00Z","temperature_celsius":-3.5}"#;
    assert_eq!(ask(&weather, "POST", "/observations", seen).await.0, 201);
    assert_eq!(ask(&weather, "POST", "/observations", &seen.replace("hovin", "none")).await.0, 422);
    assert_eq!(
        ask(&weather, "GET", "/observations", "").await,
        (200, r#"{"observations":[{"id":1,"observed_at":"2026-01-01T00:00:00Z","station":"oslo-hovin","temperature_celsius":-3.5}]}"#.to_owned())
    );
    weather.stop().await;
}

#[tokio::test]
async fn it_fails_dawdles_breaks_off_and_echoes_on_demand() {
    let weather = Weather::start(0).await.unwrap();
    for status in [200, 404, 500, 503] {
        assert_eq!(ask(&weather, "GET", &format!("/failures/{status}"), "").await.0, status);
    }
    let begun = std::time::Instant::now();
    assert_eq!(ask(&weather, "GET", "/slow?delay_ms=60", "").await.0, 200);
    assert!(begun.elapsed().as_millis() >= 60);
    let (status, body) = ask(&weather, "GET", "/drop", "").await;
    assert_eq!((status, body.as_str()), (200, "{"), "a body of 1,000 bytes was promised");
    let (_, echo) = ask(&weather, "PUT", "/echo/a%20b?c=d", "body").await;
    assert!(
        echo.contains(r#""path":"/echo/a%20b","query":"c=d""#) && echo.contains(r#""body":"body","body_bytes":4"#),
        "{echo}"
    );
    weather.stop().await;
}
