#!/usr/bin/env bash
# Installs what `tricast lab peers` measures beside tricast, all of it under one folder (target/peers unless told):
#   root/          Debian's nginx and libnginx-mod-nchan, unpacked, not installed
#   node_modules/  ws and Socket.IO
#   bin/           the peers from crates.io, built from benches/peers/servers
#   versions.txt   what is there
# Each part is optional: one that cannot be had is told and left out. Usage: install.sh [FOLDER]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../target/peers}
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
say "uWebSockets.js is not in the npm registry and is not measured"
say "installed in $out:"
cat "$out/versions.txt" >&2
[ ${#missing[@]} -lt 3 ]
