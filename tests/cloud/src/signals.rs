//! Signals to the process at the other end of a loopback connection.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Kills the process at the other end.
pub(crate) fn kill_peer(peer: SocketAddr, local: SocketAddr) {
    signal(peer, local, Signal::KILL);
}

/// Stops the process at the other end for a while, as Lambda stops a sandbox.
pub(crate) async fn freeze_peer(peer: SocketAddr, local: SocketAddr, time: Duration) {
    signal(peer, local, Signal::STOP);
    tokio::time::sleep(time).await;
    signal(peer, local, Signal::CONT);
}

fn signal(peer: SocketAddr, local: SocketAddr, signal: Signal) {
    let Some(pid) = pid_of(peer, local).and_then(Pid::from_raw) else {
        return tracing::warn!(%peer, "no process found at the other end");
    };
    if pid != rustix::process::getpid() {
        let _ = kill_process(pid, signal);
    }
}

/// The process that owns the socket bound to `peer` and connected to `local`.
fn pid_of(peer: SocketAddr, local: SocketAddr) -> Option<i32> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let (from, to) = (format!(":{:04X}", peer.port()), format!(":{:04X}", local.port()));
    let inode = table.lines().find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (source, target) = (columns.next()?, columns.next()?);
        (source.ends_with(&from) && target.ends_with(&to)).then(|| columns.nth(6).map(str::to_owned)).flatten()
    })?;
    let socket = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let mut open = std::fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        open.any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket.as_str()))
            .then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_at_the_other_end_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(pid_of(peer, server.local_addr().unwrap()), i32::try_from(std::process::id()).ok());
        drop(client);
    }
}
