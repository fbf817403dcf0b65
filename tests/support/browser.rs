//! A small browser: requests as a browser makes them, redirects on request, a cookie jar after RFC 6265 and
//! its prefixes. Takes the public origin to be TLS in front of the gate, as a balancer would make it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use url::Url;

use super::wire::{Answer, Wire};

/// The public origin of most tests.
pub const ORIGIN: &str = "https://app.test";

/// Redirects followed before a browser gives up.
const HOPS: usize = 20;

/// One browser profile.
#[derive(Clone)]
pub struct Browser {
    /// Its cookies.
    pub jar: Jar,
    /// Who signs in at the pool when it is asked.
    pub signs_in_as: Option<String>,
    /// Where the hosts of public origins lead; every other host must be an address.
    routes: Vec<(String, SocketAddr)>,
}

/// Where following redirects ended.
#[derive(Debug, Clone)]
pub struct Page {
    /// The address shown.
    pub url: Url,
    /// Its answer.
    pub answer: Answer,
    /// Each address on the way, the last one included, with its status.
    pub hops: Vec<(Url, u16)>,
}

/// What kind of request a browser makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A link or the address bar.
    Navigate,
    /// A script's `fetch` from the same origin.
    Fetch,
    /// A form that is posted.
    Form,
    /// `<iframe>`.
    Frame,
    /// `<img>` on another site.
    CrossSiteImage,
    /// No `Sec-Fetch-*` at all and no word about HTML: a program.
    Program,
}

/// Cookies, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    /// Off: nothing is kept.
    pub blocked: bool,
}

/// A stored cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Name, byte for byte.
    pub name: String,
    /// Value, byte for byte.
    pub value: String,
    /// The host that set it, or its `Domain`.
    pub domain: String,
    /// Without a `Domain`: sent to exactly that host.
    pub host_only: bool,
    /// `Path`, or the default of RFC 6265 §5.1.4.
    pub path: String,
    /// Only over TLS.
    pub secure: bool,
    /// Not for scripts.
    pub http_only: bool,
    /// As sent: Lax, Strict, None.
    pub same_site: Option<String>,
    expires: Option<Instant>,
}

// === impl Browser ===

impl Browser {
    /// A new profile that finds [`ORIGIN`] at this address.
    pub fn new(gate: SocketAddr) -> Self {
        Self { jar: Jar::default(), signs_in_as: None, routes: vec![("app.test".into(), gate)] }
    }

    /// Finds a further host at this address.
    pub fn route(mut self, host: &str, address: SocketAddr) -> Self {
        self.routes.push((host.to_owned(), address));
        self
    }

    /// One request; cookies are sent and kept, redirects not followed.
    pub fn send(&mut self, kind: Kind, method: &str, url: &Url, lines: &str, body: &str) -> Answer {
        let mut wire = Wire::connect(self.address(url));
        wire.write(self.request(kind, method, url, lines, body).as_bytes());
        let answer = wire
            .answer(method == "HEAD")
            .unwrap_or_else(|ended| panic!("{method} {url}: no answer but {ended:?}"));
        self.jar.keep(url, &answer);
        answer
    }

