//! `cargo dev`: builds the functions, starts the whole system from template.yaml, makes the demo, and runs until it is interrupted.

mod options;

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use cloud::Cloud;
use dev::{
    complain,
    demo::{self, Demo},
    say, seed,
    workspace::{self, Profile},
};
use options::{Command, Options};
use tokio::signal::unix::{SignalKind, signal};
use weather::Weather;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            say(options::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(reason) => {
            complain(&reason);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cargo dev: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    // Before minutes of building, not after them.
    free(options.port)?;
    let data = std::path::absolute(&options.data)?;
    let _lock = lock(&data)?;
    let _stale = fs::remove_file(data.join("dev.json"));

    let started = Instant::now();
    say("building the functions");
    let binaries = workspace::build(if options.release { Profile::Release } else { Profile::Dev })?;
    say(&format!("built in {:.1} s", started.elapsed().as_secs_f64()));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(options, &data, binaries))
}

async fn serve(options: &Options, data: &Path, binaries: PathBuf) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let started = Instant::now();
    let cloud = Cloud::start(cloud::Options {
        template: workspace::root().join("template.yaml"),
        binaries,
        data: data.to_path_buf(),
        port: options.port,
        // The demo's upstream lives on this machine.
        parameters: BTreeMap::from([("LocalUpstreams".to_owned(), "127.0.0.0/8".to_owned())]),
        ..cloud::Options::default()
    })
    .await?;
    say(&format!("started in {:.1} s", started.elapsed().as_secs_f64()));
    environments(data, &cloud)?;

    let ended = tokio::select! {
        ended = live(options, data, &cloud) => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    say("\nstopping");
    cloud.stop().await;
    ended
}

/// Never ends well by itself: only an interruption ends it.
async fn live(options: &Options, data: &Path, cloud: &Cloud) -> Result<(), Failure> {
    let ready = data.join("dev.json");
    if options.empty {
        demo::write_private(
            &ready,
            serde_json::json!({ "url": cloud.url(), "operator_url": cloud.lambda_endpoint() }).to_string().as_bytes(),
        )?;
        say(&empty(cloud, &ready));
        return std::future::pending().await;
    }
    // Keeps what is shown only once; dev.json says in addition that the system is up.
    let memory = data.join("demo.json");
    let known = Demo::load(&memory)?;
    let upstream = upstream(&known).await?;
    let demo = seed::demo(cloud, &upstream.url(), known, |demo| demo.save(&memory)).await?;
    demo.save(&ready)?;
    say(&guide(&demo, &ready));
    std::future::pending().await
}

/// Writes the variables with which each function runs by hand beside this system, on its own table:
/// `cargo lambda watch --env-file .doorway/env/gateway.env`.
fn environments(data: &Path, cloud: &Cloud) -> Result<(), Failure> {
    let folder = data.join("env");
    fs::create_dir_all(&folder)?;
    for function in workspace::functions()? {
        let variables = cloud.environment(&workspace::logical_id(&function)).unwrap_or_default();
        let lines: String = variables.iter().flat_map(|(name, value)| [name.as_str(), "=", value, "\n"]).collect();
        demo::write_private(&folder.join(format!("{function}.env")), lines.as_bytes())?;
    }
    Ok(())
}

/// The weather API, on the port that it had before if that is free.
async fn upstream(known: &Demo) -> io::Result<Weather> {
    let port = known.upstream_url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    match Weather::start(port).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Weather::start(0).await,
        other => other,
    }
}

fn free(port: u16) -> Result<(), Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| {
        format!(
            "port {port} of 127.0.0.1 cannot be had ({error}); choose another: cargo dev --port {}",
            port.saturating_add(100)
        )
        .into()
    })
}

/// Two at once would ruin the data.
fn lock(data: &Path) -> Result<File, Failure> {
    fs::create_dir_all(data).map_err(|error| format!("the data folder {} cannot be made: {error}", data.display()))?;
    let file = File::create(data.join("dev.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(format!("another cargo dev uses {}; choose another folder: cargo dev --data DIR", data.display())
                .into())
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn guide(demo: &Demo, ready: &Path) -> String {
    let Demo { url, organization, token, consumer, key, call_url, subscription, .. } = demo;
    format!(
        "
Doorway is up at {url}   (Ctrl-C stops it, the data stays)

The provider {organization} sells the API weather; its owner's token:
  {token}
The consumer {} bought it; its owner's token:
  {}

A metered call:
  curl -i -H 'Authorization: Bearer {key}' {call_url}
What it counted, and what is owed, a few seconds later:
  curl -H 'Authorization: Bearer {}' '{url}/v1/usage?subscription={subscription}'
  curl -H 'Authorization: Bearer {}' '{url}/v1/billing/preview?subscription={subscription}'

The documents of all functions: {url}/v1/openapi.json
All this for scripts: {}   What the functions say: the folder logs beside it
",
        consumer.organization,
        consumer.token,
        consumer.token,
        consumer.token,
        ready.display()
    )
}

fn empty(cloud: &Cloud, ready: &Path) -> String {
    let (url, operator) = (cloud.url(), cloud.lambda_endpoint());
    format!(
        "
Doorway is up at {url}   (Ctrl-C stops it, the data stays)

It is empty. An operator makes the first organization, and gets its owner's token:
  curl -d '{{\"operator\":\"create_organization\",\"slug\":\"acme\",\"name\":\"Acme\",\"owner\":{{\"name\":\"Ada\",\"email\":\"ada@example.com\"}}}}' \\
    {operator}/2015-03-31/functions/Accounts/invocations

The documents of all functions: {url}/v1/openapi.json
For scripts: {}
",
        ready.display()
    )
}
