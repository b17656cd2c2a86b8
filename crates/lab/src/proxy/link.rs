//! One connection on its way through the weather.

use std::{
    convert::Infallible,
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::weather::{Fate, Step, Weather};
use crate::draw::Draw;

/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;
/// Pieces on their way, each way; further ones wait in the sockets.
const ON_THE_WAY: usize = 64;
/// Between two chunks, of 4 KiB, of an answer without an end.
const BABBLE: Duration = Duration::from_millis(2);

/// How a connection ended.
enum End {
    /// One side broke it, or the weather did.
    Reset,
    /// The client asked for something that has no end.
    Babble,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Reset
    }
}

/// A connection, with the skies of its client and its server.
pub(super) struct Link {
    skies: [watch::Receiver<Weather>; 2],
    seed: u64,
}

impl Link {
    pub(super) fn new(skies: [watch::Receiver<Weather>; 2], seed: u64) -> Self {
        Self { skies, seed }
    }

    fn sky(&self) -> Sky {
        Sky(self.skies.clone())
    }

    /// Passes on what both sides send until both have ended, or the connection breaks.
    pub(super) async fn run<C>(self, mut client: TcpStream, connect: impl FnOnce() -> C)
    where
        C: Future<Output = io::Result<TcpStream>>,
    {
        let end = match self.connect(connect).await {
            Ok(mut server) => {
                let end = self.pass(&mut client, &mut server).await;
                if end.is_err() {
                    reset(server);
                }
                end
            }
            Err(end) => Err(end),
        };
        match end {
            Ok(()) => {}
            Err(End::Babble) => babble(client, self.sky()).await,
            Err(End::Reset) => reset(client),
        }
    }

    async fn connect<C>(&self, connect: impl FnOnce() -> C) -> Result<TcpStream, End>
    where
        C: Future<Output = io::Result<TcpStream>>,
    {
        self.sky().passable(Instant::now()).await;
        let server = connect().await?;
        server.set_nodelay(true)?;
        Ok(server)
    }

    async fn pass(&self, client: &mut TcpStream, server: &mut TcpStream) -> Result<(), End> {
        client.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let (there, on_the_way_there) = mpsc::channel(ON_THE_WAY);
        let (back, on_the_way_back) = mpsc::channel(ON_THE_WAY);
        let turns = Turns { asked: AtomicBool::new(false) };
        let requests = self.read_requests(from_client, there, &turns);
        tokio::try_join!(
            requests,
            write(to_server, on_the_way_there, self.sky()),
            read_answers(from_server, back, &turns),
            write(to_client, on_the_way_back, self.sky()),
        )?;
        Ok(())
    }

    async fn read_requests(
        &self,
        mut from: ReadHalf<'_>,
        queue: mpsc::Sender<Piece>,
        turns: &Turns,
    ) -> Result<(), End> {
        let mut draw = Draw::new(self.seed);
        while let Some(piece) = read(&mut from).await? {
            // What comes after an answer, or first, begins a request.
            if !turns.asked.swap(true, Ordering::Relaxed) {
                match self.sky().weather().fate(draw.below(100)) {
                    Fate::Passed => {}
                    Fate::Reset => return Err(End::Reset),
                    Fate::Babble => return Err(End::Babble),
                }
            }
            if queue.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Whose turn it is to send.
struct Turns {
    asked: AtomicBool,
}

/// Bytes, and when they came.
struct Piece {
    came: Instant,
    bytes: Bytes,
}

async fn read(from: &mut ReadHalf<'_>) -> io::Result<Option<Piece>> {
    let mut bytes = BytesMut::with_capacity(PIECE);
    let length = from.read_buf(&mut bytes).await?;
    Ok((length > 0).then(|| Piece { came: Instant::now(), bytes: bytes.freeze() }))
}

async fn read_answers(mut from: ReadHalf<'_>, queue: mpsc::Sender<Piece>, turns: &Turns) -> Result<(), End> {
    while let Some(piece) = read(&mut from).await? {
        turns.asked.store(false, Ordering::Relaxed);
        if queue.send(piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn write(mut to: WriteHalf<'_>, mut queue: mpsc::Receiver<Piece>, mut sky: Sky) -> Result<(), End> {
    while let Some(Piece { came, mut bytes }) = queue.recv().await {
        while bytes.has_remaining() {
            match sky.passable(came).await {
                Passable::Whole => to.write_all_buf(&mut bytes).await?,
                Passable::One => to.write_all(&bytes.split_to(1)).await?,
            }
        }
    }
    sky.passable(Instant::now()).await;
    to.shutdown().await?;
    Ok(())
}

enum Passable {
    Whole,
    One,
}

/// What is over a connection.
struct Sky([watch::Receiver<Weather>; 2]);

impl Sky {
    fn weather(&self) -> Weather {
        Weather::between(*self.0[0].borrow(), *self.0[1].borrow())
    }

    /// Waits until bytes that came at `came` may pass.
    async fn passable(&mut self, came: Instant) -> Passable {
        loop {
            let pause = match self.weather().step(came.elapsed()) {
                Step::Pass => return Passable::Whole,
                Step::Wait(pause) => pause,
                Step::Hold => Duration::MAX,
                Step::One(pause) => {
                    sleep(pause).await;
                    return Passable::One;
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.changed() => {}
            }
        }
    }

    /// Waits for another weather.
    async fn changed(&mut self) {
        let [client, server] = &mut self.0;
        // A sky whose maker is gone stays as it is.
        let change = async |sky: &mut watch::Receiver<Weather>| match sky.changed().await {
            Ok(()) => {}
            Err(_) => std::future::pending().await,
        };
        tokio::select! {
            () = change(client) => {}
            () = change(server) => {}
        }
    }
}

/// Answers without an end, until the weather is another or nobody listens.
async fn babble(mut client: TcpStream, mut sky: Sky) {
    tokio::select! {
        // It ends when the client has had enough.
        _ = talk(&mut client) => {}
        () = sky.changed() => {}
    }
    reset(client);
}

async fn talk(client: &mut TcpStream) -> io::Result<Infallible> {
    client.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    let chunk = [&b"1000\r\n"[..], &[b'x'; 0x1000], b"\r\n"].concat();
    loop {
        client.write_all(&chunk).await?;
        sleep(BABBLE).await;
    }
}

/// Ends a connection as a machine does that knows nothing of it.
fn reset(stream: TcpStream) {
    // If it can't be told the hard way it is told the soft way.
    let _ = stream.set_zero_linger();
    drop(stream);
}
