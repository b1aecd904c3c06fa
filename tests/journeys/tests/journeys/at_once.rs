//! Several calls at a time in one process of the door, as on Lambda managed instances.

use std::fs;
use std::time::{Duration, Instant};

use dev::workspace;
use journeys::{Market, Offer, Platform, Settings, Upstream, alone};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An upstream that answers every request after this time.
async fn slow(within: Duration) -> Upstream {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream, within));
        }
    });
    Upstream::At(url)
}

async fn serve(mut stream: TcpStream, within: Duration) {
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|n| n > 0) {
        while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            read.drain(..end + 4);
            tokio::time::sleep(within).await;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.is_err() {
                return;
            }
        }
    }
}

/// One process of the door. The repository's template, with so many calls at once in it; as it is, if none are said.
fn one_process(at_once: Option<usize>) -> (Settings, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut template = fs::read_to_string(workspace::root().join("template.yaml")).unwrap();
    if let Some(at_once) = at_once {
        let place = "      CodeUri: target/lambda/gateway/\n";
        assert!(template.contains(place));
        let config = format!(
            "{place}      CapacityProviderConfig:\n        Arn: arn:aws:lambda:us-east-1:000000000000:capacity-provider:doors\n        PerExecutionEnvironmentMaxConcurrency: {at_once}\n"
        );
        template = template.replace(place, &config);
    }
    let file = folder.path().join("template.yaml");
    fs::write(&file, template).unwrap();
    (Settings { instances_max: 1, template: Some(file), ..Settings::default() }, folder)
}

/// Writes of the grant and calls counted in it.
fn grant(platform: &Platform, market: &Market) -> (u64, u64) {
    let key = json!({ "pk": { "S": market.subscription }, "sk": { "S": "G" } });
    let grant = platform.cloud().item("GatewayTable", &key).unwrap();
    let number = |name: &str| grant[name]["N"].as_str().unwrap().parse().unwrap();
    (number("v"), number("la"))
}

async fn market(platform: &Platform, upstream: Duration, admission: &str) -> Market {
    let quota = json!({ "calls": 10_000_000, "period": "month", "kind": "hard" });
    let offer = Offer {
        apis: vec![("weather", slow(upstream).await)],
        ..Offer::weather(json!({ "quota": quota, "admission": admission }))
    };
    platform.market_of(offer).await
}

/// So many calls at once; how long all of them took.
async fn together(platform: &Platform, market: &Market, calls: usize) -> Duration {
    let started = Instant::now();
    let answers = platform.send_all((0..calls).map(|_| market.call("/forecast/oslo"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", crate::tally(&answers));
    started.elapsed()
}

#[test]
fn eight_calls_at_once_in_one_process_take_one_upstreams_time_and_are_counted_exactly() {
    let (settings, _folder) = one_process(Some(8));
    alone(settings, async |platform| {
        for admission in ["exact", "leased"] {
            let market = market(platform, Duration::from_millis(200), admission).await;
            assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
            let mut quickest = Duration::MAX;
            for _ in 0..3 {
                quickest = quickest.min(together(platform, &market, 8).await);
            }
            assert!(quickest < Duration::from_millis(800), "{quickest:?}: not one after the other");
            assert_eq!(platform.cloud().processes("Gateway").len(), 1);
            platform.cloud().recycle("Gateway").await;
            assert_eq!(grant(platform, &market).1, 25);
            assert_eq!(market.usage(platform).await["admitted"], json!(25));
        }
    });
}

#[test]
fn without_the_setting_a_process_takes_one_call_after_the_other() {
    let (settings, _folder) = one_process(None);
    alone(settings, async |platform| {
        let market = market(platform, Duration::from_millis(100), "exact").await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        let took = together(platform, &market, 4).await;
        assert!(took >= Duration::from_millis(400), "{took:?}");
        assert_eq!(grant(platform, &market).1, 5);
    });
}

/// The table in `functions/gateway/README.md`.
#[test]
#[ignore = "measures for half a minute; it wants a quiet machine and binaries of the profile `local`"]
fn what_one_process_carries_with_several_calls_at_once() {
    for (at_once, admission) in
        [(None, "leased"), (Some(8), "leased"), (Some(32), "leased"), (None, "exact"), (Some(8), "exact")]
    {
        let (settings, _folder) = one_process(at_once);
        alone(settings, async |platform| {
            let market = market(platform, Duration::from_millis(50), admission).await;
            let callers = at_once.unwrap_or(1);
            for _ in 0..5 {
                together(platform, &market, callers).await;
            }
            let (before, started) = (grant(platform, &market), Instant::now());
            let mut calls = 0;
            while started.elapsed() < Duration::from_secs(5) {
                let all = (0..callers).map(async |_| {
                    for _ in 0..10 {
                        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
                    }
                });
                futures_util::future::join_all(all).await;
                calls += callers * 10;
            }
            let took = started.elapsed();
            let pid = platform.cloud().processes("Gateway")[0];
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let memory = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
            platform.cloud().recycle("Gateway").await;
            let after = grant(platform, &market);
            let calls_f = f64::from(u32::try_from(calls).unwrap());
            eprintln!(
                "{callers} at once, {admission}: {:.0} calls a second, {} writes for {calls} calls, {memory}",
                calls_f / took.as_secs_f64(),
                after.0 - before.0,
            );
        });
    }
}
