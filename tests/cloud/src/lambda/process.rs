//! One process of a function, from its start to its end.

use std::fs::OpenOptions;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::pool::Pool;
use super::runtime_api;

/// A process that has not asked for work by then is stuck.
const INIT_MAX: Duration = Duration::from_mins(1);

pub(super) async fn run(pool: Arc<Pool>, id: u64) {
    let why = match live(&pool, id).await {
        Ok(status) => format!("Runtime exited with {status}"),
        Err(error) => format!("{}: {error}", pool.function.binary.display()),
    };
    pool.exited(id, &why);
}

async fn live(pool: &Arc<Pool>, id: u64) -> io::Result<ExitStatus> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?.to_string();
    let mut child = spawn(pool, id, &address)?;
    if let Some(pid) = child.id() {
        pool.spawned(id, pid);
    }
    let api = tokio::spawn(runtime_api::serve(listener, Arc::clone(pool), id));
    let status = match tokio::time::timeout(INIT_MAX, child.wait()).await {
        Ok(status) => status,
        Err(_) if pool.is_starting(id) => {
            child.start_kill()?;
            child.wait().await
        }
        Err(_) => child.wait().await,
    };
    api.abort();
    status
}

fn spawn(pool: &Pool, id: u64, address: &str) -> io::Result<Child> {
    let settings = &pool.settings;
    let log =
        OpenOptions::new().create(true).append(true).open(settings.logs.join(format!("{}.log", pool.function.name)))?;
    let name = pool.instance_name(id);
    let mut environment = pool.function.environment(&name, address);
    environment.extend(pool.environment());
    Command::new(&pool.function.binary)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A group of its own: Ctrl-C in a terminal is for the cloud, which then ends its processes in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}
