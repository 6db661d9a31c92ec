//! To be written.
/// Where metrics are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsAddress(String);
impl std::str::FromStr for MetricsAddress {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Ok(Self(s.into()))
    }
}
