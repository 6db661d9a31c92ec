//! A worker that waits 10 ms for each request, made with `examples/workers/mesos_worker.py`.

use std::path::{Path, PathBuf};

use crate::scripts::write_script;

const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workers");

/// A worker that takes so many requests at a time.
pub(crate) fn worker(directory: &Path, multiplex: usize) -> PathBuf {
    let text = format!(
        "#!/usr/bin/python3\nimport asyncio, sys\nsys.path.insert(0, {LIBRARY:?})\n\
         import mesos_worker\n\
         async def answer(request):\n    await asyncio.sleep(0.01)\n    return request\n\
         mesos_worker.main_async(answer, multiplex={multiplex})\n"
    );
    write_script(directory, &format!("worker-{multiplex}.py"), &text)
}
