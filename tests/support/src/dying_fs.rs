//! A file system that stops answering, as a network's does when its server is gone.
//!
//! It is a FUSE file system in memory, served by a thread of the test (the structures are those of
//! linux/fuse.h, version 7.31). From the moment at which a certain file exists its requests are
//! read and not answered: whoever waits for one hangs in the kernel and cannot even be killed,
//! until the value is dropped. So the process that is tested must be another one. If the file holds
//! `fail`, the next file to be opened gives ETIMEDOUT after a while, and nothing is answered only
//! then.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

const ROOT: u64 = 1;
const DIRECTORY: u32 = libc_mode::DIRECTORY | 0o755;
/// `FUSE_OPEN`.
const OPEN: u32 = 14;
/// What the file holds when the next opening is to fail, after a while, before nothing is answered.
const FAIL: &[u8] = b"fail";
/// That while.
const SLOW: std::time::Duration = std::time::Duration::from_millis(300);
/// The largest request: a write with its header.
const REQUEST_BYTES: usize = (1 << 20) + 4096;

mod libc_mode {
    /// `S_IFDIR` and `S_IFREG`.
    pub(super) const DIRECTORY: u32 = 0o040_000;
    pub(super) const REGULAR: u32 = 0o100_000;
}

/// Errors of `errno.h`.
mod errno {
    pub(super) const ENOENT: i32 = 2;
    pub(super) const EEXIST: i32 = 17;
    pub(super) const ENOTEMPTY: i32 = 39;
    pub(super) const ENOSYS: i32 = 38;
    pub(super) const ETIMEDOUT: i32 = 110;
}

/// A mounted file system.
#[derive(Debug)]
pub struct DyingFs {
    at: PathBuf,
    server: Option<JoinHandle<()>>,
}

impl DyingFs {
    /// Mounts it at the directory `at`; it stops answering when the file `stop` exists.
    ///
    /// # Errors
    ///
    /// When this machine or this user cannot mount such a file system; in words for people.
    pub fn mount(at: &Path, stop: &Path) -> Result<DyingFs, String> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|error| format!("/dev/fuse: {error}"))?;
        let options =
            format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("dying"), at, Some("fuse"), flags, Some(options.as_str()))
            .map_err(|errno| format!("mount: {errno}"))?;
        let mut tree = Tree::new(stop.to_owned());
        let server = std::thread::Builder::new().name("dying-fs".into());
        let server = server.spawn(move || tree.serve(device));
        let server = server.map_err(|error| format!("thread: {error}"))?;
        Ok(DyingFs { at: at.to_owned(), server: Some(server) })
    }
}

impl Drop for DyingFs {
    fn drop(&mut self) {
        // Fails what waits, and ends the server by that.
        let _ = umount2(&self.at, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

#[derive(Debug)]
struct Node {
    mode: u32,
    data: Vec<u8>,
    children: BTreeMap<Vec<u8>, u64>,
}

#[derive(Debug)]
struct Tree {
    stop: PathBuf,
    dead: bool,
    nodes: HashMap<u64, Node>,
    last: u64,
}

type Answer = Result<Vec<u8>, i32>;

/// A request's body, read from front to back.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn u32(&mut self) -> u32 {
        let (head, rest) = self.0.split_first_chunk().expect("a request's field");
        self.0 = rest;
        u32::from_ne_bytes(*head)
    }

    fn u64(&mut self) -> u64 {
        let (head, rest) = self.0.split_first_chunk().expect("a request's field");
        self.0 = rest;
        u64::from_ne_bytes(*head)
    }

    fn skip(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).expect("a request's fields");
    }

    fn name(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).expect("a name with its end");
        let (name, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        name
    }
}

impl Tree {
    fn new(stop: PathBuf) -> Tree {
        let root = Node { mode: DIRECTORY, data: Vec::new(), children: BTreeMap::new() };
        Tree { stop, dead: false, nodes: HashMap::from([(ROOT, root)]), last: ROOT }
    }

