//! The client side of HTTP between the parts: one request, one answer, within a budget.
//!
//! It never retries and never follows a redirect: whoever asks decides what a failure means.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;
use tokio::time::timeout;

/// Idle connections are dropped before the other side drops them.
const IDLE: Duration = Duration::from_secs(10);
const IDLE_PER_HOST: usize = 8;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Fault {
    /// The URL is none, or no request can be made of it.
    #[error("{0}")]
    Request(#[from] http::Error),
    /// Nobody listens there, or the connection broke.
    #[error("{0}")]
    Connection(String),
    /// The answer broke off, or it is longer than allowed.
    #[error("the answer could not be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// No whole answer within the budget.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The start of the body as one line of text: what the other side says of an error.
    pub fn sentence(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.trim().chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// How long an answer may take and how long it may be.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// From the request to the last byte of the answer.
    pub time: Duration,
    /// Bytes of the body of the answer.
    pub bytes: usize,
}

/// Asks other parts. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

impl Client {
    /// Connects only when asked to.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(connector);
        Self(client)
    }

    /// Gets `url`, whatever the status.
    ///
    /// # Errors
    /// No whole answer within the budget.
    pub async fn get(&self, url: &str, budget: Budget) -> Result<Answer, Fault> {
        self.send(Request::get(url).body(Full::default())?, budget).await
    }

    /// Gets `url`, whatever the status, with a body of at most `bytes`. Whoever awaits it bounds the time.
    ///
    /// # Errors
    /// No whole answer of that length.
    pub async fn get_unhurried(&self, url: &str, bytes: usize) -> Result<Answer, Fault> {
        self.exchange(Request::get(url).body(Full::default())?, bytes).await
    }

    /// Posts JSON to `url`.
    ///
    /// # Errors
    /// No whole answer within the budget.
    pub async fn post_json(&self, url: &str, json: Vec<u8>, budget: Budget) -> Result<Answer, Fault> {
        let request = Request::builder().method(Method::POST).uri(url);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Full::from(json))?, budget).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// No whole answer within the budget.
    pub async fn send(&self, request: Request<Full<Bytes>>, budget: Budget) -> Result<Answer, Fault> {
        timeout(budget.time, self.exchange(request, budget.bytes))
            .await
            .unwrap_or(Err(Fault::Late(budget.time)))
    }

    /// Gets `url` as a stream, once the head of its answer has come within `time`.
    ///
    /// # Errors
    /// No head within that time, or a status other than 200.
    pub async fn open(&self, url: &str, time: Duration) -> Result<Incoming, Fault> {
        let request = Request::get(url).body(Full::default())?;
        let response = timeout(time, self.0.request(request)).await.map_err(|_| Fault::Late(time))?;
        let response = response.map_err(|error| Fault::Connection(innermost(&error)))?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(Fault::Connection(format!("it answers {status}"))),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Answer, Fault> {
        let response = self.0.request(request).await.map_err(|error| Fault::Connection(innermost(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), limit).collect().await.map_err(Fault::Body)?;
        Ok(Answer { status, body: body.to_bytes() })
    }
}

/// What the machine said, without the layers that passed it on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const BUDGET: Budget = Budget { time: Duration::from_millis(300), bytes: 8 };

    /// Answers one request with these bytes and holds the connection; returns its URL.
    async fn remote(answer: &'static str, close: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _head = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if !close {
                std::future::pending::<()>().await;
            }
        });
        url
    }

    #[tokio::test]
    async fn an_answer_is_whole_or_a_fault() {
        let client = Client::new();
        let url = remote("HTTP/1.1 503 Busy\r\nContent-Length: 6\r\n\r\nlater\n", false).await;
        let answer = client.get(&url, BUDGET).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.sentence().as_str()), (503, "later"));

        let url = remote("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", false).await;
        assert!(matches!(client.get(&url, BUDGET).await, Err(Fault::Body(_))), "longer than the budget");

        let url = remote("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n1234", true).await;
        assert!(matches!(client.get(&url, BUDGET).await, Err(Fault::Body(_))), "broken off");

        let url = remote("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n1234", false).await;
        assert!(matches!(client.get(&url, BUDGET).await, Err(Fault::Late(_))), "stuck in the body");

        let url = remote("", false).await;
        assert!(matches!(client.get(&url, BUDGET).await, Err(Fault::Late(_))), "never answered");

        let url = remote("", true).await;
        assert!(matches!(client.get(&url, BUDGET).await, Err(Fault::Connection(_))), "hung up");

        assert!(matches!(client.get("http://a b/", BUDGET).await, Err(Fault::Request(_))));
    }
}
