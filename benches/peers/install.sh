#!/usr/bin/env bash
# Installs what `tricast lab peers` measures beside tricast, all of it under one folder (target/peers unless told):
#   root/          Debian's nginx and libnginx-mod-nchan, unpacked, not installed
#   node_modules/  ws and Socket.IO
#   bin/           the peers from crates.io, built from benches/peers/servers
#   versions.txt   what is there
# and what `tricast lab proxies` puts in front of it, under root/ too: Debian's nginx, HAProxy and Caddy.
# Each part is optional: one that cannot be had is told and left out. Usage: install.sh [FOLDER [PROXY...]]
# With proxies named (nginx, haproxy, caddy) nothing else is installed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../target/peers}
shift || true
mkdir -p "$out/deb" "$out/bin" && out=$(cd "$out" && pwd)
missing=()

say() { echo "peers: $*" >&2; }

# Debian's packages, fetched by apt and unpacked without root; installed for good only where fetching fails.
nchan() {
  if [ ! -x "$out/root/usr/sbin/nginx" ] || [ ! -e "$out/root/usr/lib/nginx/modules/ngx_nchan_module.so" ]; then
    command -v apt-get >/dev/null 2>&1 || return 1
    (cd "$out/deb" && fetch) || return 1
    for package in "$out"/deb/*.deb; do dpkg -x "$package" "$out/root" || return 1; done
  fi
  # The module makes nginx look for its own folder of temporary files, whatever the configuration says.
  local folders=(/var/lib/nginx/{body,proxy,fastcgi,uwsgi,scgi})
  mkdir -p "${folders[@]}" 2>/dev/null || sudo -n mkdir -p "${folders[@]}" || return 1
  for package in "$out"/deb/*.deb; do
    echo "nchan $(dpkg-deb -f "$package" Package) $(dpkg-deb -f "$package" Version)"
  done
}

fetch() {
  apt-get download -qq nginx libnginx-mod-nchan 2>/dev/null && return
  apt-get update -qq 2>/dev/null || sudo -n apt-get update -qq
  apt-get download -qq nginx libnginx-mod-nchan
}

# A proxy's packages, and the libraries of HAProxy that a small system does not have.
proxy() {
  local name=$1 packages=("${@:2}")
  type -P "$name" >/dev/null || [ -x "/usr/sbin/$name" ] && return
  [ -x "$out/root/usr/sbin/$name" ] || [ -x "$out/root/usr/bin/$name" ] && return
  command -v apt-get >/dev/null 2>&1 || return 1
  mkdir -p "$out/deb/$name" || return 1
  (cd "$out/deb/$name" && { apt-get download -qq "${packages[@]}" 2>/dev/null \
    || { apt-get update -qq 2>/dev/null || sudo -n apt-get update -qq; apt-get download -qq "${packages[@]}"; }; }) || return 1
  for package in "$out/deb/$name"/*.deb; do dpkg -x "$package" "$out/root" || return 1; done
}

nginx() { proxy nginx nginx; }
haproxy() { proxy haproxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1; }
caddy() { proxy caddy caddy; }

if [ $# -gt 0 ]; then
  for part in "$@"; do
    case $part in
      nginx | haproxy | caddy) "$part" || missing+=("$part") ;;
      *) say "$part is none of nginx, haproxy, caddy" && exit 2 ;;
    esac
  done
  [ ${#missing[@]} -eq 0 ] || say "could not be installed: ${missing[*]}"
  exit ${#missing[@]}
fi

node_peers() {
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 1
  cp "$here/package.json" "$here/package-lock.json" "$out/" || return 1
  npm ci --prefix "$out" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || return 1
  for peer in ws socket.io; do
    node -p "const p = require('$out/node_modules/$peer/package.json'); p.name + ' ' + p.name + ' ' + p.version + ', node ' + process.versions.node"
  done
}

rust_peers() {
  command -v cargo >/dev/null 2>&1 || return 1
  local manifest=$here/servers/Cargo.toml
  cargo build --release --locked --quiet --manifest-path "$manifest" --target-dir "$out/cargo" || return 1
  for peer in textbook axum socketioxide; do install -m 755 "$out/cargo/release/$peer" "$out/bin/" || return 1; done
  cargo tree --locked --quiet --manifest-path "$manifest" --depth 1 --prefix none >"$out/tree.txt" || return 1
  crates textbook actix-web actix-ws tokio
  crates axum axum tokio
  crates socketioxide socketioxide axum tokio
}

crates() { # crates PEER CRATE...: one line for each crate, as in `cargo tree`
  local peer=$1
  shift
  for crate in "$@"; do echo "$peer $(grep -m1 "^$crate v" "$out/tree.txt" | cut -d' ' -f1,2)"; done
}

: >"$out/versions.txt"
for part in nchan node_peers rust_peers; do
  if lines=$($part); then
    echo "$lines" >>"$out/versions.txt"
  else
    missing+=("$part")
    say "$part could not be installed and will not be measured"
  fi
done
for part in nginx haproxy caddy; do
  "$part" || say "$part could not be installed and will not be measured"
done
say "uWebSockets.js is not in the npm registry and is not measured"
say "installed in $out:"
cat "$out/versions.txt" >&2
[ ${#missing[@]} -lt 3 ]
