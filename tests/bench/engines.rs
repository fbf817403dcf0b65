//! The ways of running a proxy on hyper, as little as a proxy can be: nobody is asked who they are, nothing is recorded, no
//! head is looked at. `make bench BENCH='--table engines'` puts rolegate beside them.
//!
//!     engines shared|core|pool THREADS LISTEN UPSTREAM
//!
//! `shared`: one runtime, whose threads take tasks from each other, and one stock client. `core`: a runtime for each thread,
//! with a listener of its own (`SO_REUSEPORT`) and a stock client of its own. `pool`: the same with a stack of connections in
//! the client's place, as rolegate has it: nothing in it is shared or locked, and a request is sent as it came.

mod pool;

use std::net::SocketAddr;

use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pool::Shelf;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// As rolegate has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Stock = Client<HttpConnector, Incoming>;
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer<B> = Response<Either<B, Empty<Bytes>>>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().collect();
    let [_, way, threads, listen, upstream] = &words[..] else {
        return Err("engines shared|core|pool THREADS LISTEN UPSTREAM".into());
    };
    let (threads, listen, upstream) = (threads.parse()?, listen.parse()?, upstream.parse()?);
    match way.as_str() {
        "shared" => Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()?
            .block_on(serve(listen, upstream)),
        way => {
            let own_pool = way == "pool";
            let work = || {
                let upstream: Authority = upstream.clone();
                std::thread::spawn(move || {
                    let runtime = Builder::new_current_thread().enable_all().build()?;
                    if own_pool {
                        LocalSet::new().block_on(&runtime, serve_from_shelf(listen, upstream))
                    } else {
                        runtime.block_on(serve(listen, upstream))
                    }
                })
            };
            let workers: Vec<_> = (0..threads).map(|_| work()).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked")?)
        }
    }
}

async fn serve(listen: SocketAddr, upstream: Authority) -> Result<(), Failure> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let listener = shared_listener(listen)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            let pass = service_fn(|request| pass(&client, &upstream, request));
            // Who goes away in the middle of it is no affair of this program's.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), pass).await;
        });
    }
}

fn shared_listener(listen: SocketAddr) -> Result<TcpListener, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(listen)?;
    Ok(socket.listen(4096)?)
}

async fn pass(
    client: &Stock,
    upstream: &Authority,
    mut request: Request<Incoming>,
) -> Result<Answer<Incoming>, http::Error> {
    let target = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() =
        Uri::builder().scheme("http").authority(upstream.clone()).path_and_query(target).build()?;
    match client.request(request).await {
        Ok(answer) => Ok(answer.map(Either::Left)),
        Err(_) => bad_gateway(),
    }
}

fn bad_gateway<B>() -> Result<Answer<B>, http::Error> {
    Response::builder().status(StatusCode::BAD_GATEWAY).body(Either::Right(Empty::new()))
}

// === a runtime a core, own pool ===

async fn serve_from_shelf(listen: SocketAddr, upstream: Authority) -> Result<(), Failure> {
    let (listener, shelf) = (shared_listener(listen)?, Shelf::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (shelf, upstream) = (shelf.clone(), upstream.clone());
        tokio::task::spawn_local(async move {
            let pass = service_fn(|request| pool::pass(&shelf, &upstream, request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), pass).await;
        });
    }
}
