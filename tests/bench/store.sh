#!/usr/bin/env bash
# What a shared store costs a request with a fresh pass: CPU of the gate per request with and without one, side by side
# in interleaved rounds, and the commands that the store was sent meanwhile.
#
#     make bench-store          # ROUNDS=8 SECONDS_EACH=4
#
# Needs wrk, nginx (the upstream), redis-server, curl; builds the gate with --release.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${ROUNDS:-8} seconds=${SECONDS_EACH:-4}
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
for tool in wrk nginx redis-server curl; do
  command -v $tool >/dev/null || { echo "needs $tool" >&2; exit 1; }
done
cargo build --release --quiet
gate=target/release/rolegate

cat >"$folder/pool.toml" <<EOF
[[clients]]
id = "bench"
secrets = ["a-secret-for-this-bench-only"]
callback_urls = ["http://localhost:3000/oauth2/callback"]
logout_urls = ["http://localhost:3000/oauth2/signout"]
EOF
"$gate" pool --listen 127.0.0.1:14182 --pool "$folder/pool.toml" >"$folder/pool" 2>&1 &
redis-server --port 16379 --save "" --dir "$folder" >"$folder/redis" 2>&1 &
cat >"$folder/nginx.conf" <<EOF
daemon off; pid $folder/nginx.pid; error_log $folder/nginx.log; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f;
  uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
  server { listen 127.0.0.1:18080; location / { return 200 "$(head -c 1024 /dev/zero | tr '\0' x)"; } }
}
EOF
nginx -c "$folder/nginx.conf" -p "$folder" 2>/dev/null &
until grep -q '^ready' "$folder/pool"; do sleep 0.1; done
"$gate" secret >"$folder/keys"

start() { # name, port, further lines of [session]
  cat >"$folder/$1.toml" <<EOF
public_url = "http://localhost:3000"
listen = "127.0.0.1:$2"
admin_listen = "127.0.0.1:$(($2 + 1))"
upstream = "http://127.0.0.1:18080"
required_roles = ["viewer"]
workers = 1
[cognito]
user_pool_id = "local_devpool1"
issuer = "http://127.0.0.1:14182/local_devpool1"
client_id = "bench"
client_secret = "a-secret-for-this-bench-only"
[session]
keys_file = "$folder/keys"
$3
EOF
  "$gate" run --config "$folder/$1.toml" >/dev/null 2>"$folder/$1.log" &
  pids[$1]=$!
  until curl -sf "http://127.0.0.1:$(($2 + 1))/readyz" >/dev/null; do sleep 0.1; done
}
declare -A pids ports=([alone]=14190 [shared]=14200)
start alone ${ports[alone]} ""
start shared ${ports[shared]} 'store = "redis://127.0.0.1:16379"'

# One session opens at both: they share keys, client and origin.
sign_in() {
  local jar="$folder/jar" to="--connect-to localhost:3000:127.0.0.1:${ports[shared]}" form url csrf
  url=$(curl -s $to -c "$jar" -b "$jar" -o /dev/null -w '%{redirect_url}' -H 'Accept: text/html' http://localhost:3000/)
  form=$(curl -s -L -c "$jar" -b "$jar" -o "$folder/form" -w '%{url_effective}' "$url")
  csrf=$(grep -o 'name="_csrf" value="[^"]*"' "$folder/form" | head -1 | cut -d'"' -f4)
  url=$(curl -s -c "$jar" -b "$jar" -o /dev/null -w '%{redirect_url}' --data-urlencode "_csrf=$csrf" -d username=viewer -d password=viewer "$form")
  curl -s $to -c "$jar" -b "$jar" -o /dev/null "$url"
  awk '$6 ~ /^rolegate/ { printf "%s%s=%s", sep, $6, $7; sep = "; " }' "$jar"
}
cookie=$(sign_in)
ticks() { awk '{ print $14 + $15 }' "/proc/${pids[$1]}/stat"; }
hertz=$(getconf CLK_TCK)
commands() { redis-cli -p 16379 info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p'; }
round() { # name -> microseconds of CPU a request
  local before after requests
  # A redirect is none of wrk's errors.
  [ "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: localhost:3000' -H "Cookie: $cookie" "http://127.0.0.1:${ports[$1]}/")" = 200 ] ||
    { echo "$1 does not take the session" >&2; exit 1; }
  before=$(ticks "$1")
  wrk -t1 -c32 -d"${seconds}s" -H 'Host: localhost:3000' -H "Cookie: $cookie" "http://127.0.0.1:${ports[$1]}/" >"$folder/wrk"
  grep -q 'Non-2xx' "$folder/wrk" && { cat "$folder/wrk" >&2; exit 1; }
  after=$(ticks "$1")
  requests=$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$folder/wrk")
  echo "$requests" >>"$folder/$1.requests"
  awk -v t=$((after - before)) -v n="$requests" -v h="$hertz" 'BEGIN { printf "%.2f\n", t / h * 1e6 / n }'
}
round alone >/dev/null; round shared >/dev/null; rm "$folder"/*.requests
sent=0
for _ in $(seq "$rounds"); do
  a=$(round alone); before=$(commands); s=$(round shared); sent=$((sent + $(commands) - before - 1))
  echo "$a $s" | tee -a "$folder/rounds" | awk '{ printf "alone %6.2f µs   shared %6.2f µs   ratio %.3f\n", $1, $2, $2 / $1 }'
done
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
ratios=$(awk '{ print $2 / $1 }' "$folder/rounds" | sort -n)
printf 'median: alone %s µs, shared %s µs of CPU a request; ratio %.3f (%.3f to %.3f)\n' \
  "$(awk '{ print $1 }' "$folder/rounds" | median)" "$(awk '{ print $2 }' "$folder/rounds" | median)" \
  "$(echo "$ratios" | median)" "$(echo "$ratios" | head -1)" "$(echo "$ratios" | tail -1)"
echo "the store was sent $sent commands for $(paste -sd+ "$folder/shared.requests" | bc 2>/dev/null || awk '{ n += $1 } END { print n }' "$folder/shared.requests") requests: it follows the log"
