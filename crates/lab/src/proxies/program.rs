//! The proxies as programs: where each is, what it is told, how it is started, reloaded and started again.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{LabError, Result};
use crate::machine::{PeerChild, Placement, Readiness, cpu_seconds, descendants};
use crate::result::{Configuration, ProxyKind};

const NGINX: [&str; 2] = [
    include_str!("../../../../benches/proxies/nginx-default.conf"),
    include_str!("../../../../benches/proxies/nginx-ours.conf"),
];
const HAPROXY: [&str; 2] = [
    include_str!("../../../../benches/proxies/haproxy-default.conf"),
    include_str!("../../../../benches/proxies/haproxy-ours.conf"),
];
const CADDY: [&str; 2] = [
    include_str!("../../../../benches/proxies/caddy-default.conf"),
    include_str!("../../../../benches/proxies/caddy-ours.conf"),
];
/// Folders of a system, in which a program may be although `PATH` does not name them.
const FOLDERS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];
/// Where the libraries of an unpacked package are.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"];

/// The text of a configuration, before anything is filled in.
pub(super) fn text(proxy: ProxyKind, configuration: Configuration) -> &'static str {
    let [default, ours] = match proxy {
        ProxyKind::Nginx => NGINX,
        ProxyKind::Haproxy => HAPROXY,
        ProxyKind::Caddy => CADDY,
    };
    match configuration {
        Configuration::Default => default,
        Configuration::Ours => ours,
    }
}

/// A program that was found, and the libraries that came with it.
#[derive(Debug, Clone)]
pub(super) struct Program {
    path: PathBuf,
    libraries: Option<PathBuf>,
}

impl Program {
    /// Looks for a proxy among what `make peers` unpacked, then in `PATH`, then in the system's folders.
    pub(super) fn find(proxy: ProxyKind, installed: &Path) -> Option<Self> {
        let name = proxy.key();
        let root = installed.join("root");
        let unpacked = FOLDERS.iter().map(|folder| root.join(folder).join(name)).find(|path| path.is_file());
        if let Some(path) = unpacked {
            let path = path.canonicalize().ok()?;
            let libraries = LIBRARIES.iter().map(|folder| root.join(folder)).find(|path| path.is_dir());
            return Some(Self { path, libraries: libraries.and_then(|path| path.canonicalize().ok()) });
        }
        let named = std::env::var_os("PATH").unwrap_or_default();
        let system = FOLDERS.iter().map(|folder| Path::new("/").join(folder));
        let mut folders = std::env::split_paths(&named).chain(system);
        let path = folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))?;
        Some(Self { path, libraries: None })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.envs(self.libraries.iter().map(|folder| ("LD_LIBRARY_PATH", folder)));
        command
    }

    /// What it says of its version, the first line of it.
    pub(super) fn version(&self, proxy: ProxyKind) -> String {
        let mut command = self.command();
        let output = command.arg(if proxy == ProxyKind::Caddy { "version" } else { "-v" });
        let Ok(output) = output.stdin(Stdio::null()).output() else { return String::new() };
        let text = [output.stdout, output.stderr].concat();
        let line = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned();
        if proxy == ProxyKind::Caddy { format!("Caddy {line}") } else { line }
    }
}

/// A proxy that runs in front of a server.
#[derive(Debug)]
pub(super) struct Proxy {
    kind: ProxyKind,
    program: Program,
    folder: PathBuf,
    file: PathBuf,
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    place: Placement,
    child: Option<PeerChild>,
}

impl Proxy {
    /// Fills a configuration in, in a folder of its own, and starts the proxy on the server's core.
    pub(super) fn start(
        kind: ProxyKind,
        configuration: Configuration,
        program: &Program,
        folder: &Path,
        upstream: SocketAddr,
        place: Placement,
    ) -> Result<Self> {
        fs::create_dir_all(folder).map_err(LabError::io(format!("create {}", folder.display())))?;
        let folder = folder.canonicalize().map_err(LabError::io("find the proxy's folder"))?;
        let (address, admin) = free_addresses()?;
        let text = text(kind, configuration)
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@PORT@", &address.port().to_string())
            .replace("@ADMIN@", &admin.port().to_string())
            .replace("@UPSTREAM@", &upstream.to_string());
        let file = folder.join("proxy.conf");
        fs::write(&file, text).map_err(LabError::io(format!("write {}", file.display())))?;
        let program = program.clone();
        let mut proxy = Self { kind, program, folder, file, address, admin, place, child: None };
        proxy.run()?;
        Ok(proxy)
    }

    fn run(&mut self) -> Result<()> {
        let mut command = self.program.command();
        match self.kind {
            ProxyKind::Nginx => command
                .arg("-p")
                .arg(&self.folder)
                .arg("-e")
                .arg(self.folder.join("error.log"))
                .args(["-g", "daemon off;"])
                .arg("-c")
                .arg(&self.file),
            ProxyKind::Haproxy => command.arg("-W").arg("-f").arg(&self.file),
            ProxyKind::Caddy => command
                .env("HOME", &self.folder)
                .env("XDG_DATA_HOME", &self.folder)
                .env("XDG_CONFIG_HOME", &self.folder)
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(&self.file),
        };
        let log = self.folder.join("stderr.log");
        let ready = Readiness::Accepts(self.address);
        self.child = Some(PeerChild::start(&mut command, self.place, ready, &log)?);
        Ok(())
    }

    /// Lets the proxy read its configuration again, as its package's service does.
    pub(super) fn reload(&self) -> Result<()> {
        match self.kind {
            ProxyKind::Nginx => self.signal(Signal::HUP),
            ProxyKind::Haproxy => self.signal(Signal::USR2),
            ProxyKind::Caddy => self.reload_caddy(),
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.as_ref().and_then(|child| i32::try_from(child.pid()).ok());
        match pid.and_then(Pid::from_raw) {
            Some(pid) => Ok(kill_process(pid, signal)?),
            None => Err(LabError::Server("the proxy does not run".to_owned())),
        }
    }

    fn reload_caddy(&self) -> Result<()> {
        let mut command = self.program.command();
        command
            .env("HOME", &self.folder)
            .args([
                "reload",
                "--force",
                "--adapter",
                "caddyfile",
                "--address",
                &self.admin.to_string(),
                "--config",
            ])
            .arg(&self.file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = command.status().map_err(LabError::io("reload Caddy"))?;
        if status.success() {
            Ok(())
        } else {
            Err(LabError::Server(format!("`caddy reload` ended with {status}")))
        }
    }

    /// Stops the proxy and starts it again at the same address.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.child = None;
        self.run()
    }

    /// CPU seconds of all its processes.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let pids = self.child.as_ref().map(|child| descendants(child.pid())).unwrap_or_default();
        pids.into_iter().filter_map(|pid| cpu_seconds(pid).ok()).sum()
    }
}

/// Two ports that nobody has at the moment. Between this and the start somebody might take one; the start fails then.
fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    let bind = || TcpListener::bind("127.0.0.1:0").map_err(LabError::io("look for a free port"));
    let (one, two) = (bind()?, bind()?);
    let address =
        |listener: &TcpListener| listener.local_addr().map_err(LabError::io("look for a free port"));
    Ok((address(&one)?, address(&two)?))
}
