use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
    time::timeout,
};

use super::*;

const MOMENT: Duration = Duration::from_millis(200);

/// Every client is the same part.
struct One(SocketAddr);

impl Ends for One {
    fn client(&self, _: SocketAddr) -> Option<&'static str> {
        Some("client")
    }

    fn server(&self, _: &str) -> Option<SocketAddr> {
        Some(self.0)
    }
}

struct Between {
    skies: Arc<Skies>,
    port: u16,
    _tasks: [JoinHandle<()>; 2],
}

/// A proxy in front of a server that sends back what it is sent.
async fn between() -> Between {
    let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let ends = Arc::new(One(echo.local_addr().unwrap()));
    let echo = tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let proxy = Proxy::bind("server").await.unwrap();
    let (port, skies) = (proxy.port().unwrap(), Arc::new(Skies::new(["client", "server"])));
    let running = proxy.run(skies.clone(), ends);
    let proxy = tokio::spawn(async move { running.await.unwrap() });
    Between { skies, port, _tasks: [echo, proxy] }
}

impl Between {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap()
    }
}

/// Sends a word and hears it again.
async fn echo(stream: &mut TcpStream) -> io::Result<Duration> {
    let begun = Instant::now();
    stream.write_all(b"word").await?;
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).await?;
    assert_eq!(&heard, b"word");
    Ok(begun.elapsed())
}

#[tokio::test]
async fn clear_weather_passes_everything_and_both_ends() {
    let between = between().await;
    let mut stream = between.connect().await;
    assert!(echo(&mut stream).await.unwrap() < MOMENT);
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_cut_off_arrives_when_it_is_over() {
    let between = between().await;
    let mut stream = between.connect().await;
    echo(&mut stream).await.unwrap();
    between.skies.set("client", Weather::Cut);
    assert!(timeout(MOMENT, echo(&mut stream)).await.is_err());
    let mut new = between.connect().await;
    assert!(timeout(MOMENT, echo(&mut new)).await.is_err());
    between.skies.set("client", Weather::Clear);
    stream.read_exact(&mut [0; 4]).await.unwrap();
    new.read_exact(&mut [0; 4]).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_late_by_what_the_weather_says() {
    let between = between().await;
    let mut stream = between.connect().await;
    between.skies.set("server", Weather::Late(Duration::from_millis(300)));
    let took = echo(&mut stream).await.unwrap();
    assert!((Duration::from_millis(300)..Duration::from_millis(600)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn some_requests_are_reset_and_others_are_not() {
    let between = between().await;
    between.skies.set("server", Weather::Resets(20));
    let mut reset = 0;
    for _ in 0..200 {
        match echo(&mut between.connect().await).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => reset += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((20..60).contains(&reset), "{reset} of 200");
}

#[tokio::test]
async fn slow_bytes_pass_one_by_one() {
    let between = between().await;
    let mut stream = between.connect().await;
    echo(&mut stream).await.unwrap();
    between.skies.set("server", Weather::Slow(10));
    stream.write_all(b"word").await.unwrap();
    let mut heard = [0; 4];
    assert!(timeout(MOMENT, stream.read_exact(&mut heard)).await.is_err());
    between.skies.set("server", Weather::Clear);
}

#[tokio::test]
async fn a_babbling_server_never_ends_before_the_weather_does() {
    let between = between().await;
    between.skies.set("server", Weather::Endless);
    let mut stream = between.connect().await;
    stream.write_all(b"word").await.unwrap();
    let mut heard = vec![0; 100_000];
    stream.read_exact(&mut heard).await.unwrap();
    assert!(heard.starts_with(b"HTTP/1.1 200 OK\r\n"));
    between.skies.set("server", Weather::Clear);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(echo(&mut between.connect().await).await.is_ok());
}