    fn serve(&mut self, mut device: File) {
        let mut request = vec![0; REQUEST_BYTES];
        loop {
            let count = match device.read(&mut request) {
                Ok(count) => count,
                // The request was withdrawn, or a signal came.
                Err(error) if matches!(error.raw_os_error(), Some(2 | 4 | 11)) => continue,
                // It was unmounted.
                Err(_) => return,
            };
            let stop = std::fs::read(&self.stop).ok();
            if self.dead || stop.as_ref().is_some_and(|how| how != FAIL) {
                continue;
            }
            let mut body = Body(&request[..count]);
            let (_, operation) = (body.u32(), body.u32());
            let (unique, node) = (body.u64(), body.u64());
            body.skip(16);
            let Some(mut answer) = self.answer(operation, node, body) else { continue };
            if stop.is_some() && operation == OPEN {
                std::thread::sleep(SLOW);
                answer = Err(errno::ETIMEDOUT);
                self.dead = true;
            }
            let (error, payload) = match answer {
                Ok(payload) => (0, payload),
                Err(errno) => (-errno, Vec::new()),
            };
            let length = u32::try_from(16 + payload.len()).expect("small");
            let mut out = length.to_ne_bytes().to_vec();
            out.extend(error.to_ne_bytes());
            out.extend(unique.to_ne_bytes());
            out.extend(payload);
            // One that was interrupted is not there any more.
            let _ = device.write(&out);
        }
    }

    /// The answer to a request; `None` when there is to be none.
    fn answer(&mut self, operation: u32, node: u64, mut body: Body<'_>) -> Option<Answer> {
        Some(match operation {
            // FORGET, INTERRUPT, BATCH_FORGET, DESTROY
            2 | 36 | 42 | 38 => return None,
            1 => self.child(node, body.name()).map(|found| self.entry(found)),
            3 => Ok(self.attributes(node)),
            4 => self.set_attributes(node, body),
            9 => {
                let mode = libc_mode::DIRECTORY | body.u32() & 0o777;
                body.skip(4);
                self.make(node, body.name(), mode).map(|made| self.entry(made))
            }
            10 | 11 => self.remove(node, body.name()),
            12 => {
                let to = body.u64();
                self.rename(node, to, body)
            }
            45 => {
                let to = body.u64();
                body.skip(8);
                self.rename(node, to, body)
            }
            14 | 27 => Ok(vec![0; 16]),
            15 => Ok(self.read(node, body)),
            16 => Ok(self.write(node, body)),
            17 => Ok([0u64; 5]
                .iter()
                .flat_map(|it| it.to_ne_bytes())
                .chain(
                    [4096u32, 255, 4096, 0, 0, 0, 0, 0, 0, 0]
                        .iter()
                        .flat_map(|it| it.to_ne_bytes()),
                )
                .collect()),
            18 | 20 | 29 | 30 => Ok(Vec::new()),
            26 => Ok(init(body)),
            28 => Ok(self.list(node, body)),
            35 => {
                body.skip(4);
                let mode = libc_mode::REGULAR | body.u32() & 0o777;
                body.skip(8);
                self.make(node, body.name(), mode).map(|made| {
                    let mut out = self.entry(made);
                    out.extend([0; 16]);
                    out
                })
            }
            _ => Err(errno::ENOSYS),
        })
    }

    fn node(&self, node: u64) -> &Node {
        &self.nodes[&node]
    }

    fn child(&self, parent: u64, name: &[u8]) -> Result<u64, i32> {
        self.node(parent).children.get(name).copied().ok_or(errno::ENOENT)
    }