    /// The bytes of such a request, its connection not kept.
    pub fn request(&self, kind: Kind, method: &str, url: &Url, lines: &str, body: &str) -> String {
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target = format!("{target}?{query}");
        }
        let host = match (url.host_str().unwrap(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{}", kind.lines());
        let cookies = self.jar.header(url);
        if !cookies.is_empty() {
            request += &format!("Cookie: {cookies}\r\n");
        }
        if let (Some(name), false) = (&self.signs_in_as, self.is_routed(url)) {
            request += &format!("X-Sign-In-As: {name}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            request += &format!(
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        format!("{request}{lines}Connection: close\r\n\r\n{body}")
    }

    /// Opens a path of [`ORIGIN`] or a whole address and follows redirects to the end.
    pub fn navigate(&mut self, to: &str) -> Page {
        self.follow(to, |_| false)
    }

    /// Opens an address without following.
    pub fn open(&mut self, to: &str) -> Answer {
        self.send(Kind::Navigate, "GET", &address(to), "", "")
    }

    /// A script's GET.
    pub fn fetch(&mut self, to: &str) -> Answer {
        self.send(Kind::Fetch, "GET", &address(to), "", "")
    }

    /// A form's POST, not followed.
    pub fn post(&mut self, to: &str, form: &str) -> Answer {
        self.send(Kind::Form, "POST", &address(to), "", form)
    }

    /// Opens an address and follows redirects until `arrived` says so of the next address, which is then not
    /// asked for; the answer is the redirect that leads there.
    pub fn follow(&mut self, to: &str, arrived: impl Fn(&Url) -> bool) -> Page {
        let mut url = address(to);
        let mut hops = Vec::new();
        loop {
            let answer = self.send(Kind::Navigate, "GET", &url, "", "");
            hops.push((url.clone(), answer.status));
            assert!(hops.len() <= HOPS, "a redirect loop: {hops:#?}");
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Page { url, answer, hops };
            }
            let next = url.join(answer.location()).unwrap();
            if arrived(&next) {
                return Page { url, answer, hops };
            }
            url = next;
        }
    }

    /// Signs in through the gate and ends with the callback's answer, which must be a redirect that sets
    /// cookies: the page it leads to is not asked for.
    pub fn sign_in(&mut self, user: &str) -> Page {
        self.sign_in_to(user, "/")
    }

    /// The same with a return address.
    pub fn sign_in_to(&mut self, user: &str, return_to: &str) -> Page {
        let callback = self.callback_for(user, return_to);
        let answer = self.open(callback.as_str());
        let hops = vec![(callback.clone(), answer.status)];
        let page = Page { url: callback, answer, hops };
        assert!(
            matches!(page.answer.status, 302 | 303) && !page.answer.head.all("set-cookie").is_empty(),
            "{user} was not signed in: {page:#?}"
        );
        page
    }

    /// Goes through a login up to the callback address that the pool leads back to, without opening it.
    pub fn callback_for(&mut self, user: &str, return_to: &str) -> Url {
        let encoded: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
        self.signs_in_as = Some(user.to_owned());
        let page = self.follow(&format!("/oauth2/start?rd={encoded}"), |next| {
            next.path() == "/oauth2/callback" && next.host_str() == Some("app.test")
        });
        let callback = page.url.join(page.answer.location()).unwrap();
        assert_eq!(callback.path(), "/oauth2/callback", "the login did not reach the callback: {page:#?}");
        callback
    }

    /// The Cookie header for a path of [`ORIGIN`].
    pub fn cookies(&self, path: &str) -> String {
        self.jar.header(&address(path))
    }

    fn is_routed(&self, url: &Url) -> bool {
        self.routes.iter().any(|(host, _)| Some(host.as_str()) == url.host_str())
    }

    fn address(&self, url: &Url) -> SocketAddr {
        let host = url.host_str().unwrap();
        if let Some((_, address)) = self.routes.iter().find(|(known, _)| known == host) {
            return *address;
        }
        let port = url.port_or_known_default().unwrap();
        format!("{host}:{port}").parse().unwrap_or_else(|_| panic!("the browser was led to {url}"))
    }
}

/// A path of [`ORIGIN`], or a whole address.
pub fn address(to: &str) -> Url {
    Url::parse(ORIGIN).unwrap().join(to).unwrap()
}

// === impl Kind ===

impl Kind {
    /// What a browser says of such a request.
    pub fn lines(self) -> &'static str {
        match self {
            Self::Navigate => {
                "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Mode: navigate\r\n\
                 Sec-Fetch-Dest: document\r\nSec-Fetch-Site: none\r\nSec-Fetch-User: ?1\r\n"
            }
            Self::Fetch => {
                "Accept: */*\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\
                 Sec-Fetch-Site: same-origin\r\n"
            }
            Self::Form => {
                "Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\
                 Sec-Fetch-Site: same-origin\r\nOrigin: https://app.test\r\n"
            }
            Self::Frame => {
                "Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n\
                 Sec-Fetch-Site: cross-site\r\n"
            }
            Self::CrossSiteImage => {
                "Accept: image/avif,image/*,*/*;q=0.8\r\nSec-Fetch-Mode: no-cors\r\n\
                 Sec-Fetch-Dest: image\r\nSec-Fetch-Site: cross-site\r\n"
            }
            Self::Program => "",
        }
    }
}

// === impl Jar ===

impl Jar {
    /// Keeps, replaces and removes cookies as an answer says.
    pub fn keep(&mut self, url: &Url, answer: &Answer) {
        if self.blocked {
            return;
        }
        for line in answer.head.all("set-cookie") {
            if let Some(cookie) = Cookie::read(url, line) {
                let same =
                    |c: &Cookie| c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path;
                let gone = cookie.expires.is_some_and(|end| end <= Instant::now());
                match self.cookies.iter_mut().find(|c| same(c)) {
                    // Keeps its place: RFC 6265 §5.3, step 11.3.
                    Some(known) if !gone => *known = cookie,
                    Some(_) => self.cookies.retain(|c| !same(c)),
                    None if !gone => self.cookies.push(cookie),
                    None => {}
                }
            }
        }
    }

