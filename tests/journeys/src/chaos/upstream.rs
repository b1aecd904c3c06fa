//! The upstream of a run: it counts by the call's number, and fails what it is asked to fail.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// The header with the call's number.
pub(super) const NUMBER: &str = "x-call";
/// The header of every answer, by which a caller knows that it is the upstream's.
pub(super) const ANSWERED: &str = "x-upstream";
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A number, and flags above it.
const COUNT: u32 = 0xff;

/// What is known of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fact {
    /// It was sent after its key had been revoked.
    Barred = 1 << 8,
    /// It was answered that the upstream failed.
    Failed = 1 << 9,
    /// The upstream's own answer came back.
    Answered = 1 << 10,
    /// It began and ended in the first month, or in the second.
    FirstMonth = 1 << 11,
    SecondMonth = 1 << 12,
}

/// What is known of every call, in four bytes each.
#[derive(Debug)]
pub(super) struct Calls(Vec<AtomicU32>);

impl Calls {
    pub(super) fn new(count: u64) -> Self {
        Self((0..count).map(|_| AtomicU32::new(0)).collect())
    }

    fn of(&self, number: u64) -> Option<&AtomicU32> {
        self.0.get(usize::try_from(number).ok()?)
    }

    pub(super) fn note(&self, number: u64, fact: Fact) {
        if let Some(call) = self.of(number) {
            call.fetch_or(fact as u32, Ordering::SeqCst);
        }
    }

    pub(super) fn is(&self, number: u64, fact: Fact) -> bool {
        self.of(number).is_some_and(|call| call.load(Ordering::SeqCst) & fact as u32 != 0)
    }

    /// How often it reached the upstream.
    pub(super) fn reached(&self, number: u64) -> u32 {
        self.of(number).map_or(0, |call| call.load(Ordering::SeqCst) & COUNT)
    }

    fn reach(&self, number: u64) {
        if let Some(call) = self.of(number) {
            // The count stays in its place however often it is raised.
            let _known = call
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |facts| (facts & COUNT < COUNT).then_some(facts + 1));
        }
    }
}

/// A running upstream. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) url: String,
    server: JoinHandle<()>,
}

impl Upstream {
    pub(super) async fn start(calls: Arc<Calls>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(stream, Arc::clone(&calls)));
            }
        });
        Ok(Self { url, server })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Requests without bodies, one after the other. Any error ends the connection.
async fn serve(mut stream: TcpStream, calls: Arc<Calls>) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if read.len() > HEAD_BYTES_MAX || stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        read.drain(..end);
        let number = head.lines().find_map(|line| line.strip_prefix(NUMBER)?.strip_prefix(':')?.trim().parse().ok())?;
        calls.reach(number);
        let path = head.split(' ').nth(1)?;
        if path == "/drop" {
            return None;
        }
        let status = path.strip_prefix("/failures/").unwrap_or("200");
        let answer = format!(
            "HTTP/1.1 {status} .\r\n{ANSWERED}: 1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}
