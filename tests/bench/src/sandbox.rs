//! One process of a function on a Runtime API of its own, one invocation after the other.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// What one call may take here: under valgrind everything is fifty times slower.
const PATIENCE: Duration = Duration::from_mins(2);

/// An answer, and when it came.
#[derive(Debug)]
pub struct Answer {
    /// The function's answer.
    pub body: Bytes,
    /// When it was received.
    pub at: Instant,
}

impl Answer {
    /// The HTTP status in it.
    pub fn status(&self) -> u64 {
        let answer: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        answer["statusCode"]
            .as_u64()
            .unwrap_or_else(|| panic!("no HTTP answer: {}", String::from_utf8_lossy(&self.body)))
    }
}

struct Api {
    payloads: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    answers: mpsc::UnboundedSender<Result<Answer, String>>,
    count: AtomicU64,
}

/// A running process.
pub struct Sandbox {
    /// When it was started.
    pub started: Instant,
    child: Child,
    payloads: mpsc::UnboundedSender<Bytes>,
    answers: mpsc::UnboundedReceiver<Result<Answer, String>>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Starts a program with this environment and nothing else; what it prints goes into the log.
    pub async fn start(program: &[String], environment: &BTreeMap<String, String>, log: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (payloads, waiting) = mpsc::unbounded_channel();
        let (given, answers) = mpsc::unbounded_channel();
        let api = Arc::new(Api { payloads: Mutex::new(waiting), answers: given, count: AtomicU64::new(0) });
        let server = tokio::spawn(serve(listener, api));
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(&program[0]);
        command
            .args(&program[1..])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_LAMBDA_FUNCTION_NAME", "measured")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "measured")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "measured")
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program[0]));
        Self { started, child, payloads, answers, server }
    }

    /// Hands it a payload and waits for the answer.
    pub async fn invoke(&mut self, payload: Bytes) -> Answer {
        self.payloads.send(payload).unwrap();
        let answer = tokio::select! {
            answer = self.answers.recv() => answer,
            status = self.child.wait() => panic!("the function ended: {status:?}"),
            () = tokio::time::sleep(PATIENCE) => panic!("no answer in {} s", PATIENCE.as_secs()),
        };
        answer.expect("the runtime API").unwrap_or_else(|error| panic!("the function failed: {error}"))
    }

    /// The most memory that the process ever had, in kilobytes.
    pub fn memory_kb(&self) -> u64 {
        peak_bytes(self.child.id().unwrap()) / 1_024
    }

    /// The processor time that it has used so far, user and system.
    pub fn processor(&self) -> Duration {
        processor(self.child.id().unwrap())
    }

    /// Ends it in order (SIGTERM), and waits until it is gone.
    pub async fn end(mut self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().await.unwrap();
        self.server.abort();
    }

    /// Ends it at once.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
        self.server.abort();
    }
}

/// The most memory that a process ever had (`VmHWM`); 0 when it is gone.
pub fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|peak| peak.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

/// The processor time that a process has used so far, user and system, without its children's.
pub fn processor(pid: u32) -> Duration {
    used(&Path::new("/proc").join(pid.to_string()))
}

/// The same of whatever has a folder in `/proc`. Only `/proc/{pid}/task/{thread}` is of one thread.
pub fn used(folder: &Path) -> Duration {
    /// `USER_HZ` is 100 on every Linux that there is.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = behind_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap_or(0)).sum::<u32>();
    TICK * ticks
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(&api, request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(api: &Api, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let mut response = Response::new(Full::new(Bytes::new()));
    if method == Method::GET && path.ends_with("/invocation/next") {
        let Some(payload) = api.payloads.lock().await.recv().await else { std::future::pending().await };
        let deadline = SystemTime::now() + PATIENCE;
        let headers = response.headers_mut();
        let id = format!("00000000-0000-4000-8000-{:012}", api.count.fetch_add(1, Ordering::Relaxed));
        headers.insert("lambda-runtime-aws-request-id", id.parse().unwrap());
        let ms = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
        headers.insert("lambda-runtime-deadline-ms", ms.to_string().parse().unwrap());
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:measured";
        headers.insert("lambda-runtime-invoked-function-arn", arn.parse().unwrap());
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
        headers.insert("lambda-runtime-trace-id", trace.parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        *response.body_mut() = Full::new(payload);
    } else if path.ends_with("/extension/event/next") {
        std::future::pending::<()>().await;
    } else {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if path.ends_with("/response") {
            let _ = api.answers.send(Ok(Answer { body, at: Instant::now() }));
            *response.status_mut() = StatusCode::ACCEPTED;
        } else if path.ends_with("/extension/register") {
            response.headers_mut().insert("lambda-extension-identifier", "measured".parse().unwrap());
            let function = r#"{"functionName": "measured", "functionVersion": "1", "handler": "bootstrap"}"#;
            *response.body_mut() = Full::from(function);
        } else {
            let _ = api.answers.send(Err(format!("{path}: {}", String::from_utf8_lossy(&body))));
            *response.status_mut() = StatusCode::ACCEPTED;
        }
    }
    Ok(response)
}