    /// The Cookie header for a request, longer paths first.
    pub fn header(&self, url: &Url) -> String {
        let mut sent: Vec<&Cookie> = self.cookies.iter().filter(|cookie| cookie.goes_to(url)).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = sent.iter().map(|c| format!("{}={}", c.name, c.value)).collect();
        pairs.join("; ")
    }

    /// All that has not expired.
    pub fn all(&self) -> Vec<&Cookie> {
        self.cookies.iter().filter(|cookie| !cookie.expired()).collect()
    }

    /// A cookie by name.
    pub fn get(&self, name: &str) -> Option<&Cookie> {
        self.all().into_iter().find(|cookie| cookie.name == name)
    }

    /// Those whose name begins so.
    pub fn named(&self, beginning: &str) -> Vec<&Cookie> {
        self.all().into_iter().filter(|cookie| cookie.name.starts_with(beginning)).collect()
    }

    /// Plants a host-only cookie for [`ORIGIN`], as another program could.
    pub fn plant(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.cookies.push(Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: "app.test".into(),
            host_only: true,
            path: "/".into(),
            secure: true,
            http_only: true,
            same_site: None,
            expires: None,
        });
    }

    /// Takes a cookie out.
    pub fn remove(&mut self, name: &str) {
        self.cookies.retain(|cookie| cookie.name != name);
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.cookies.clear();
    }
}

// === impl Cookie ===

impl Cookie {
    /// Reads a Set-Cookie line as RFC 6265bis §5.7 does; `None` where a browser drops it.
    pub fn read(url: &Url, line: &str) -> Option<Self> {
        let host = url.host_str()?;
        let over_tls = url.scheme() == "https";
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']));
        let directory =
            url.path().rsplit_once('/').map_or("/", |(head, _)| if head.is_empty() { "/" } else { head });
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host.to_owned(),
            host_only: true,
            path: directory.to_owned(),
            secure: false,
            http_only: false,
            same_site: None,
            expires: None,
        };
        for part in parts {
            let (key, text) = part.split_once('=').unwrap_or((part, ""));
            let text = text.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "samesite" => cookie.same_site = Some(text.to_owned()),
                "path" if text.starts_with('/') => cookie.path = text.to_owned(),
                "domain" if !text.is_empty() => {
                    let domain = text.trim_start_matches('.').to_ascii_lowercase();
                    if host != domain && !host.ends_with(&format!(".{domain}")) {
                        return None;
                    }
                    (cookie.domain, cookie.host_only) = (domain, false);
                }
                "max-age" => {
                    let seconds: i64 = text.parse().ok()?;
                    let life = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                    cookie.expires = Some(Instant::now() + life);
                }
                _ => {}
            }
        }
        let host_prefix = name.starts_with("__Host-");
        let secure_prefix = host_prefix || name.starts_with("__Secure-");
        let prefix_kept =
            (!secure_prefix || cookie.secure) && (!host_prefix || (cookie.host_only && cookie.path == "/"));
        let loopback = host == "localhost" || host.starts_with("127.");
        ((!cookie.secure || over_tls || loopback) && prefix_kept).then_some(cookie)
    }

    fn goes_to(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host_matches =
            host == self.domain || (!self.host_only && host.ends_with(&format!(".{}", self.domain)));
        let path = url.path();
        let path_matches = path == self.path
            || (path.starts_with(&self.path)
                && (self.path.ends_with('/') || path.as_bytes().get(self.path.len()) == Some(&b'/')));
        let loopback = host == "localhost" || host.starts_with("127.");
        host_matches
            && path_matches
            && (!self.secure || url.scheme() == "https" || loopback)
            && !self.expired()
    }

    fn expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= Instant::now())
    }
}
