//! When statistics are asked for: made up, and recorded.

/// The requests of one simulation.
pub(crate) struct Pattern {
    pub(crate) name: String,
    /// Seconds from the beginning, in order.
    pub(crate) requests: Vec<f64>,
    /// When the simulation ends, in seconds.
    pub(crate) end: f64,
}

/// Marsaglia's xorshift64*, so that a pattern is the same everywhere.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From -1 to 1.
    fn sign(&mut self) -> f64 {
        2.0 * self.next() - 1.0
    }
}

fn pattern(name: &str, mut requests: Vec<f64>) -> Pattern {
    requests.sort_by(f64::total_cmp);
    let end = requests.last().copied().unwrap_or_default() + 1.0;
    Pattern { name: name.to_owned(), requests, end }
}

/// `count` requests, one every `period` seconds from `first` on, each off by up to `jitter` of
/// that.
fn every(period: f64, count: u32, first: f64, jitter: f64) -> Vec<f64> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let time = |number| first + period * (f64::from(number) + jitter * random.sign());
    (0..count).map(time).map(|time| time.max(0.0)).collect()
}

/// Requests that know nothing of one another, one every `mean` seconds on average.
fn at_random(mean: f64, count: usize) -> Vec<f64> {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut time = 0.0;
    let mut next = || {
        time -= mean * (1.0 - random.next()).ln();
        time
    };
    (0..count).map(|_| next()).collect()
}

/// A reader that waits for `pause` after each answer, which takes up to `most`.
fn drifting(pause: f64, most: f64, count: usize) -> Vec<f64> {
    let mut random = Random(0xdead_beef_cafe_f00d);
    let mut time = 0.0;
    let mut next = || {
        time += pause + most * random.next();
        time
    };
    (0..count).map(|_| next()).collect()
}

fn lasting(pattern: Pattern, seconds: f64) -> Pattern {
    Pattern { end: pattern.end + seconds, ..pattern }
}

/// All that are made up.
pub(crate) fn made_up() -> Vec<Pattern> {
    let seventh = |requests: Vec<f64>| {
        let kept = requests.into_iter().enumerate().filter(|(index, _)| index % 7 != 5);
        kept.map(|(_, time)| time).collect()
    };
    let two = |first, second| [first, second].concat();
    let changed = two(every(10.0, 30, 0.0, 0.0), every(3.0, 100, 301.7, 0.0));
    vec![
        pattern("every 2 s", every(2.0, 300, 0.0, 0.0)),
        pattern("every 10 s", every(10.0, 180, 0.0, 0.0)),
        pattern("every 60 s", every(60.0, 60, 0.0, 0.0)),
        pattern("every 5 min", every(300.0, 24, 0.0, 0.0)),
        pattern("every 2 s, jitter 10 %", every(2.0, 300, 1.0, 0.1)),
        pattern("every 10 s, jitter 1 %", every(10.0, 180, 1.0, 0.01)),
        pattern("every 10 s, jitter 10 %", every(10.0, 180, 1.0, 0.1)),
        pattern("drifting", drifting(5.0, 0.2, 300)),
        pattern("every 10 s, each 7th missing", seventh(every(10.0, 210, 0.0, 0.0))),
        pattern(
            "every 2 s and every 10 s",
            two(every(2.0, 300, 0.0, 0.0), every(10.0, 60, 3.3, 0.0)),
        ),
        pattern(
            "every 15 s and every 60 s",
            two(every(15.0, 240, 0.0, 0.002), every(60.0, 60, 22.0, 0.0005)),
        ),
        pattern("every 10 s, then every 3 s", changed),
        lasting(pattern("every 2 s, then none", every(2.0, 60, 0.0, 0.0)), 600.0),
        lasting(pattern("every 60 s, then none", every(60.0, 30, 0.0, 0.0)), 3600.0),
        pattern("at random, every 10 s", at_random(10.0, 400)),
        pattern("at random, every 30 s", at_random(30.0, 400)),
        pattern("every 0.5 s", every(0.5, 600, 0.0, 0.0)),
        pattern("every 20 ms", every(0.02, 6000, 0.0, 0.0)),
    ]
}

/// Readers of which it was recorded when their requests arrived: file and name.
const RECORDED: [(&str, &str); 4] = [
    ("prometheus-2s.txt", "recorded: Prometheus, scrape_interval 2 s"),
    ("prometheus-15s.txt", "recorded: Prometheus, scrape_interval 15 s"),
    ("shell-2s.txt", "recorded: shell, `curl; sleep 2`"),
    ("python-10s.txt", "recorded: Python, `urlopen; sleep(10)`"),
];

/// All that are recorded: a time in seconds on each line, `#` begins a remark.
pub(crate) fn recorded() -> Vec<Pattern> {
    let read = |(file, name): &(&str, &str)| {
        let path = test_support::repository(&format!("tests/ahead/recorded/{file}"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let times: Vec<f64> = lines.map(|line| line.parse().unwrap()).collect();
        pattern(name, times.iter().map(|time| time - times[0]).collect())
    };
    RECORDED.iter().map(read).collect()
}

pub(crate) fn by_name(name: &str) -> Pattern {
    made_up().into_iter().find(|pattern| pattern.name == name).unwrap()
}
