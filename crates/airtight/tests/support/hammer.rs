//! Viewers in a hurry: connections that are kept and asked for playlists and media without a pause, and that take
//! every refused connection, reset and answer other than 200 for a fault.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::PATIENCE;

/// Between two requests of a connection: there is other work for the machine.
const PAUSE: Duration = Duration::from_millis(2);

/// Viewers that ask until they are told to stop.
pub struct Hammer {
    end: Arc<AtomicBool>,
    viewers: Vec<JoinHandle<(u64, Vec<String>)>>,
}

impl Hammer {
    /// Some viewers of the playlist `path` on each port.
    pub fn start(ports: &[u16], each: usize, path: &str) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let viewers = ports.iter().flat_map(|port| std::iter::repeat_n(*port, each)).map(|port| {
            let (end, path) = (end.clone(), path.to_owned());
            thread::spawn(move || ask(port, &path, &end))
        });
        let viewers = viewers.collect();
        Self { end, viewers }
    }

    /// Stops them; how many answers there were, and all faults.
    pub fn stop(self) -> (u64, Vec<String>) {
        self.end.store(true, Ordering::Relaxed);
        let (mut answers, mut faults) = (0, Vec::new());
        for viewer in self.viewers {
            let (count, found) = viewer.join().unwrap();
            answers += count;
            faults.extend(found);
        }
        (answers, faults)
    }
}

/// Asks for the playlist and its last segment in turn, on one connection until the server ends it in order.
fn ask(port: u16, path: &str, end: &AtomicBool) -> (u64, Vec<String>) {
    let (mut answers, mut faults, mut connection) = (0, Vec::new(), None);
    let base = path.rsplit_once('/').unwrap().0;
    let mut next = path.to_owned();
    while !end.load(Ordering::Relaxed) {
        match get(port, &mut connection, &next) {
            Ok(body) => {
                answers += 1;
                let text = String::from_utf8_lossy(&body);
                let last = text.lines().rev().find(|line| !line.is_empty() && !line.starts_with('#'));
                next = match last {
                    Some(last) if next == path => format!("{base}/{last}"),
                    _ => path.to_owned(),
                };
            }
            Err(error) => {
                faults.push(format!("port {port}, {next}: {error}"));
                (connection, next) = (None, path.to_owned());
            }
        }
        thread::sleep(PAUSE);
    }
    (answers, faults)
}

/// One answer, on the connection that is there or on a new one.
fn get(port: u16, connection: &mut Option<BufReader<TcpStream>>, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            BufReader::new(stream)
        }
    };
    stream.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())?;
    let (mut status, mut length, mut closes) = (String::new(), 0, false);
    if stream.read_line(&mut status)? == 0 {
        return Err(io::Error::other("closed without an answer"));
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            Some(("connection", value)) => closes = value == "close",
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if !closes {
        *connection = Some(stream);
    }
    if status.contains(" 200 ") { Ok(body) } else { Err(io::Error::other(status)) }
}
