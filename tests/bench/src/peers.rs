//! Other doors, installed and set up to do what ours does: keep callers to a limit, and forward.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dev::client::{Call, Client};
use dev::tools;

/// The header that says who calls.
pub const KEY: &str = "x-api-key";
/// Calls that a caller may make a minute, where there is a limit.
pub const LIMIT: u32 = 100;

/// Which door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// nginx, `limit_req`: every instance counts by itself.
    Nginx,
    /// `HAProxy`, a stick table: every instance counts by itself.
    Haproxy,
    /// Envoy, the local rate limit: every instance counts by itself.
    Envoy,
    /// Traefik, counting in Redis: its instances count together.
    Traefik,
}

/// All of them.
pub const PEERS: [Peer; 4] = [Peer::Traefik, Peer::Envoy, Peer::Nginx, Peer::Haproxy];

/// What is installed.
#[derive(Debug)]
pub struct Installed(PathBuf);

/// Installs whatever is not there.
///
/// # Errors
/// What failed.
pub fn install() -> Result<Installed, String> {
    tools::debian(&[("nginx", "nginx"), ("haproxy", "haproxy"), ("redis-server", "redis-server")])?;
    tools::python("bench-peers", "tests/bench/peers.txt").map(Installed)
}

/// Running instances of a peer; they end with it.
#[derive(Debug)]
pub struct Running {
    processes: Vec<Child>,
    /// Where each instance listens.
    pub urls: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Running {
    /// The processes, with their children.
    pub fn pids(&self) -> Vec<u32> {
        let own = self.processes.iter().map(Child::id);
        let children = |pid: u32| {
            let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            listed.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
        };
        own.flat_map(|pid| [pid].into_iter().chain(children(pid))).collect()
    }
}

impl Peer {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Traefik => "Traefik with Redis",
        }
    }

    /// What it says of its version.
    pub fn version(self, installed: &Installed) -> String {
        let (program, argument) = match self {
            Self::Nginx => (PathBuf::from("nginx"), "-v"),
            Self::Haproxy => (PathBuf::from("haproxy"), "-v"),
            Self::Envoy => (installed.0.join("envoy"), "--version"),
            Self::Traefik => (installed.0.join("traefik"), "version"),
        };
        let output = Command::new(program).arg(argument).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let number = |word: &&str| word.contains('.') && word.chars().any(|c| c.is_ascii_digit());
        text.split([' ', '\n', '/', '-']).find(number).unwrap_or("?").trim().to_owned()
    }

    /// Starts so many instances, with one worker each, before an upstream; with [`LIMIT`], or without.
    pub async fn start(
        self,
        installed: &Installed,
        upstream: &str,
        limited: bool,
        count: u16,
        folder: &Path,
    ) -> Running {
        let folder = folder.join(format!("{self:?}").to_lowercase());
        fs::create_dir_all(&folder).unwrap();
        let log = || fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut running = Running { processes: Vec::new(), urls: Vec::new() };
        let mut run = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(log()).stderr(log()).env("GOMAXPROCS", "1");
            running.processes.push(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
        };
        let redis = free_port();
        if self == Self::Traefik && limited {
            run(Command::new("redis-server").args(["--save", "", "--bind", "127.0.0.1", "--port", &redis.to_string()]));
            wait(redis).await;
        }
        let mut ports = Vec::new();
        for instance in 0..count {
            let port = free_port();
            let own = folder.join(format!("{instance}"));
            fs::create_dir_all(&own).unwrap();
            self.instance(&mut run, installed, &Setting { upstream, limited, port, redis, folder: &own });
            ports.push(port);
        }
        for port in ports {
            wait(port).await;
            let url = format!("http://127.0.0.1:{port}");
            // Traefik's routes come a moment after its port. Envoy has one bucket for all callers, which no question may touch.
            while self == Self::Traefik
                && Client::new(&url).send(Call::get("/stations").header(KEY, "ready")).await.unwrap().status != 200
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            running.urls.push(url);
        }
        running
    }

    fn instance(self, run: &mut impl FnMut(&mut Command), installed: &Installed, setting: &Setting<'_>) {
        let (file, text) = match self {
            Self::Nginx => ("nginx.conf", nginx(setting)),
            Self::Haproxy => ("haproxy.cfg", haproxy(setting)),
            Self::Envoy => ("envoy.yaml", envoy(setting)),
            Self::Traefik => ("traefik.yaml", traefik(setting)),
        };
        let file = setting.folder.join(file);
        fs::write(&file, text).unwrap();
        match self {
            Self::Nginx => run(Command::new("nginx").arg("-c").arg(&file).arg("-p").arg(setting.folder)),
            Self::Haproxy => run(Command::new("haproxy").arg("-db").arg("-f").arg(&file)),
            Self::Envoy => run(Command::new(installed.0.join("envoy"))
                .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"])
                .arg(&file)),
            Self::Traefik => run(Command::new(installed.0.join("traefik")).args([
                format!("--entrypoints.web.address=127.0.0.1:{}", setting.port),
                format!("--providers.file.filename={}", file.display()),
                "--log.level=ERROR".to_owned(),
                "--global.checknewversion=false".to_owned(),
            ])),
        }
    }
}

