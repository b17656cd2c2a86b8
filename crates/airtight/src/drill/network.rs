//! The network between the parts of the system that is drilled: a proxy in front of each part that others ask.
//!
//! A connection is told by the process at its other end, so each part has a weather of its own although all
//! share a machine. Viewers go by another way: their links are not struck.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use airtight_lab::proxy::{Ends, Proxy, Skies, weather::Weather};
use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::{
    child::process::Process,
    up::{folder::Folder, plan::Part},
};

/// The parts that others ask for something.
const SERVERS: [Part; 5] = [Part::Reporter, Part::Server1, Part::Server2, Part::Origin1, Part::Origin2];

/// The kernel writes its table page by page, so a line can be missing while others come and go: it is looked for so often.
const LOOKS: usize = 3;

/// All proxies, until it is dropped.
#[derive(Debug)]
pub struct Network {
    skies: Arc<Skies>,
    ports: Vec<(Part, u16)>,
    _proxies: JoinSet<std::io::Result<()>>,
}

impl Network {
    /// A network between the parts of a folder.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn between(folder: &Folder) -> anyhow::Result<Self> {
        let skies = Arc::new(Skies::new(Part::ALL.map(Part::name)));
        let ends = Arc::new(Parts(folder.clone()));
        let (mut ports, mut proxies) = (Vec::new(), JoinSet::new());
        for part in SERVERS {
            let proxy = Proxy::bind(part.name()).await.context("there is no free port")?;
            ports.push((part, proxy.port()?));
            proxies.spawn(proxy.run(skies.clone(), ends.clone()));
        }
        Ok(Self { skies, ports, _proxies: proxies })
    }

    /// Where parts find each other: the setting `via` of `up`.
    pub fn via(&self) -> String {
        let ports = self.ports.iter().map(|(part, port)| format!("{part}={port}"));
        ports.collect::<Vec<_>>().join(",")
    }

    /// Changes the weather of a part.
    pub fn set(&self, part: &str, weather: Weather) {
        self.skies.set(part, weather);
    }
}

/// Who is at the ends of a connection.
struct Parts(Folder);

impl Ends for Parts {
    fn client(&self, from: SocketAddr) -> Option<&'static str> {
        let look = |_| inode(&fs::read_to_string("/proc/net/tcp").ok()?, from);
        let inode = (0..LOOKS).find_map(look)?;
        let owns = |part: &Part| {
            let process = Process::read(&self.0.record(part.name()));
            process.is_some_and(|process| has_socket(process.pid, inode))
        };
        Part::ALL.into_iter().find(owns).map(Part::name)
    }

    fn server(&self, name: &str) -> Option<SocketAddr> {
        let port = *self.0.read_up()?.ports().get(&name.parse::<Part>().ok()?)?;
        Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }
}

/// The inode of the socket with this local address, from a table as `/proc/net/tcp` is.
fn inode(table: &str, address: SocketAddr) -> Option<u64> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    // proc(5): the address as the machine stores it, which is in the order of the network.
    let local = format!(": {:08X}:{:04X} ", u32::from_ne_bytes(ip.octets()), address.port());
    // A machine that serves many has tens of thousands of lines: only one of them is taken apart.
    let line = &table[table.find(&local)? + local.len()..];
    line.lines().next()?.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// Whether a process has the socket with this inode.
fn has_socket(pid: i32, inode: u64) -> bool {
    let link = format!("socket:[{inode}]");
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| target.as_os_str() == link.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_told_by_the_process_at_its_other_end() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        folder.create().unwrap();
        Process::current().unwrap().write(&folder.record("origin1")).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_accepted, from) = listener.accept().unwrap();
        assert_eq!(Parts(folder.clone()).client(from), Some("origin1"));
        folder.forget("origin1");
        assert_eq!(Parts(folder).client(from), None);
        drop(ours);
    }

    #[test]
    fn the_table_of_sockets_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n";
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(inode(table, address(8080)), Some(4711));
        assert_eq!(inode(table, address(8081)), None);
    }
}
