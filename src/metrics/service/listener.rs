//! One listener: binds, accepts, and never gives up.
//!
//! The trouble it lives with: an address in use (the former agent still ends, or a second one
//! runs), an address or directory that appears later, accept errors while the process is out of
//! file descriptors, a socket file that somebody removes. None of them makes it spin.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::backoff::{Backoff, Trouble};
use super::http;
use super::unix::UnixSocket;
use crate::metrics::address::MetricsAddress;
use crate::metrics::registry::Registry;

/// First and longest pause before binding again.
const BIND_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// First and longest pause after an accept error.
const ACCEPT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
/// Pause between two looks at the socket file.
const FILE_CHECK: Duration = Duration::from_secs(10);

/// Serves `address` for ever.
pub(super) async fn run(
    address: MetricsAddress,
    registry: &'static Registry,
    connections: Arc<Semaphore>,
) {
    let mut backoff = BIND_BACKOFF;
    let mut trouble = Trouble::default();
    loop {
        match Socket::bind(&address).await {
            Ok(socket) => {
                backoff.reset();
                trouble.is_over();
                tracing::info!(%address, "metrics are served");
                if !address.is_local() {
                    tracing::warn!(%address, "metrics can be read from the network by anybody");
                }
                socket.serve(&address, registry, &connections).await;
                tracing::warn!(%address, "the metrics socket was removed: making it again");
            }
            Err(error) => {
                if trouble.is_news(&error) {
                    tracing::warn!(%address, %error, "cannot serve metrics yet: trying again");
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
    async fn bind(address: &MetricsAddress) -> io::Result<Socket> {
        Ok(match address {
            // Sets SO_REUSEADDR: connections of the former agent in TIME_WAIT are no hindrance.
            MetricsAddress::Tcp(address) => Socket::Tcp(TcpListener::bind(address).await?),
            MetricsAddress::Unix(path) => Socket::Unix(UnixSocket::bind(path).await?),
        })
    }

    /// Accepts until the socket can no longer be reached.
    async fn serve(
        &self,
        address: &MetricsAddress,
        registry: &'static Registry,
        connections: &Arc<Semaphore>,
    ) {
        let mut backoff = ACCEPT_BACKOFF;
        let mut trouble = Trouble::default();
        loop {
            let Ok(permit) = Arc::clone(connections).acquire_owned().await else {
                return; // The semaphore is never closed.
            };
            let accepted = tokio::select! {
                accepted = self.accept(registry, permit) => accepted,
                () = self.lost() => return,
            };
            match accepted {
                Ok(()) => {
                    backoff.reset();
                    trouble.is_over();
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    if trouble.is_news(&error) {
                        tracing::warn!(%address, %error, "cannot accept connections for metrics");
                    }
                    sleep(backoff.pause()).await;
                }
            }
        }
    }

    async fn accept(
        &self,
        registry: &'static Registry,
        permit: OwnedSemaphorePermit,
    ) -> io::Result<()> {
        match self {
            Socket::Tcp(listener) => spawn(listener.accept().await?.0, registry, permit),
            Socket::Unix(socket) => spawn(socket.accept().await?, registry, permit),
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

fn spawn<S>(stream: S, registry: &'static Registry, permit: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    tokio::spawn(async move {
        http::serve(stream, registry).await;
        drop(permit);
    });
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
