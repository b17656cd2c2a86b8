//! Plain HTTP/1.1 for tests: one request per connection, over the standard library.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Head and names in lower case, as sent otherwise.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Gets a URL; `None` when nobody answers.
pub fn get(url: &str) -> Option<Answer> {
    request("GET", url, &[])
}

/// Posts a body to a URL; `None` when nobody answers.
pub fn post(url: &str, body: &str) -> Option<Answer> {
    request("POST", url, body.as_bytes())
}

/// Sends a request; `None` when nobody answers.
pub fn request(method: &str, url: &str, body: &[u8]) -> Option<Answer> {
    answer_of(&mut open(method, url, body)?)
}

/// Sends these bytes as they are, whatever they are; `None` when nothing that is HTTP comes back.
pub fn raw(url: &str, bytes: &[u8]) -> Option<Answer> {
    answer_of(&mut send(url.trim_start_matches("http://"), bytes)?)
}

/// Sends these bytes to a host and port and leaves the answer to the caller.
pub fn send(authority: &str, bytes: &[u8]) -> Option<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(authority).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(bytes).ok()?;
    Some(BufReader::new(stream))
}

/// Reads a whole answer; `None` if it breaks off.
pub fn answer_of(reader: &mut BufReader<TcpStream>) -> Option<Answer> {
    let (status, headers) = head(reader)?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body).ok()?;
    let chunked = headers.iter().any(|(key, value)| key == "transfer-encoding" && value == "chunked");
    Some(Answer { status, headers, body: if chunked { unchunked(&body)? } else { body } })
}

/// Sends a request and leaves the answer to the caller, from its status line on.
pub fn open(method: &str, url: &str, body: &[u8]) -> Option<BufReader<TcpStream>> {
    let rest = url.strip_prefix("http://").expect("tests speak http");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut reader = send(authority, head.as_bytes())?;
    reader.get_mut().write_all(body).ok()?;
    Some(reader)
}

fn head(reader: &mut BufReader<TcpStream>) -> Option<(u16, Vec<(String, String)>)> {
    let status = line(reader)?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?;
        let Some((key, value)) = line.split_once(':') else { return Some((status, headers)) };
        headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// The next line without its end; `None` at the end of the stream.
pub fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match reader.read_line(&mut line).ok()? {
        0 => None,
        _ => Some(line.trim_end().to_owned()),
    }
}

fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
        let chunk = body.get(end + 2..end + 2 + length)?;
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(chunk);
        body = body.get(end + 4 + length..)?;
    }
}

/// What a far side answers: of a path, the status and the body.
type Answers = Mutex<Box<dyn FnMut(&str) -> (u16, String) + Send>>;

/// A far side whose answers the test decides.
pub struct Remote {
    answers: Arc<Answers>,
    url: String,
    end: Arc<AtomicBool>,
}

impl Remote {
    /// Answers every request on a free port of loopback until dropped.
    pub fn start(answers: impl FnMut(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let answers: Arc<Answers> = Arc::new(Mutex::new(Box::new(answers)));
        let end = Arc::new(AtomicBool::new(false));
        let remote = Self { answers: answers.clone(), url, end: end.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let answers = answers.clone();
                thread::spawn(move || answer(stream, &answers));
            }
        });
        remote
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on answers like this.
    pub fn answer(&self, answers: impl FnMut(&str) -> (u16, String) + Send + 'static) {
        *self.answers.lock().expect("no answer panicked") = Box::new(answers);
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then ends; it may have ended already.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

fn answer(stream: TcpStream, answers: &Answers) {
    let mut reader = BufReader::new(stream);
    let Some(request) = line(&mut reader) else { return };
    let mut length = 0;
    while let Some(header) = line(&mut reader).filter(|header| !header.is_empty()) {
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = answers.lock().expect("no answer panicked")(path);
    // The asking side may be gone.
    let _ = write!(
        reader.get_mut(),
        "HTTP/1.1 {status} Answer\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}