    fn put(&mut self, parent: u64, name: &[u8], child: u64) {
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.children.insert(name.to_vec(), child);
        }
    }

    fn take(&mut self, parent: u64, name: &[u8]) {
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.children.remove(name);
        }
    }

    fn make(&mut self, parent: u64, name: &[u8], mode: u32) -> Result<u64, i32> {
        if self.child(parent, name).is_ok() {
            return Err(errno::EEXIST);
        }
        self.last += 1;
        let node = Node { mode, data: Vec::new(), children: BTreeMap::new() };
        self.nodes.insert(self.last, node);
        let last = self.last;
        self.put(parent, name, last);
        Ok(last)
    }

    /// Nodes stay: somebody may have one open.
    fn remove(&mut self, parent: u64, name: &[u8]) -> Answer {
        let child = self.child(parent, name)?;
        if !self.node(child).children.is_empty() {
            return Err(errno::ENOTEMPTY);
        }
        self.take(parent, name);
        Ok(Vec::new())
    }

    fn rename(&mut self, from: u64, to: u64, mut names: Body<'_>) -> Answer {
        let (old, new) = (names.name(), names.name());
        let child = self.child(from, old)?;
        self.take(from, old);
        self.put(to, new, child);
        Ok(Vec::new())
    }

    fn read(&self, node: u64, mut body: Body<'_>) -> Vec<u8> {
        body.skip(8);
        let (offset, size) = (body.u64(), body.u32());
        let data = &self.node(node).data;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        data[from..data.len().min(from + size as usize)].to_vec()
    }

    fn write(&mut self, node: u64, mut body: Body<'_>) -> Vec<u8> {
        body.skip(8);
        let (offset, size) = (body.u64(), body.u32());
        body.skip(20);
        let from = usize::try_from(offset).expect("small");
        self.nodes.entry(node).and_modify(|it| {
            it.data.resize(it.data.len().max(from + size as usize), 0);
            it.data[from..from + size as usize].copy_from_slice(&body.0[..size as usize]);
        });
        [size, 0].iter().flat_map(|it| it.to_ne_bytes()).collect()
    }

    fn set_attributes(&mut self, node: u64, mut body: Body<'_>) -> Answer {
        const MODE: u32 = 1;
        const SIZE: u32 = 8;
        let valid = body.u32();
        body.skip(12);
        let size = body.u64();
        body.skip(44);
        let mode = body.u32();
        self.nodes.entry(node).and_modify(|it| {
            if valid & SIZE != 0 {
                it.data.resize(usize::try_from(size).expect("small"), 0);
            }
            if valid & MODE != 0 {
                it.mode = mode;
            }
        });
        Ok(self.attributes(node))
    }

    fn list(&self, node: u64, mut body: Body<'_>) -> Vec<u8> {
        body.skip(8);
        let (offset, size) = (body.u64(), body.u32() as usize);
        let mut out = Vec::new();
        let children = self.node(node).children.iter().enumerate();
        for (index, (name, child)) in children.skip(usize::try_from(offset).expect("small")) {
            let mut entry = child.to_ne_bytes().to_vec();
            entry.extend((index as u64 + 1).to_ne_bytes());
            entry.extend(u32::try_from(name.len()).expect("small").to_ne_bytes());
            entry.extend((self.node(*child).mode >> 12).to_ne_bytes());
            entry.extend(name);
            entry.resize(entry.len().next_multiple_of(8), 0);
            if out.len() + entry.len() > size {
                break;
            }
            out.extend(entry);
        }
        out
    }

    /// `fuse_entry_out`: nothing may be remembered by the kernel.
    fn entry(&self, node: u64) -> Vec<u8> {
        let mut out = node.to_ne_bytes().to_vec();
        out.extend([0; 32]);
        out.extend(self.attribute(node));
        out
    }

    /// `fuse_attr_out`.
    fn attributes(&self, node: u64) -> Vec<u8> {
        let mut out = vec![0; 16];
        out.extend(self.attribute(node));
        out
    }

    /// `fuse_attr`.
    fn attribute(&self, node: u64) -> Vec<u8> {
        let Node { mode, data, .. } = self.node(node);
        let size = data.len() as u64;
        let wide = [node, size, size.div_ceil(512), 0, 0, 0];
        let narrow = [0, 0, 0, *mode, 1, 0, 0, 0, 4096, 0];
        let wide = wide.iter().flat_map(|it| it.to_ne_bytes());
        wide.chain(narrow.iter().flat_map(|it: &u32| it.to_ne_bytes())).collect()
    }
}

/// `fuse_init_out`.
fn init(mut body: Body<'_>) -> Vec<u8> {
    body.skip(8);
    let read_ahead = body.u32();
    let mut out: Vec<u8> =
        [7u32, 31, read_ahead, 0].iter().flat_map(|it| it.to_ne_bytes()).collect();
    out.extend([16u16, 12].iter().flat_map(|it| it.to_ne_bytes()));
    out.extend([1u32 << 17, 1].iter().flat_map(|it| it.to_ne_bytes()));
    out.resize(64, 0);
    out
}