struct Setting<'a> {
    upstream: &'a str,
    limited: bool,
    port: u16,
    redis: u16,
    folder: &'a Path,
}

impl Setting<'_> {
    fn host(&self) -> &str {
        self.upstream.trim_start_matches("http://")
    }
}

/// 100 at once, and then as many as the rate lets through: the bucket that callers of ours have.
fn nginx(setting: &Setting<'_>) -> String {
    let (zone, limit) = if setting.limited {
        (
            format!("limit_req_zone $http_x_api_key zone=callers:10m rate={LIMIT}r/m;"),
            format!("limit_req zone=callers burst={} nodelay; limit_req_status 429;", LIMIT - 1),
        )
    } else {
        Default::default()
    };
    format!(
        "daemon off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  {zone}
  upstream api {{ server {}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{} backlog=1024; keepalive_requests 1000000;
    location / {{ {limit} proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
  }}
}}
",
        setting.host(),
        setting.port
    )
}

fn haproxy(setting: &Setting<'_>) -> String {
    let limit = if setting.limited {
        format!(
            "  stick-table type string len 64 size 100k expire 2m store http_req_rate(1m)
  http-request track-sc0 req.hdr({KEY})
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {LIMIT} }}\n"
        )
    } else {
        String::new()
    };
    format!(
        "global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend door
  bind 127.0.0.1:{}
{limit}  default_backend api
backend api
  http-reuse always
  server one {}
",
        setting.port,
        setting.host()
    )
}

fn envoy(setting: &Setting<'_>) -> String {
    let limit = if setting.limited {
        format!(
            "
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: door
              token_bucket: {{ max_tokens: {LIMIT}, tokens_per_fill: {LIMIT}, fill_interval: 60s }}
              filter_enabled: {{ default_value: {{ numerator: 100, denominator: HUNDRED }} }}
              filter_enforced: {{ default_value: {{ numerator: 100, denominator: HUNDRED }} }}"
        )
    } else {
        String::new()
    };
    let (host, port) = setting.host().split_once(':').unwrap();
    format!(
        "static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: door
          route_config:
            virtual_hosts:
            - name: api
              domains: [\"*\"]
              routes: [{{ match: {{ prefix: / }}, route: {{ cluster: api }} }}]
          http_filters:{limit}
          - name: envoy.filters.http.router
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: api
    type: STATIC
    load_assignment:
      cluster_name: api
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {host}, port_value: {port} }} }} }} }}] }}]
",
        setting.port
    )
}

fn traefik(setting: &Setting<'_>) -> String {
    let (uses, limit) = if setting.limited {
        (
            "\n      middlewares: [limit]",
            format!(
                "
  middlewares:
    limit:
      rateLimit:
        average: {LIMIT}
        period: 1m
        burst: {LIMIT}
        sourceCriterion: {{ requestHeaderName: {KEY} }}
        redis: {{ endpoints: [\"127.0.0.1:{}\"] }}",
                setting.redis
            ),
        )
    } else {
        ("", String::new())
    };
    format!(
        "http:
  routers:
    door:
      rule: PathPrefix(`/`)
      service: api{uses}{limit}
  services:
    api:
      loadBalancer:
        servers: [{{ url: \"{}\" }}]
",
        setting.upstream
    )
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

async fn wait(port: u16) {
    for _ in 0..1_500 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody listens at port {port}");
}
