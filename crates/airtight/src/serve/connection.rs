//! One connection of any server: served until its peer is done, goes away, or takes nothing any more.
//!
//! A peer that stops reading, or all but stops, must not keep a place, nor the media of its answer, for long. One that
//! is slower than the media it reads, but could play the slowest of them, is never cut for it.

use std::{
    error::Error,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

/// For the head of a request, and between two requests of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// For a peer to take some of what is to be sent to it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes a second that a peer takes at least, without using up that patience: what the slowest sound needs.
const LEAST: u32 = 8 << 10;
/// A request head is small; a connection costs little.
const BUFFER: usize = 16 << 10;
/// From the word to stop to the closing of connections that ask for nothing. Whoever asks meanwhile is told with
/// the answer to come back on another connection: viewers ask every target duration or so.
const GRACE: Duration = Duration::from_secs(3);
/// From then on to the cutting of what is not done.
const DRAIN: Duration = Duration::from_secs(5);

/// Connections that were cut because their peer took nothing. Clones are one count.
#[derive(Debug, Clone, Default)]
pub struct Stalled(Counter);

impl Stalled {
    /// Lists the count for `GET /metrics`.
    pub fn register(&self, registry: &mut Registry) {
        let help =
            "Connections cut because their peer took nothing for 30 seconds, or next to nothing for longer";
        registry.register("connections_stalled", help, self.0.clone());
    }
}

/// The open connections of a server.
pub struct Connections {
    open: TaskTracker,
    /// Every further answer is the last one of its connection.
    leaving: Arc<AtomicBool>,
    /// Connections are closed once they have no request.
    closing: CancellationToken,
    grace: Duration,
    head: Duration,
    patience: Duration,
    least: u32,
    stalled: Stalled,
}

impl Connections {
    /// None yet.
    pub fn new(stalled: Stalled) -> Self {
        let (open, leaving, closing) = (TaskTracker::new(), Arc::default(), CancellationToken::new());
        let (grace, head, patience, least) = (GRACE, HEAD_TIMEOUT, PATIENCE, LEAST);
        Self { open, leaving, closing, grace, head, patience, least, stalled }
    }

    /// Serves one more, which has `place` until its end.
    pub fn serve<I, S, B>(&self, stream: I, place: OwnedSemaphorePermit, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + From<&'static str> + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let stream = Impatient::new(stream, self);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), self.until_leaving(service));
        let closing = self.closing.clone();
        self.open.spawn(async move {
            let mut connection = pin!(connection);
            let outcome = tokio::select! {
                biased;
                outcome = connection.as_mut() => outcome,
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = outcome {
                debug!(%error, "A connection broke");
            }
            drop(place);
        });
    }

    /// The service for requests that name their host, whose answers say so once they are the last of their connection.
    /// A connection that were closed without that word could meet a request on its way.
    fn until_leaving<S, B>(
        &self,
        service: S,
    ) -> impl Service<Request<Incoming>, Response = Response<B>, Error = S::Error, Future: Send> + use<S, B>
    where
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + From<&'static str>,
    {
        let leaving = self.leaving.clone();
        service_fn(move |request| {
            let answer = names_its_host(&request).then(|| service.call(request));
            let leaving = leaving.clone();
            async move {
                let mut answer = match answer {
                    Some(answer) => answer.await?,
                    None => hostless(),
                };
                if leaving.load(Ordering::Relaxed) {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(answer)
            }
        })
    }

    /// Lets everybody finish: answers what is asked until nobody is there, for three seconds, or until `hurry`;
    /// then what is under way, for five more.
    pub async fn finish(self, hurry: &CancellationToken) {
        self.leaving.store(true, Ordering::Relaxed);
        self.open.close();
        tokio::select! {
            () = self.open.wait() => return,
            () = sleep(self.grace) => {}
            () = hurry.cancelled() => {}
        }
        self.closing.cancel();
        if timeout(DRAIN, self.open.wait()).await.is_err() {
            warn!("Connections were cut that did not end within {DRAIN:?}");
        }
    }
}

/// RFC 9112, section 3.2: exactly once, from HTTP/1.1 on.
fn names_its_host<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_11 || request.headers().get_all(header::HOST).iter().count() == 1
}

fn hostless<B: From<&'static str>>() -> Response<B> {
    debug!("A request of HTTP/1.1 without its one Host header was refused");
    let mut refused = Response::new(B::from("a request of HTTP/1.1 needs one Host header\n"));
    *refused.status_mut() = StatusCode::BAD_REQUEST;
    let headers = refused.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    refused
}

/// A stream that breaks once its peer owes `patience`: the time for which it took nothing of what is to be written
/// is what it owes, and it pays with what it takes, at `least` bytes a second. So no answer lasts longer than
/// `patience` and its length at that rate.
struct Impatient<S> {
    stream: S,
    patience: Duration,
    least: u32,
    /// What the peer owed when it last took something.
    owed: Duration,
    /// Runs while the peer takes nothing, and since when it does.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    stalled: Stalled,
}

impl<S> Impatient<S> {
    fn new(stream: S, of: &Connections) -> Self {
        let (owed, waiting, stalled) = (Duration::ZERO, None, of.stalled.clone());
        Self { stream, patience: of.patience, least: of.least, owed, waiting, stalled }
    }

    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = &written {
            self.owed += self.waiting.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
            let taken = *outcome.as_ref().unwrap_or(&0) as u64;
            self.owed = self.owed.saturating_sub(Duration::from_secs(taken) / self.least);
            return written;
        }
        let left = self.patience.saturating_sub(self.owed);
        let wait = || (Instant::now(), Box::pin(sleep(left)));
        ready!(self.waiting.get_or_insert_with(wait).1.as_mut().poll(cx));
        self.waiting = None;
        self.stalled.0.inc();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "too little is taken")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use hyper::service::service_fn;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        sync::Semaphore,
    };

    use super::*;

    /// What fits on the way to the peer.
    const PIPE: usize = 64;

    async fn long(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::new(Bytes::from(vec![b'x'; 100 * PIPE]))))
    }

    /// A peer that has asked for a long answer, the server, and its places, of which it had one.
    async fn peer(patience: Duration, least: u32) -> (DuplexStream, Connections, Arc<Semaphore>) {
        let (places, stalled) = (Arc::new(Semaphore::new(1)), Stalled::default());
        let (mut peer, stream) = duplex(PIPE);
        let place = places.clone().acquire_owned().await.unwrap();
        let connections = Connections { patience, least, ..Connections::new(stalled) };
        connections.serve(stream, place, service_fn(long));
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        (peer, connections, places)
    }

    #[tokio::test]
    async fn a_peer_that_stops_reading_is_cut_and_counted() {
        let patience = Duration::from_millis(200);
        let (mut peer, server, places) = peer(patience, LEAST).await;
        peer.read_exact(&mut [0; PIPE]).await.unwrap();
        let stopped = Instant::now();
        let _place = timeout(Duration::from_secs(10), places.acquire()).await.expect("its place is free");
        assert!(stopped.elapsed() >= patience / 2, "{:?}", stopped.elapsed());
        assert_eq!(server.stalled.0.get(), 1);
    }

    #[tokio::test]
    async fn a_request_without_its_host_is_refused() {
        for (head, status) in [
            ("HTTP/1.1\r\nHost: x", "200 OK"),
            ("HTTP/1.1\r\nHost:", "200 OK"),
            ("HTTP/1.0\r\nConnection: keep-alive", "200 OK"),
            ("HTTP/1.1\r\nAccept: */*", "400 Bad Request"),
            ("HTTP/1.1\r\nHost: x\r\nHost: x", "400 Bad Request"),
        ] {
            let places = Arc::new(Semaphore::new(1));
            let (mut peer, stream) = duplex(PIPE);
            let connections = Connections::new(Stalled::default());
            connections.serve(stream, places.acquire_owned().await.unwrap(), service_fn(long));
            peer.write_all(format!("GET / {head}\r\n\r\n").as_bytes()).await.unwrap();
            let mut begin = vec![0; "HTTP/1.1 ".len() + status.len()];
            peer.read_exact(&mut begin).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&begin[9..]), status, "{head}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_never_ends_its_head_is_cut_however_much_it_sends() {
        let (places, head) = (Arc::new(Semaphore::new(1)), Duration::from_millis(300));
        let (mut peer, stream) = duplex(PIPE);
        let connections = Connections { head, ..Connections::new(Stalled::default()) };
        connections.serve(stream, places.clone().acquire_owned().await.unwrap(), service_fn(long));
        peer.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        let began = Instant::now();
        let dripping = async {
            loop {
                // Once it is cut nothing is taken any more.
                let _ = peer.write_all(b"x").await;
                sleep(head / 20).await;
            }
        };
        let cut = async {
            tokio::select! { _ = places.acquire() => {}, () = dripping => {} }
        };
        timeout(Duration::from_secs(10), cut).await.expect("its place is free");
        assert!(began.elapsed() >= head / 2, "{:?}", began.elapsed());
    }

    /// The head of the next answer at `peer`, and its body.
    async fn answer(peer: &mut DuplexStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(peer.read_u8().await.expect("an answer"));
        }
        peer.read_exact(&mut [0; 100 * PIPE]).await.expect("its body");
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn whoever_asks_while_all_are_to_leave_is_answered_and_told_so() {
        let grace = Duration::from_secs(1);
        let server = Connections { grace, ..Connections::new(Stalled::default()) };
        let places = Arc::new(Semaphore::new(2));
        let ((mut asks, first), (mut idles, second)) = (duplex(PIPE), duplex(PIPE));
        for stream in [first, second] {
            server.serve(stream, places.clone().acquire_owned().await.unwrap(), service_fn(long));
        }
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        asks.write_all(request).await.unwrap();
        assert!(!answer(&mut asks).await.contains("connection: close"));
        let began = Instant::now();
        let finishing = tokio::spawn(async move { server.finish(&CancellationToken::new()).await });
        sleep(grace / 2).await;
        asks.write_all(request).await.expect("it is open");
        assert!(answer(&mut asks).await.contains("connection: close"));
        assert_eq!(asks.read(&mut [0]).await.unwrap(), 0, "closed after the answer");
        assert_eq!(idles.read(&mut [0]).await.unwrap(), 0, "closed when nothing came");
        assert!(began.elapsed() >= grace, "{:?}", began.elapsed());
        finishing.await.unwrap();
    }

    /// Reads a piece of the answer ten times in `patience`, until the connection is cut or the time is over.
    async fn drip(peer: &mut DuplexStream, patience: Duration, time: Duration) -> Duration {
        let began = Instant::now();
        while began.elapsed() < time && peer.read_exact(&mut [0; PIPE]).await.is_ok() {
            sleep(patience / 10).await;
        }
        began.elapsed()
    }

    #[tokio::test]
    async fn a_peer_that_reads_slowly_is_not_cut() {
        let patience = Duration::from_secs(1);
        // Pieces come at ten times that rate, and less if the machine is slow.
        let (mut peer, server, _places) = peer(patience, 64).await;
        drip(&mut peer, patience, 2 * patience).await;
        assert_eq!(server.stalled.0.get(), 0);
    }

    #[tokio::test]
    async fn a_peer_that_drips_is_cut_though_it_always_takes_something() {
        let patience = Duration::from_millis(500);
        // Pieces come at a tenth of that rate at most.
        let (mut peer, server, places) = peer(patience, 12_800).await;
        let lasted = drip(&mut peer, patience, Duration::from_secs(10)).await;
        assert!(lasted >= patience / 2, "{lasted:?}");
        let _place = timeout(Duration::from_secs(10), places.acquire()).await.expect("its place is free");
        assert_eq!(server.stalled.0.get(), 1);
    }
}
