//! The listening sockets of the system, bound by `up` so that they outlive the parts.
//!
//! Never here: accepting. A connection that comes while its part is being restarted waits in the
//! socket's queue.

use std::io;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};

use super::plan::Part;
use crate::{config::SettingError, serve::listen::BACKLOG};

/// Binds the address of a part.
///
/// # Errors
/// If it is in use or may not be bound: a [`SettingError`] that names the address and its setting.
pub fn bind(part: Part, address: SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).map_err(|error| refused(part, address, &error)).with_context(|| part.name())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port whose old connections still linger is free.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn refused(part: Part, address: SocketAddr, error: &io::Error) -> SettingError {
    let another = part
        .port()
        .map_or_else(String::new, |port| format!("choose another port with --{} or {}", port.key, port.seed));
    let fault = match error.kind() {
        io::ErrorKind::AddrInUse => format!("another program listens there; end it, or {another}"),
        io::ErrorKind::PermissionDenied => format!("this user may not listen there; {another}"),
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose another one with --host".to_owned()
        }
        _ => format!("{error}; {another}"),
    };
    SettingError::new(format!("{address} can't be bound: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_its_setting() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let error = bind(Part::Origin2, address).unwrap_err();
        assert!(error.is::<SettingError>(), "ends the program with exit code 2");
        assert_eq!(
            format!("{error:#}"),
            format!(
                "origin2: {address} can't be bound: another program listens there; end it, or choose \
                 another port with --origin-two-port or ORIGIN_TWO_PORT"
            )
        );
    }

    #[test]
    fn a_foreign_address_is_named_with_the_setting_of_the_host() {
        // From the range for documentation, so no machine has it.
        let error = bind(Part::Origin1, SocketAddr::from(([192, 0, 2, 1], 0))).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "origin1: 192.0.2.1:0 can't be bound: this machine has no such address; choose another one with --host"
        );
    }

    #[test]
    fn a_port_is_bound_again_at_once() {
        let first = bind(Part::Origin1, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.local_addr().unwrap();
        let viewer = std::net::TcpStream::connect(address).unwrap();
        drop(first);
        bind(Part::Origin1, address).unwrap();
        drop(viewer);
    }
}
