//! Listening sockets: inherited from whoever started the program, else bound here.
//!
//! A socket that is handed over outlives the process that serves it, so nobody is refused while one process
//! follows another. Nothing here accepts a connection.

use std::{fmt, io, net::Ipv6Addr, str::FromStr};

use anyhow::Context as _;
use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::config::SettingError;

/// Connections that wait to be accepted, as while one process follows another; the kernel's own limit caps it. No
/// more than a server without room tells in time that there is none, see `overload`.
pub const BACKLOG: u16 = 1024;

/// Where to listen: `port`, or `host:port`. Without a host it is loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// This port of loopback; 0 is any free one.
    pub fn loopback(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port }
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a port such as 8080, or host:port such as 0.0.0.0:8080";
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let named = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let right = match bare {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(named),
        };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if right && digits => Ok(Self { host: bare.unwrap_or(host).to_owned(), port }),
            _ => Err(EXPECTED),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The listening socket of this process: the first one that was handed over (`LISTEN_FDS`, if `LISTEN_PID`
/// names this process), else a new one on `address`. `settings` names what to change when the address is
/// taken, e.g. `--listen or REPORTER_PORT`.
///
/// # Errors
/// A descriptor that is no listening socket; an address that can't be listened on, as a [`SettingError`].
pub async fn listener(address: &Address, settings: &str) -> anyhow::Result<TcpListener> {
    if let Some(inherited) = ListenFd::from_env().take_tcp_listener(0).context("LISTEN_FDS: descriptor 3")? {
        inherited.set_nonblocking(true)?;
        return Ok(TcpListener::from_std(inherited)?);
    }
    bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
            io::ErrorKind::PermissionDenied => "this user may not listen there".to_owned(),
            _ => error.to_string(),
        };
        SettingError::new(format!(
            "can't listen on {address}: {reason}; choose another address by {settings}"
        ))
        .into()
    })
}

async fn bind(address: &Address) -> io::Result<TcpListener> {
    let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    for address in lookup_host((address.host.as_str(), address.port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restarted program does not wait for the connections of its predecessor to be forgotten.
        socket.set_reuseaddr(true)?;
        outcome = socket.bind(address).and_then(|()| socket.listen(BACKLOG.into()));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_a_host_and_a_port() {
        let table = [
            ("2000", "127.0.0.1:2000"),
            ("0", "127.0.0.1:0"),
            ("0.0.0.0:8080", "0.0.0.0:8080"),
            ("localhost:8080", "localhost:8080"),
            ("[::1]:8080", "[::1]:8080"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(expected.to_owned()));
        }
        for bad in ["", "x", "65536", "-1", "+1", ":1", "a b:1", "::1:80", "[x]:1", "host:", "http://a:1"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_taken_address_is_named_with_the_setting_that_changes_it() {
        let taken = bind(&Address::loopback(0)).await.unwrap();
        let address = Address::loopback(taken.local_addr().unwrap().port());
        let error = listener(&address, "--listen or REPORTER_PORT").await.unwrap_err();
        assert!(error.is::<SettingError>(), "so the exit code is 2");
        assert_eq!(
            error.to_string(),
            format!(
                "can't listen on {address}: another program listens there; choose another address by --listen or REPORTER_PORT"
            )
        );
    }
}
