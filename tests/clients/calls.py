"""gRPC's own client and server, with the gate between them.

    calls.py serve [CERTIFICATE KEY]      a service; says `ready ADDRESS`
    calls.py ADDRESS TESTS [AUTHORITY]    tests against it, `+` between them; TLS if there is an authority's certificate

The variable SESSION is the metadata that says who calls: a name, a blank, a value.
"""

import concurrent.futures
import json
import os
import queue
import sys
import threading

import grpc

PATIENCE = 30


# --- the service: bytes in, bytes out, so that no compiler of protocols is needed


class Service(grpc.GenericRpcHandler):
    def __init__(self):
        self.left = threading.Semaphore(0)

    def service(self, details):
        name = details.method.rpartition("/")[2]
        return getattr(self, name.lower())()

    def echo(self):
        def answer(said, context):
            metadata = [[key, str(value)] for key, value in context.invocation_metadata()]
            context.set_trailing_metadata((("x-kept", "in the trailers"), ("x-user", "root")))
            return json.dumps({"said": len(said), "metadata": metadata, "left": context.time_remaining()}).encode()

        return grpc.unary_unary_rpc_method_handler(answer)

    def large(self):
        return grpc.unary_unary_rpc_method_handler(lambda said, _: said)

    def down(self):
        def answer(said, _):
            for number in range(int(said)):
                yield str(number).encode()

        return grpc.unary_stream_rpc_method_handler(answer)

    def up(self):
        return grpc.stream_unary_rpc_method_handler(lambda said, _: b"".join(said))

    def both(self):
        def answer(said, _):
            for each in said:
                yield each.upper()

        return grpc.stream_stream_rpc_method_handler(answer)

    def fails(self):
        def answer(said, context):
            if said == b"late":
                yield b"one"
            context.set_trailing_metadata((("x-why", "because"), ("x-user", "root")))
            context.abort(grpc.StatusCode.NOT_FOUND, "nothing is here: ü")

        return grpc.unary_stream_rpc_method_handler(answer)

    def waits(self):
        """Says one word, then nothing until whoever called has left."""

        def answer(said, context):
            gone = threading.Event()

            # Not after the wait: of a call that ends while its word is on the way nothing behind `yield` is run.
            def leaves():
                self.left.release()
                gone.set()

            if not context.add_callback(leaves):
                leaves()
            if said != b"silent":
                yield b"begun"
            gone.wait(PATIENCE)

        return grpc.unary_stream_rpc_method_handler(answer)

    def left_one(self):
        """Answers once one of those has left."""

        def answer(_, context):
            if not self.left.acquire(timeout=PATIENCE):
                context.abort(grpc.StatusCode.INTERNAL, "nobody has left")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


def serve(certificate=None, key=None):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=64))
    server.add_generic_rpc_handlers((Service(),))
    if certificate:
        with open(key, "rb") as key, open(certificate, "rb") as certificate:
            shown = grpc.ssl_server_credentials([(key.read(), certificate.read())])
        port = server.add_secure_port("127.0.0.1:0", shown)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"ready 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


# --- the client


class Client:
    def __init__(self, address, authority):
        name, _, value = os.environ.get("SESSION", "").partition(" ")
        self.session = ((name, value),) if name else ()
        options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
        if authority:
            with open(authority, "rb") as file:
                shown = grpc.ssl_channel_credentials(root_certificates=file.read())
            options.append(("grpc.ssl_target_name_override", "app.test"))
            self.channel = grpc.secure_channel(address, shown, options)
        else:
            options.append(("grpc.default_authority", "app.test"))
            self.channel = grpc.insecure_channel(address, options)

    def call(self, kind, name, said, metadata=None, timeout=PATIENCE, service="test.Echo"):
        method = getattr(self.channel, kind)(f"/{service}/{name}")
        metadata = self.session if metadata is None else metadata
        return method(said, metadata=metadata, timeout=timeout)


def fails(code, call):
    try:
        list(call()) if callable(call) else list(call)
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error
    raise AssertionError(f"no {code}")


