//! One listener: binds, accepts, and never gives up.
//!
//! The trouble it lives with: an address in use (the former agent still ends, or a second one
//! runs), an address or directory that appears later, accept errors while the process is out of
//! file descriptors, a socket file that is removed from outside. None of them makes it spin.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::address::MetricsAddress;
use super::connections::{Client, Connections, Place};
use super::http;
use super::site::Site;
use super::trouble::Trouble;
use super::unix::{BoundSocket, UnixSocket};
use crate::reactor::Backoff;

/// First and longest pause before binding again.
const BIND_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// First and longest pause after an accept error.
const ACCEPT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
/// Connections that wait in the kernel, as far as it allows.
const BACKLOG: u32 = 1024;
/// Pause between two looks at the socket file.
const FILE_CHECK: Duration = Duration::from_secs(10);

/// Serves `site` at `address` for ever; a Unix socket gets the mode `mode`, if there is one.
/// `bound` is the socket, if it was bound before.
pub(super) async fn run(
    address: MetricsAddress,
    site: &'static dyn Site,
    mode: Option<u32>,
    mut bound: Option<BoundSocket>,
) {
    let (connections, name) = (Arc::default(), site.name());
    let mut backoff = BIND_BACKOFF;
    let mut trouble = Trouble::default();
    loop {
        let socket = match bound.take() {
            Some(bound) => bound.listen().map(Socket::Unix),
            None => Socket::bind(&address, mode),
        };
        match socket {
            Ok(socket) => {
                backoff.reset();
                trouble.is_over();
                tracing::info!(%address, "{name} are served");
                if !address.is_local() {
                    tracing::warn!(%address, "{name} can be read from the network by anybody");
                }
                socket.serve(&address, site, &connections).await;
                tracing::warn!(%address, "the socket for {name} was removed: making it again");
            }
            Err(error) => {
                if trouble.is_news(&error) {
                    tracing::warn!(%address, %error, "cannot serve {name} yet: trying again");
                }
                sleep(backoff.pause()).await;
            }
        }
    }
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

impl Socket {
    fn bind(address: &MetricsAddress, mode: Option<u32>) -> io::Result<Socket> {
        Ok(match address {
            MetricsAddress::Tcp(address) => Socket::Tcp(bind(*address)?),
            MetricsAddress::Unix(path) => Socket::Unix(BoundSocket::bind(path, mode)?.listen()?),
        })
    }

    /// Accepts until the socket can no longer be reached.
    async fn serve(
        &self,
        address: &MetricsAddress,
        site: &'static dyn Site,
        connections: &Arc<Connections>,
    ) {
        let mut backoff = ACCEPT_BACKOFF;
        let mut trouble = Trouble::default();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(site, connections) => accepted,
                () = self.lost() => return,
            };
            // Those that were accepted before this one get to read what they were sent.
            yield_now().await;
            match accepted {
                Ok(()) => {
                    backoff.reset();
                    trouble.is_over();
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    if trouble.is_news(&error) {
                        let name = site.name();
                        tracing::warn!(%address, %error, "cannot accept connections for {name}");
                    }
                    sleep(backoff.pause()).await;
                }
            }
        }
    }

    async fn accept(
        &self,
        site: &'static dyn Site,
        connections: &Arc<Connections>,
    ) -> io::Result<()> {
        match self {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let place = connections.place(Client::of_address(peer.ip())).await;
                spawn(stream, site, place, connections);
            }
            Socket::Unix(socket) => {
                let stream = socket.accept().await?;
                let client = Client::User(stream.peer_cred()?.uid());
                if site.admits(client) {
                    let place = connections.place(client).await;
                    spawn(stream, site, place, connections);
                }
            }
        }
        Ok(())
    }

    /// Returns when the socket's file is gone; a TCP socket is never lost.
    async fn lost(&self) {
        match self {
            Socket::Tcp(_) => std::future::pending().await,
            Socket::Unix(socket) => loop {
                sleep(FILE_CHECK).await;
                if socket.is_removed() {
                    return;
                }
            },
        }
    }
}

/// Binds a TCP address.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of the former agent in TIME_WAIT are no hindrance.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // An address means its own family, so that `0.0.0.0` and `[::]` can be named together.
        SockRef::from(&socket).set_only_v6(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn spawn<S>(stream: S, site: &'static dyn Site, place: Place, connections: &Connections)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let number = place.number();
    let task = tokio::spawn(async move { http::serve(stream, site, &place).await });
    connections.can_be_ended_by(number, task.abort_handle());
}

/// Errors of a connection that ended before it was accepted: the next one can be accepted at once.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
