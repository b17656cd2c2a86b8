//! A network between parts that can be bad: every connection of a part meets the weather of the part.
//!
//! [`weather`] says what becomes of bytes, pure; `link` is one connection. A [`Proxy`] stands in front of one
//! server and passes on what comes; who a client is, the caller knows.

mod link;
pub mod weather;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinSet, spawn_blocking},
};

use link::Link;
use weather::Weather;

/// Connections at a time; a further one waits in the socket's backlog.
const CONNECTIONS: usize = 512;

/// The weather of all parts, which the caller makes.
#[derive(Debug)]
pub struct Skies(BTreeMap<&'static str, watch::Sender<Weather>>);

impl Skies {
    /// Clear skies over parts of these names.
    pub fn new(parts: impl IntoIterator<Item = &'static str>) -> Self {
        Self(parts.into_iter().map(|part| (part, watch::Sender::new(Weather::Clear))).collect())
    }

    /// Changes the weather of a part, also that of connections which stand.
    pub fn set(&self, part: &str, weather: Weather) {
        if let Some(sky) = self.0.get(part) {
            sky.send_replace(weather);
        }
    }

    fn over(&self, part: &str) -> watch::Receiver<Weather> {
        let sky = self.0.get(part);
        // A part without a name has no weather: its sky never changes again.
        sky.map_or_else(|| watch::Sender::new(Weather::Clear).subscribe(), watch::Sender::subscribe)
    }
}

/// What the caller knows of the two ends.
pub trait Ends: Send + Sync + 'static {
    /// The name of the part that a connection comes from, if it is one. It may block.
    fn client(&self, from: SocketAddr) -> Option<&'static str>;

    /// Where a server listens now, if it does.
    fn server(&self, name: &str) -> Option<SocketAddr>;
}

/// The way to one server.
#[derive(Debug)]
pub struct Proxy {
    listener: TcpListener,
    server: &'static str,
}

impl Proxy {
    /// Listens on a free port of loopback for those who look for `server`.
    ///
    /// # Errors
    /// The machine's, if there is none.
    pub async fn bind(server: &'static str) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?, server })
    }

    /// The port it listens on.
    ///
    /// # Errors
    /// The machine's.
    pub fn port(&self) -> io::Result<u16> {
        self.listener.local_addr().map(|address| address.port())
    }

    /// Passes connections on until it is dropped.
    ///
    /// # Errors
    /// The socket takes no connections any more.
    pub async fn run(self, skies: Arc<Skies>, ends: Arc<impl Ends>) -> io::Result<()> {
        let (mut links, count) = (JoinSet::new(), AtomicU64::new(0));
        loop {
            let (client, from) = self.listener.accept().await?;
            let (skies, ends, server) = (skies.clone(), ends.clone(), self.server);
            let seed = count.fetch_add(1, Ordering::Relaxed);
            links.spawn(async move {
                let asked = ends.clone();
                // It may take a while to find out.
                let part = spawn_blocking(move || asked.client(from)).await.ok().flatten();
                let skies = [skies.over(part.unwrap_or_default()), skies.over(server)];
                let connect = || async move {
                    let address = ends.server(server).ok_or(io::ErrorKind::ConnectionRefused)?;
                    TcpStream::connect(address).await
                };
                Link::new(skies, seed).run(client, connect).await;
            });
            while links.try_join_next().is_some() {}
            if links.len() >= CONNECTIONS {
                links.join_next().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