def every_kind_of_call_passes(client):
    assert json.loads(client.call("unary_unary", "Echo", b"hello"))["said"] == 5
    assert list(client.call("unary_stream", "Down", b"100")) == [str(n).encode() for n in range(100)]
    assert client.call("stream_unary", "Up", iter([b"a", b"b", b"c"] * 50)) == b"abc" * 50
    said = queue.Queue()
    both = client.call("stream_stream", "Both", iter(said.get, None))
    # Each is answered before the next is said: nothing on the way waits for more.
    for word in [b"one", b"two", b"three"]:
        said.put(word)
        assert next(both) == word.upper()
    said.put(None)
    assert list(both) == [] and both.code() == grpc.StatusCode.OK


def many_and_large_calls_share_what_there_is(client):
    large = os.urandom(3 * 1024 * 1024)
    with concurrent.futures.ThreadPoolExecutor(max_workers=24) as crowd:
        small = [crowd.submit(client.call, "unary_unary", "Echo", b"hello") for _ in range(120)]
        bulky = [crowd.submit(client.call, "unary_unary", "Large", large) for _ in range(4)]
        assert all(json.loads(one.result())["said"] == 5 for one in small)
        assert all(one.result() == large for one in bulky)


def the_identity_is_there_once_and_nobody_elses(client):
    claimed = client.session + (("x-user", "root"), ("x-roles", "admin"), ("x_user", "root"), ("x-mine", "yes"))
    call = client.channel.unary_unary("/test.Echo/Echo").with_call(b"", metadata=claimed, timeout=PATIENCE)
    metadata = [tuple(each) for each in json.loads(call[0])["metadata"]]
    assert [value for name, value in metadata if name == "x-user"] == ["user"], metadata
    assert [value for name, value in metadata if name == "x-roles"] == ["user"], metadata
    assert ("x-mine", "yes") in metadata, metadata
    names = [name for name, _ in metadata]
    assert not {"x_user", "authorization", "cookie"} & set(names), metadata
    trailing = [tuple(each) for each in call[1].trailing_metadata()]
    assert ("x-kept", "in the trailers") in trailing, trailing
    assert "x-user" not in dict(trailing), trailing


def an_error_is_told_in_the_trailers(client):
    for said, before in [(b"", []), (b"late", [b"one"])]:
        call, got = client.call("unary_stream", "Fails", said), []
        error = fails(grpc.StatusCode.NOT_FOUND, lambda: (got.append(each) for each in call))
        assert got == before and error.details() == "nothing is here: ü", (got, error)
        trailing = dict(error.trailing_metadata())
        assert trailing["x-why"] == "because" and "x-user" not in trailing, trailing


def a_deadline_reaches_the_server(client):
    left = json.loads(client.call("unary_unary", "Echo", b"", timeout=25))["left"]
    # It is sent in few digits, rounded up.
    assert 0 < left < 28, left
    for said in [b"", b"silent"]:
        fails(grpc.StatusCode.DEADLINE_EXCEEDED, client.call("unary_stream", "Waits", said, timeout=1))
        client.call("unary_unary", "Left_one", b"")


def a_call_that_is_cancelled_is_cancelled_at_the_server(client):
    call = client.call("unary_stream", "Waits", b"")
    assert next(call) == b"begun"
    call.cancel()
    client.call("unary_unary", "Left_one", b"")
    # And the connections behind it go on.
    assert json.loads(client.call("unary_unary", "Echo", b"hello"))["said"] == 5


def whoever_may_not_is_told_so_in_its_own_words(client):
    echo = lambda **how: lambda: client.call("unary_unary", "Echo", b"", **how)
    fails(grpc.StatusCode.UNAUTHENTICATED, echo(metadata=()))
    fails(grpc.StatusCode.UNAUTHENTICATED, echo(metadata=(("authorization", "Bearer e30.e30.e30"),)))
    fails(grpc.StatusCode.PERMISSION_DENIED, echo(service="test.Admin"))


def a_call_ends_with_the_session_behind_it(client):
    call = client.call("unary_stream", "Waits", b"")
    assert next(call) == b"begun"
    print("begun", flush=True)
    fails(grpc.StatusCode.UNAVAILABLE, call)
    fails(grpc.StatusCode.UNAUTHENTICATED, lambda: client.call("unary_unary", "Echo", b""))


if sys.argv[1] == "serve":
    serve(*sys.argv[2:])
else:
    address, tests, *authority = sys.argv[1:]
    for test in tests.split("+"):
        globals()[test](Client(address, authority[0] if authority else None))
    print(f"passed {tests}")
    # A channel's threads are not waited for.
    sys.stdout.flush()
    os._exit(0)
